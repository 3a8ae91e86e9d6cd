import assert from 'node:assert/strict';
import { addressBytes, canonicalHost, toUrlHost } from '../../../src/lib/identity/hosts.js';

describe('hosts', () => {
  it('have one canonical form', () => {
    for (const [text, canonical] of [
      ['NAS.lan', 'nas.lan'],
      ['nas.lan.', 'nas.lan'],
      [' localhost ', 'localhost'],
      ['my_box', 'my_box'],
      ['bücher.example', 'xn--bcher-kva.example'],
      ['127.0.0.1', '127.0.0.1'],
      ['[::1]', '::1'],
      ['FD7A:0:0:0::0001', 'fd7a::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ] as const) {
      assert.equal(canonicalHost(text), canonical);
    }
  });

  it('are refused when they are neither a name nor an address', () => {
    for (const text of [
      '',
      '.',
      'a..b',
      '-a',
      'a-',
      'a b',
      '1.2.3',
      '1.2.3.4.5',
      '999.1.1.1',
      'x'.repeat(64),
      '*',
      'a/b',
      'a:1',
    ]) {
      assert.equal(canonicalHost(text), null, text);
    }
  });

  it('become the bytes of their address', () => {
    assert.equal(addressBytes('192.0.2.1')?.toString('hex'), 'c0000201');
    assert.equal(addressBytes('::')?.toString('hex'), '0'.repeat(32));
    assert.equal(addressBytes('::1')?.toString('hex'), `${'0'.repeat(31)}1`);
    assert.equal(addressBytes('fd7a::1')?.toString('hex'), `fd7a${'0'.repeat(27)}1`);
    assert.equal(addressBytes('1:2:3:4:5:6:7:8')?.toString('hex'), '00010002000300040005000600070008');
    assert.equal(addressBytes('2001:db8::')?.toString('hex'), `20010db8${'0'.repeat(24)}`);
    assert.equal(addressBytes('nas.lan'), null);
  });

  it('are bracketed in URLs when they are IPv6', () => {
    assert.equal(toUrlHost('fd7a::1'), '[fd7a::1]');
    assert.equal(toUrlHost('nas.lan'), 'nas.lan');
  });
});
