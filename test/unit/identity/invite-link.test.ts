import assert from 'node:assert/strict';
import { formatInviteLink, looksLikeLink, parseInviteLink, toQrText } from '../../../src/lib/identity/invite-link.js';

const CODE = 'K7QF2M9D4TXW';
const PIN = '9Q3MZ8XHCV2R5T7WK4NBD6YJPE';
const LINK = { host: '192.168.1.20', port: 7443, code: CODE, caPin: PIN };
const TEXT = `https://192.168.1.20:7443/j/${CODE}-${PIN}`;

describe('invite links', () => {
  it('spell an invite in one line', () => {
    assert.equal(formatInviteLink(LINK), TEXT);
    assert.deepEqual(parseInviteLink(TEXT), LINK);
  });

  it('hold only characters that no shell touches, and fit the small QR code', () => {
    const longest = formatInviteLink({ ...LINK, host: '192.168.100.200', port: 65_535 });
    assert.match(longest, /^[A-Za-z0-9:/.-]+$/);
    assert.ok(longest.length <= 77, `${longest.length} characters`);
    assert.match(toQrText(longest), /^[0-9A-Z $%*+\-./:]+$/);
  });

  it('read any case, both schemes and white space around', () => {
    assert.deepEqual(parseInviteLink(toQrText(TEXT)), LINK);
    assert.deepEqual(parseInviteLink(` ${TEXT.toLowerCase()}\n`), LINK);
    assert.deepEqual(parseInviteLink(TEXT.replace('https', 'palyra')), LINK);
    assert.deepEqual(parseInviteLink(TEXT.replace('https', 'PALYRA')), LINK);
  });

  it('put IPv6 hosts in brackets and read them back', () => {
    const link = { ...LINK, host: 'fd7a::1' };
    assert.equal(formatInviteLink(link), `https://[fd7a::1]:7443/j/${CODE}-${PIN}`);
    assert.deepEqual(parseInviteLink(formatInviteLink(link)), link);
    assert.deepEqual(parseInviteLink(toQrText(formatInviteLink(link))), link);
    assert.deepEqual(parseInviteLink(`https://[FD7A:0:0::1]/j/${CODE}-${PIN}`), link);
  });

  it('take port 7443 when there is none', () => {
    assert.equal(parseInviteLink(`https://nas.lan/j/${CODE}-${PIN}`).port, 7443);
  });

  it('correct confusable letters and tolerate grouped characters', () => {
    assert.deepEqual(parseInviteLink(`https://nas.lan/j/K7QF2M9D4TIO-${PIN}`).code, 'K7QF2M9D4T10');
    assert.deepEqual(parseInviteLink(`https://nas.lan/j/K7QF-2M9D-4TXW-${PIN}`), { ...LINK, host: 'nas.lan' });
  });

  const refusals: readonly (readonly [name: string, text: string, detail: RegExp])[] = [
    ['nothing', '  ', /empty/],
    ['something long', `https://${'a'.repeat(600)}`, /longer than 512/],
    ['no scheme', `nas.lan:7443/j/${CODE}-${PIN}`, /does not begin with https/],
    ['plain http', TEXT.replace('https', 'http'), /begins with http:\/\/ instead/],
    ['another scheme', TEXT.replace('https', 'javascript'), /begins with javascript:\/\//],
    ['a query', `${TEXT}?utm_source=chat`, /query/],
    ['a fragment', `${TEXT}#x`, /fragment/],
    ['a line break inside', TEXT.replace('-', '-\n'), /space or a line break/],
    ['no host', `https://:7443/j/${CODE}-${PIN}`, /no host/],
    ['no host in brackets', `https://[]:7443/j/${CODE}-${PIN}`, /no host/],
    ['a user name', `https://me@nas.lan/j/${CODE}-${PIN}`, /user name/],
    ['a broken IPv4 host', `https://192.168.1.999/j/${CODE}-${PIN}`, /neither a host name nor an address/],
    ['a name in brackets', `https://[nas.lan]/j/${CODE}-${PIN}`, /neither a host name nor an address/],
    ['an IPv6 host without brackets', `https://fd7a::1/j/${CODE}-${PIN}`, /needs brackets|port/],
    ['a host with an escape', `https://nas%2elan/j/${CODE}-${PIN}`, /neither a host name nor an address/],
    ['port 0', TEXT.replace('7443', '0'), /not a port/],
    ['port 65536', TEXT.replace('7443', '65536'), /not a port/],
    ['an empty port', TEXT.replace('7443', ''), /not a port/],
    ['no path', 'https://nas.lan:7443', /no \/j\//],
    ['another path', `https://nas.lan/join/${CODE}-${PIN}`, /no \/j\//],
    ['a deeper path', `https://nas.lan/j/${CODE}-${PIN}/x`, /no \/j\//],
    ['no fingerprint', `https://nas.lan/j/${CODE}`, /no -FINGERPRINT/],
    ['a short code', `https://nas.lan/j/${CODE.slice(1)}-${PIN}`, /code has 11 characters instead of 12/],
    ['a short fingerprint', TEXT.slice(0, -1), /fingerprint has 25 characters instead of 26; .*not copied whole/],
    ['a long fingerprint', `${TEXT}0`, /fingerprint has 27 characters/],
    ['a letter that no code has', TEXT.replace(CODE, 'K7QF2M9D4TXU'), /code has a character/],
    ['a letter that no fingerprint has', TEXT.replace('9Q3M', '9Q3*'), /fingerprint has a character/],
  ];
  for (const [name, text, detail] of refusals) {
    it(`are refused with ${name}, and the reason is exact`, () => {
      assert.throws(() => parseInviteLink(text), { reason: 'LINK_MALFORMED', detail });
    });
  }

  it('never appear in the error that refuses them', () => {
    for (const [, text] of refusals) {
      assert.throws(
        () => parseInviteLink(text),
        (error: Error) => !error.message.includes('M9D4T') && !error.message.includes('XHCV2'),
      );
    }
  });

  it('are not written when they could not be read', () => {
    for (const bad of [{ host: 'not a host' }, { port: 0 }, { code: 'K7QF' }, { caPin: 'U'.repeat(26) }]) {
      assert.throws(() => formatInviteLink({ ...LINK, ...bad }), { reason: 'LINK_MALFORMED' });
    }
  });

  it('are told from hosts', () => {
    for (const text of [TEXT, toQrText(TEXT), 'http://nas.lan', 'nas.lan/j/x']) assert.ok(looksLikeLink(text), text);
    for (const text of ['nas.lan', '192.168.1.20:7443', '[fd7a::1]:7443', 'pi-lab'])
      assert.ok(!looksLikeLink(text), text);
  });
});
