import assert from 'node:assert/strict';
import { contextNameFor, parseContextName, parseDaemonAddress } from '../../../src/lib/cli/daemon-address.js';

describe('the address of a daemon', () => {
  it('is a host, a host with a port, or a URL', () => {
    const cases: [string, string, string, number][] = [
      ['nas.lan', 'https://nas.lan:7443', 'nas.lan', 7443],
      [' NAS.lan ', 'https://nas.lan:7443', 'nas.lan', 7443],
      ['nas.lan:8443', 'https://nas.lan:8443', 'nas.lan', 8443],
      ['nas.lan:443', 'https://nas.lan', 'nas.lan', 443],
      ['https://nas.lan', 'https://nas.lan:7443', 'nas.lan', 7443],
      ['HTTPS://nas.lan:443/', 'https://nas.lan', 'nas.lan', 443],
      ['192.168.1.20', 'https://192.168.1.20:7443', '192.168.1.20', 7443],
      ['fd00::5', 'https://[fd00::5]:7443', 'fd00::5', 7443],
      ['[fd00::5]:8443', 'https://[fd00::5]:8443', 'fd00::5', 8443],
    ];
    for (const [text, url, host, port] of cases) {
      const address = parseDaemonAddress(text);
      assert.deepEqual([address.url, address.host, address.port, address.caFingerprint], [url, host, port, null], text);
    }
  });

  it('may have the fingerprint of the CA behind it', () => {
    const hex = 'ab'.repeat(32);
    assert.equal(parseDaemonAddress(`nas.lan#sha256:${hex}`).caFingerprint, hex);
    assert.equal(parseDaemonAddress(`https://nas.lan:7443#${hex.toUpperCase()}`).caFingerprint, hex);
    assert.throws(() => parseDaemonAddress('nas.lan#sha256:12'), { reason: 'USAGE_INVALID' });
  });

  it('is nothing else, and never plain HTTP', () => {
    for (const text of [
      '',
      '  ',
      'http://nas.lan',
      'ftp://nas',
      'https://nas.lan/v1',
      'https://nas.lan?x=1',
      'eva:secret@nas.lan',
      'nas.lan:99999',
      'nas lan',
    ]) {
      assert.throws(() => parseDaemonAddress(text), { reason: 'USAGE_INVALID' }, text);
    }
  });

  it('gives the context its name', () => {
    const nameOf = (text: string, ...taken: string[]) =>
      contextNameFor(parseDaemonAddress(text), (name) => taken.includes(name));
    assert.equal(nameOf('nas.lan'), 'nas');
    assert.equal(nameOf('nas.lan', 'nas'), 'nas.lan');
    assert.equal(nameOf('nas.lan', 'nas', 'nas.lan'), 'nas.lan-7443');
    assert.equal(nameOf('192.168.1.20'), '192.168.1.20');
    assert.equal(nameOf('[::1]:7443'), '1');
    assert.equal(nameOf('local.lan'), 'local.lan');
    assert.throws(() => nameOf('nas', 'nas', 'nas-7443'), { reason: 'USAGE_INVALID' });
    assert.equal(parseContextName('Nas-2'), 'nas-2');
    for (const name of ['', '.x', '../x', 'a/b', 'a b', 'x'.repeat(64)]) {
      assert.throws(() => parseContextName(name), { reason: 'USAGE_INVALID' });
    }
  });
});
