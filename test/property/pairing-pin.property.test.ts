import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { systemRandom } from '../../src/lib/base/random.js';
import {
  matchesPin,
  nonceCommitment,
  opensCommitment,
  pairingPin,
  parsePin,
  formatPin,
  toPinVerifier,
  type PinInputs,
} from '../../src/lib/base/pairing-pin.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = bytes(32).map((value) => Buffer.from(value).toString('hex'));
const inputs: fc.Arbitrary<PinInputs> = fc.record({
  caSpkiSha256: hex,
  serverCertificateSha256: hex,
  spki: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  nodeNonce: bytes(32),
  daemonNonce: bytes(32),
});

/** A search over this many pairs of PINs finds so many collisions at most; a fair PIN finds 0.02 of them on average. */
const PAIRS = 20_000;
const TOLERATED = 3;

const fresh = (): PinInputs => ({
  caSpkiSha256: randomBytes(32).toString('hex'),
  serverCertificateSha256: randomBytes(32).toString('hex'),
  spki: randomBytes(91),
  nodeNonce: randomBytes(32),
  daemonNonce: randomBytes(32),
});

describe('the PIN of a machine that asks', () => {
  it('is six digits, the same for both sides, over any inputs', () => {
    fc.assert(
      fc.property(inputs, (value) => {
        const pin = pairingPin(value);
        assert.match(pin, /^\d{6}$/);
        assert.equal(pairingPin({ ...value, spki: Buffer.from(value.spki) }), pin);
        assert.equal(parsePin(formatPin(pin)), pin);
      }),
    );
  });

  it('is another one for a man in the middle, whichever single thing he changes, but for one in a million', () => {
    for (const field of ['caSpkiSha256', 'serverCertificateSha256', 'spki', 'nodeNonce', 'daemonNonce'] as const) {
      let same = 0;
      for (let pair = 0; pair < PAIRS / 5; pair += 1) {
        const honest = fresh();
        if (pairingPin(honest) === pairingPin({ ...honest, [field]: fresh()[field] })) same += 1;
      }
      assert.ok(same <= TOLERATED, `${field}: ${same}`);
    }
  });

  it('has every digit equally often at every place', () => {
    const counts = Array.from({ length: 6 }, () => new Array<number>(10).fill(0));
    for (let draw = 0; draw < PAIRS; draw += 1) {
      [...pairingPin(fresh())].forEach((digit, place) => (counts[place]![Number(digit)]! += 1));
    }
    // Chi squared with 9 degrees of freedom: above 45 once in a million runs.
    for (const place of counts) {
      const chi = place.reduce((sum, count) => sum + (count - PAIRS / 10) ** 2 / (PAIRS / 10), 0);
      assert.ok(chi < 45, `${chi}`);
    }
  });

  it('cannot be steered: a commitment opens to one nonce in one session', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), fc.string(), fc.string(), (nonce, other, session, elsewhere) => {
        const commitment = nonceCommitment(session, nonce);
        assert.equal(opensCommitment(commitment, session, nonce), true);
        assert.equal(opensCommitment(commitment, session, other), Buffer.from(nonce).equals(other));
        assert.equal(opensCommitment(commitment, elsewhere, nonce), session === elsewhere);
        assert.equal(opensCommitment(commitment.subarray(1), session, nonce), false);
      }),
    );
  });

  it('is kept as a salted hash that only it matches', () => {
    const verifier = toPinVerifier('482913', systemRandom);
    assert.equal(matchesPin(verifier, '482913'), true);
    assert.equal(matchesPin(verifier, '482914'), false);
    assert.notEqual(toPinVerifier('482913', systemRandom).hash, verifier.hash);
    assert.ok(!JSON.stringify(verifier).includes('482913'));
    for (const wrong of ['', '12345', '1234567', 'abcdef', '48291３']) {
      assert.throws(() => parsePin(wrong), { reason: 'PIN_MALFORMED' });
    }
  });
});
