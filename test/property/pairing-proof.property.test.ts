import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createDeviceKey, spkiOf } from '../../src/lib/identity/device-key.js';
import {
  codeProof,
  daemonProof,
  deriveCodeKeys,
  pairingTranscript,
  signPossession,
  toVerifier,
  verifyCodeProof,
  verifyDaemonProof,
  verifyPossession,
  type CodeKeys,
  type Transcript,
} from '../../src/lib/identity/pairing-proof.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = (length: number) => bytes(length).map((value) => Buffer.from(value).toString('hex'));
// Any bytes stand for a public key here: the transcript does not look inside.
const transcripts: fc.Arbitrary<Transcript> = fc.record({
  caSpkiSha256: hex(32),
  serverCertificateSha256: hex(32),
  spki: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  nodeNonce: fc.uint8Array({ maxLength: 64 }),
  daemonNonce: fc.uint8Array({ maxLength: 64 }),
  locator: bytes(16),
  sessionId: fc.string({ minLength: 1, maxLength: 40 }),
});

describe('the pairing proof, over any transcript', () => {
  const key = createDeviceKey();
  let keys: CodeKeys;
  let otherCode: CodeKeys;
  let otherAuthority: CodeKeys;
  before(async () => {
    const [here, there] = ['ab'.repeat(32), 'cd'.repeat(32)];
    [keys, otherCode, otherAuthority] = await Promise.all([
      deriveCodeKeys('K7QF2M9D4TXW', here),
      deriveCodeKeys('K7QF2M9D4TXX', here),
      deriveCodeKeys('K7QF2M9D4TXW', there),
    ]);
  });

  it('holds with the right code and key', () => {
    fc.assert(
      fc.property(transcripts, (fields) => {
        const transcript = pairingTranscript(fields);
        const verifier = toVerifier(keys);
        assert.equal(transcript.length, 32);
        assert.ok(verifyDaemonProof(keys, transcript, daemonProof(verifier.serverKey, transcript)));
        assert.ok(verifyCodeProof(verifier, transcript, codeProof(keys, transcript)));
        assert.ok(verifyPossession(spkiOf(key), transcript, signPossession(key, transcript)));
      }),
    );
  });

  it('fails for both sides as soon as any one field differs', () => {
    const pairs = fc
      .tuple(transcripts, transcripts, fc.constantFrom(...(Object.keys(sample()) as (keyof Transcript)[])))
      .map(([fields, other, name]) => [fields, { ...fields, [name]: other[name] }] as const)
      .filter(([left, right]) => JSON.stringify(left) !== JSON.stringify(right));
    fc.assert(
      fc.property(pairs, ([mine, theirs]) => {
        const verifier = toVerifier(keys);
        const [ours, changed] = [pairingTranscript(mine), pairingTranscript(theirs)];
        assert.ok(!verifyDaemonProof(keys, ours, daemonProof(verifier.serverKey, changed)));
        assert.ok(!verifyCodeProof(verifier, ours, codeProof(keys, changed)));
        assert.ok(!verifyPossession(spkiOf(key), ours, signPossession(key, changed)));
      }),
    );
  });

  it('fails when bytes move from one field to its neighbour', () => {
    fc.assert(
      fc.property(transcripts, fc.uint8Array({ minLength: 1, maxLength: 8 }), (fields, moved) => {
        const left = { ...fields, nodeNonce: Buffer.concat([fields.nodeNonce, moved]) };
        const right = { ...fields, daemonNonce: Buffer.concat([moved, fields.daemonNonce]) };
        assert.notDeepEqual(pairingTranscript(left), pairingTranscript(right));
      }),
    );
  });

  it('fails with another code, and with the same code at another authority', () => {
    fc.assert(
      fc.property(transcripts, (fields) => {
        const transcript = pairingTranscript(fields);
        for (const wrong of [otherCode, otherAuthority]) {
          assert.ok(!verifyCodeProof(toVerifier(keys), transcript, codeProof(wrong, transcript)));
          assert.ok(!verifyDaemonProof(keys, transcript, daemonProof(toVerifier(wrong).serverKey, transcript)));
        }
      }),
    );
  });

  it('fails with any bit of any proof turned', () => {
    fc.assert(
      fc.property(transcripts, fc.nat({ max: 255 }), (fields, bit) => {
        const transcript = pairingTranscript(fields);
        const turn = (proof: Buffer) => {
          const turned = Buffer.from(proof);
          turned.writeUInt8(turned.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
          return turned;
        };
        assert.ok(!verifyCodeProof(toVerifier(keys), transcript, turn(codeProof(keys, transcript))));
        assert.ok(!verifyDaemonProof(keys, transcript, turn(daemonProof(toVerifier(keys).serverKey, transcript))));
        assert.ok(!verifyPossession(spkiOf(key), transcript, turn(signPossession(key, transcript))));
      }),
    );
  });

  it('needs the client key: with the verifier alone every proof is refused', () => {
    fc.assert(
      fc.property(transcripts, bytes(32), (fields, guess) => {
        const verifier = toVerifier(keys);
        const reader = {
          ...keys,
          clientKey: Buffer.from(guess),
          storedKey: Buffer.from(verifier.storedKey, 'hex'),
          serverKey: Buffer.from(verifier.serverKey, 'hex'),
        };
        const transcript = pairingTranscript(fields);
        assert.ok(!verifyCodeProof(verifier, transcript, codeProof(reader, transcript)));
        for (const known of [reader.storedKey, reader.serverKey]) {
          assert.ok(!verifyCodeProof(verifier, transcript, codeProof({ ...reader, clientKey: known }, transcript)));
        }
      }),
    );
  });

  function sample(): Transcript {
    return fc.sample(transcripts, 1)[0] as Transcript;
  }
});
