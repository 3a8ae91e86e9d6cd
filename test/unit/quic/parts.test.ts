/** The parts of the QUIC driver that only decide: address tokens, sources, close reasons, server names. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { AddressTokens } from '../../../src/lib/quic/address-token.js';
import { sourceOf } from '../../../src/lib/quic/admission.js';
import { closedError, reasonBytes } from '../../../src/lib/quic/close.js';
import { withoutZone } from '../../../src/lib/quic/native.js';
import { serverNameProblem, sniOf } from '../../../src/lib/quic/peer-name.js';
import { createPki } from '../../support/quic.js';

describe('A Retry token', () => {
  const tokens = new AddressTokens({ key: Buffer.alloc(32, 7), lifetimeMs: 15_000 });
  const from = { host: '192.0.2.1', port: 4433 };
  const original = Buffer.from('0011223344556677', 'hex');
  const scid = Buffer.alloc(16, 3);
  const token = tokens.mint(from, original, scid, 1_000);

  it('gives the original connection id back, for 15 s', () => {
    for (const now of [1_000, 16_000]) {
      assert.deepEqual(tokens.verify(token, from, scid, now), { originalDcid: original, problem: null });
    }
    assert.deepEqual(tokens.verify(token, from, scid, 16_001), { problem: 'expired' });
  });

  it('is worth nothing from another address or port, for another connection id, or with another key', () => {
    const forged = { problem: 'forged' };
    assert.deepEqual(tokens.verify(token, { ...from, host: '192.0.2.2' }, scid, 1_000), forged);
    assert.deepEqual(tokens.verify(token, { ...from, port: 4434 }, scid, 1_000), forged);
    assert.deepEqual(tokens.verify(token, from, Buffer.alloc(16, 4), 1_000), forged);
    const others = new AddressTokens({ key: Buffer.alloc(32, 8), lifetimeMs: 15_000 });
    assert.deepEqual(others.verify(token, from, scid, 1_000), forged);
  });

  it('cannot be changed, cut or made longer anywhere', () => {
    for (let bit = 0; bit < token.length * 8; bit++) {
      const changed = Buffer.from(token);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(tokens.verify(changed, from, scid, 1_000), { problem: 'forged' });
    }
    for (let length = 0; length < token.length; length++) {
      assert.equal(tokens.verify(token.subarray(0, length), from, scid, 1_000).problem, 'forged');
    }
    assert.equal(tokens.verify(Buffer.concat([token, token]), from, scid, 1_000).problem, 'forged');
  });
});

describe('The source of a handshake', () => {
  it('is an IPv4 address, or the /64 of an IPv6 address however it is written', () => {
    const sources: [string, string][] = [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:0db8:1:2::9', '2001:db8:1:2::/64'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ];
    for (const [address, source] of sources) assert.equal(sourceOf(address), source, address);
  });

  it('has no zone for the library', () => {
    assert.deepEqual(withoutZone({ host: 'fe80::1%eth0', port: 1 }), { host: 'fe80::1', port: 1 });
  });
});

describe('The reason of a close', () => {
  it('is cut at 200 bytes, never within a character, and cannot steer a terminal', () => {
    assert.equal(reasonBytes('short').toString(), 'short');
    const cut = reasonBytes('é'.repeat(150)).toString();
    assert.equal(cut, 'é'.repeat(100));
    assert.equal(reasonBytes(`x${'é'.repeat(150)}`).toString(), `x${'é'.repeat(99)}`);
    const error = closedError({ by: 'peer', application: true, code: 5, reason: 'a\u001b[2Jb\nc' });
    assert.match(error.message, /\(a\?\[2Jb\?c\)/);
  });
});

describe('The name of a server', () => {
  const pki = createPki(['daemon.test', '192.0.2.7', '2001:db8::7']);
  const chain = [new X509Certificate(pki.server.certificatePem).raw];

  it('is found among the names or the addresses of its certificate', () => {
    for (const name of ['daemon.test', 'DAEMON.test', '192.0.2.7', '2001:db8::7', '2001:db8:0::7']) {
      assert.equal(serverNameProblem(chain, name), null, name);
    }
    for (const name of ['other.test', 'sub.daemon.test', '192.0.2.8', '2001:db8::8']) {
      assert.match(serverNameProblem(chain, name) ?? '', /is not for/, name);
    }
  });

  it('is refused without a certificate or with one that cannot be read', () => {
    assert.match(serverNameProblem([], 'daemon.test') ?? '', /no certificate/);
    assert.match(serverNameProblem([Buffer.from('x')], 'daemon.test') ?? '', /cannot be read/);
  });

  it('is sent in the handshake only when it is a name', () => {
    assert.equal(sniOf('daemon.test'), 'daemon.test');
    assert.equal(sniOf('192.0.2.7'), null);
    assert.equal(sniOf('::1'), null);
  });
});
