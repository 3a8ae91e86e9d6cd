/**
 * Keys: P-256 (FIPS 186-4) everywhere. A private key is made where it is used and never travels; what travels is its SubjectPublicKeyInfo (RFC 5480).
 *
 * One key has exactly one accepted encoding, named curve and uncompressed point, so that its fingerprint identifies it.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { PalyraError } from '../base/errors.js';

const CURVE = 'prime256v1';
/** What is refused before it is parsed. The one accepted encoding has 91 bytes. */
const MAX_SPKI_BYTES = 200;

/**
 * A fresh private key, read from its own encoding: Node (20, at least) stops for ever when the collector takes the job that generated a key just while that key
 * is looked into (`asymmetricKeyDetails`, export as JWK), because both want the lock of the same key object. This one has no such job.
 */
export function createDeviceKey(): KeyObject {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: CURVE,
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  });
  return createPrivateKey({ key: privateKey, type: 'pkcs8', format: 'der' });
}

/** PKCS #8 PEM, unencrypted: the caller writes it with mode 0600. */
export function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Throws STATE_CORRUPT when it is not a P-256 private key in PEM: keys are only ever read from our own files. */
export function importKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new PalyraError('STATE_CORRUPT', { detail: 'a private key cannot be read', cause });
  }
  if (!isP256(key)) throw new PalyraError('STATE_CORRUPT', { detail: 'a private key is not of the curve P-256' });
  return key;
}

/** SubjectPublicKeyInfo DER of a private or public key: named curve, uncompressed point, 91 bytes. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** SHA-256 of the SubjectPublicKeyInfo DER, lower-case hex. */
export function fingerprintOf(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}

/** The public key a stranger sent. Throws PAIRING_PROOF_INVALID unless it is a valid point of P-256 in the one accepted encoding. */
export function parsePublicKey(spki: Uint8Array): KeyObject {
  if (spki.length > MAX_SPKI_BYTES) throw refused(`the public key is longer than ${MAX_SPKI_BYTES} bytes`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), type: 'spki', format: 'der' });
  } catch (cause) {
    throw refused('the public key cannot be read', cause);
  }
  if (!isP256(key)) throw refused('the public key is not of the curve P-256');
  const point = uncompressedPoint(key);
  const exported = spkiOf(key);
  // Compressed points and trailing bytes parse too; either would give one key several fingerprints.
  if (!exported.equals(spki) || !exported.subarray(-point.length).equals(point)) {
    throw refused('the public key is not in the uncompressed form of RFC 5480');
  }
  return key;
}

/** `04 || X || Y` (SEC 1, section 2.3.3), 65 bytes: the contents of the BIT STRING in the SubjectPublicKeyInfo. */
export function uncompressedPoint(publicKey: KeyObject): Buffer {
  const { x, y } = publicKey.export({ format: 'jwk' });
  return Buffer.concat([Buffer.from([4]), Buffer.from(x ?? '', 'base64url'), Buffer.from(y ?? '', 'base64url')]);
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === CURVE;
}

function refused(detail: string, cause?: unknown): PalyraError {
  return new PalyraError('PAIRING_PROOF_INVALID', { detail, cause });
}
