import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes, scryptSync } from 'node:crypto';
import { createDeviceKey, spkiOf } from '../../../src/lib/identity/device-key.js';
import {
  awaitMessage,
  codeProof,
  daemonProof,
  deriveCodeKeys,
  pairingTranscript,
  signPossession,
  toVerifier,
  verifyCodeProof,
  verifyDaemonProof,
  verifyPossession,
} from '../../../src/lib/identity/pairing-proof.js';

const CA = createHash('sha256').update('a CA').digest('hex');
const CODE = 'K7QF2M9D4TXW';

describe('the pairing proof', () => {
  const key = createDeviceKey();
  const transcript = pairingTranscript({
    caSpkiSha256: CA,
    serverCertificateSha256: createHash('sha256').update('a leaf').digest('hex'),
    spki: spkiOf(key),
    nodeNonce: randomBytes(32),
    daemonNonce: randomBytes(32),
    locator: randomBytes(16),
    sessionId: 'ses_000001',
  });
  let keys: Awaited<ReturnType<typeof deriveCodeKeys>>;
  before(async () => {
    keys = await deriveCodeKeys(CODE, CA);
  });

  it('derives its keys by scrypt with N = 2^15, r = 8, p = 1, salted with the CA', () => {
    const salt = Buffer.concat([Buffer.from('palyra pairing v1'), Buffer.from(CA, 'hex')]);
    const bytes = scryptSync(CODE, salt, 80, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 26 });
    assert.deepEqual(Buffer.concat([keys.locator, keys.clientKey, keys.serverKey]), bytes);
    assert.deepEqual(keys.storedKey, createHash('sha256').update(keys.clientKey).digest());
  });

  it('does not care how the code was typed, but for which CA it was made', async () => {
    assert.deepEqual(await deriveCodeKeys('k7qf-2m9d 4txw', CA), keys);
    const elsewhere = await deriveCodeKeys(CODE, createHash('sha256').update('another CA').digest('hex'));
    for (const part of ['locator', 'clientKey', 'serverKey'] as const) assert.notDeepEqual(elsewhere[part], keys[part]);
  });

  it('convinces both sides when both know the code', () => {
    const verifier = toVerifier(keys);
    assert.ok(verifyDaemonProof(keys, transcript, daemonProof(verifier.serverKey, transcript)));
    assert.ok(verifyCodeProof(verifier, transcript, codeProof(keys, transcript)));
  });

  it('leaves nothing in the verifier from which a reader could make the proof', () => {
    const verifier = toVerifier(keys);
    assert.deepEqual(Object.keys(verifier).toSorted(), ['locator', 'serverKey', 'storedKey']);
    assert.ok(!JSON.stringify(verifier).includes(keys.clientKey.toString('hex')));
    // Everything that can be made of the verifier in the proof's own terms is refused.
    const known = [verifier.storedKey, verifier.serverKey].map((hex) => Buffer.from(hex, 'hex'));
    const signature = createHmac('sha256', known[0] ?? '')
      .update(transcript)
      .digest();
    for (const guess of [...known, signature, daemonProof(verifier.serverKey, transcript), Buffer.alloc(32)]) {
      assert.ok(!verifyCodeProof(verifier, transcript, guess));
      assert.ok(
        !verifyCodeProof(
          verifier,
          transcript,
          guess.map((byte, index) => byte ^ (signature[index] ?? 0)),
        ),
      );
    }
  });

  it('refuses proofs of any other length', () => {
    const verifier = toVerifier(keys);
    for (const length of [0, 31, 33, 4096]) {
      assert.ok(!verifyCodeProof(verifier, transcript, Buffer.alloc(length)));
      assert.ok(!verifyDaemonProof(keys, transcript, Buffer.alloc(length)));
      assert.ok(!verifyPossession(spkiOf(key), transcript, Buffer.alloc(length)));
    }
    assert.ok(!verifyCodeProof({ ...verifier, storedKey: '' }, transcript, codeProof(keys, transcript)));
  });

  it('reflects nothing: the proof of one side is none of the other', () => {
    const verifier = toVerifier(keys);
    assert.ok(!verifyDaemonProof(keys, transcript, codeProof(keys, transcript)));
    assert.ok(!verifyCodeProof(verifier, transcript, daemonProof(verifier.serverKey, transcript)));
  });

  it('shows possession of the key, for this message only', () => {
    const signature = signPossession(key, transcript);
    assert.ok(verifyPossession(spkiOf(key), transcript, signature));
    assert.ok(!verifyPossession(spkiOf(createDeviceKey()), transcript, signature));
    assert.ok(!verifyPossession(spkiOf(key), awaitMessage('req_A1B2C3', 1), signature));
    assert.throws(() => verifyPossession(Buffer.alloc(91), transcript, signature), { reason: 'PAIRING_PROOF_INVALID' });
  });

  it('signs a wait for one request at one time', () => {
    const message = awaitMessage('req_A1B2C3', 1_790_000_000_000);
    assert.notDeepEqual(message, awaitMessage('req_A1B2C4', 1_790_000_000_000));
    assert.notDeepEqual(message, awaitMessage('req_A1B2C3', 1_790_000_000_001));
    assert.notDeepEqual(awaitMessage('req_A1B2C31', 2), awaitMessage('req_A1B2C3', 12));
    assert.ok(message.includes('palyra await v1'));
  });

  it('derives without blocking the event loop', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await deriveCodeKeys(CODE, CA);
    clearInterval(timer);
    assert.ok(turns > 2, `${turns} turns of the loop`);
  });
});
