import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { ECDH, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  createDeviceKey,
  exportKey,
  fingerprintOf,
  importKey,
  parsePublicKey,
  spkiOf,
} from '../../../src/lib/identity/device-key.js';

const spki = (key: ReturnType<typeof createDeviceKey>) => key.export({ type: 'spki', format: 'der' });

const KEY_PROCESS = fileURLToPath(new URL('../../support/key-process.ts', import.meta.url));

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

  it('can be looked into while the collector is at work', async function () {
    this.timeout(60_000);
    // Its young generation is small, so that it collects often. With keys that know their job, one such process in three never ends.
    const words = ['--max-semi-space-size=1', '--import', 'tsx', KEY_PROCESS, '5000'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] });
    const stop = setTimeout(() => child.kill('SIGKILL'), 50_000);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    clearTimeout(stop);
    assert.deepEqual([code, signal], [0, null]);
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
