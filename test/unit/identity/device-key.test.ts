import assert from 'node:assert/strict';
import { ECDH, createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  createDeviceKey,
  exportKey,
  fingerprintOf,
  importKey,
  parsePublicKey,
  spkiOf,
} from '../../../src/lib/identity/device-key.js';

const spki = (key: ReturnType<typeof createDeviceKey>) => key.export({ type: 'spki', format: 'der' });

describe('device keys', () => {
  it('survive a round trip through PEM', () => {
    const key = createDeviceKey();
    assert.match(exportKey(key), /^-----BEGIN PRIVATE KEY-----/);
    assert.deepEqual(spkiOf(importKey(exportKey(key))), spkiOf(key));
  });

  it('show themselves as a SubjectPublicKeyInfo of 91 bytes with a stable fingerprint', () => {
    const key = createDeviceKey();
    assert.equal(spkiOf(key).length, 91);
    assert.deepEqual(spkiOf(parsePublicKey(spkiOf(key))), spkiOf(key));
    assert.match(fingerprintOf(spkiOf(key)), /^[0-9a-f]{64}$/);
  });

  it('are refused from disk when they are damaged or of another kind', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    for (const pem of ['', 'nonsense', exportKey(createDeviceKey()).slice(0, 80), exportKey(privateKey)]) {
      assert.throws(() => importKey(pem), { reason: 'STATE_CORRUPT' });
    }
  });

  it('are refused from strangers in any other kind, curve or encoding', () => {
    const good = spkiOf(createDeviceKey());
    const offCurve = Buffer.from(good);
    offCurve.writeUInt8(offCurve.readUInt8(90) ^ 1, 90);
    const compressedPoint = ECDH.convertKey(
      good.subarray(26),
      'prime256v1',
      undefined,
      undefined,
      'compressed',
    ) as Buffer;
    const compressed = Buffer.concat([
      Buffer.from('3039', 'hex'),
      good.subarray(2, 23),
      Buffer.from('032200', 'hex'),
      compressedPoint,
    ]);
    assert.doesNotThrow(() => createPublicKey({ key: compressed, type: 'spki', format: 'der' }));
    for (const [name, bytes] of [
      ['empty', Buffer.alloc(0)],
      ['noise', Buffer.alloc(91, 7)],
      ['too long', Buffer.concat([good, Buffer.alloc(200)])],
      ['a trailing byte', Buffer.concat([good, Buffer.alloc(1)])],
      ['a point off the curve', offCurve],
      ['a compressed point', compressed],
      ['P-384', spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)],
      ['secp256k1', spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
      ['Ed25519', spki(generateKeyPairSync('ed25519').publicKey)],
      ['RSA', spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
    ] as const) {
      assert.throws(() => parsePublicKey(bytes), { reason: 'PAIRING_PROOF_INVALID' }, name);
    }
  });
});
