import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  caPin,
  formatCode,
  isCrockford,
  newInviteCode,
  newShortId,
  normalizeCrockford,
  parseInviteCode,
} from '../../src/lib/identity/codes.js';
import { addressBytes, canonicalHost } from '../../src/lib/identity/hosts.js';
import { formatInviteLink, parseInviteLink, toQrText } from '../../src/lib/identity/invite-link.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { Random } from '../../src/lib/base/random.js';

const seeded = (bytes: Uint8Array): Random => ({
  bytes: (size) => Buffer.from(bytes.subarray(0, size)),
  fraction: () => 0,
});
const randoms = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(seeded);
const hosts = fc
  .oneof(fc.domain(), fc.ipV4(), fc.ipV6())
  .map((host) => canonicalHost(host))
  .filter((host) => host !== null);
/** Plain objects: records without a prototype are never deeply equal to what a decoder makes. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const links = record({
  host: hosts,
  port: fc.integer({ min: 1, max: 65_535 }),
  code: randoms.map(newInviteCode),
  caPin: fc.uint8Array().map(caPin),
});

describe('codes and links, whatever they hold', () => {
  it('codes and ids are Crockford of their length and stable under reading', () => {
    fc.assert(
      fc.property(randoms, (random) => {
        const code = newInviteCode(random);
        assert.ok(isCrockford(code, 12));
        assert.ok(isCrockford(newShortId(random), 6));
        assert.equal(parseInviteCode(formatCode(code)), code);
        assert.equal(parseInviteCode(code.toLowerCase().replaceAll('1', 'l').replaceAll('0', 'o')), code);
      }),
    );
  });

  it('normalising twice is normalising once', () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        assert.equal(normalizeCrockford(normalizeCrockford(text)), normalizeCrockford(text)),
      ),
    );
  });

  it('a link survives writing, reading and the upper case of a QR code', () => {
    fc.assert(
      fc.property(links, (link) => {
        const text = formatInviteLink(link);
        assert.deepEqual(parseInviteLink(text), link);
        assert.deepEqual(parseInviteLink(toQrText(text)), link);
        assert.deepEqual(parseInviteLink(text.replace('https', 'palyra')), link);
      }),
    );
  });

  it('a link with any character changed is another link or is refused, and never crashes', () => {
    fc.assert(
      fc.property(links, fc.nat(), fc.string({ unit: 'grapheme', minLength: 0, maxLength: 2 }), (link, at, insert) => {
        const text = formatInviteLink(link);
        const index = at % text.length;
        try {
          parseInviteLink(text.slice(0, index) + insert + text.slice(index + 1));
        } catch (error) {
          assert.ok(error instanceof PalyraError);
          assert.equal(error.reason, 'LINK_MALFORMED');
          assert.notEqual(error.detail, null);
        }
      }),
    );
  });

  it('any text is a link or is refused with a reason', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl({ withQueryParameters: true, withFragments: true })), (text) => {
        assert.throws(() => parseInviteLink(text), { reason: 'LINK_MALFORMED' });
      }),
    );
  });

  it('a canonical host is its own canonical form, and an address keeps its bytes', () => {
    fc.assert(
      fc.property(hosts, (host) => {
        assert.equal(canonicalHost(host), host);
        const bytes = addressBytes(host);
        assert.ok(bytes === null || bytes.length === 4 || bytes.length === 16);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const groups = Array.from({ length: 8 }, (_, group) =>
          Buffer.from(bytes)
            .readUInt16BE(group * 2)
            .toString(16),
        );
        assert.deepEqual(addressBytes(canonicalHost(groups.join(':')) ?? ''), Buffer.from(bytes));
      }),
    );
  });
});
