/**
 * The PIN of a machine that asks to join without an invite: six digits that it shows and that the person who approves it types (number matching).
 *
 *   daemon  commitment = SHA-256(label, session, daemon nonce)      it has chosen before it sees anything of the node
 *   node    node nonce, possession over the transcript              it has chosen before it sees what the daemon chose
 *   daemon  daemon nonce                                            both compute the PIN
 *
 * The PIN is a function of both nonces, the node's key, the CA and the server certificate of the connection. A man in the middle has two connections with
 * two keys and two certificates, hence two PINs, and cannot choose either: each is settled by a number it learns after it has sent its own, so they agree
 * once in a million. The daemon commits, not the node: whoever wants another PIN must leave a request behind for each try, and those are counted; a PIN
 * that is known before the request is made could be searched for with attempts that are dropped. Source of the shape: S. Vaudenay, "Secure Communications
 * over Insecure Channels Based on Short Authenticated Strings", CRYPTO 2005. A PIN is no key and proves nothing over the network; it never travels.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { PalyraError } from './errors.js';
import type { PinVerifier } from './model.js';
import type { Random } from './random.js';
import { lengthPrefixed } from './length-prefixed.js';

export interface PinInputs {
  /** SHA-256 of the CA's SubjectPublicKeyInfo as each side sees it; hex. */
  readonly caSpkiSha256: string;
  /** SHA-256 of the DER of the server certificate of this very connection; hex. */
  readonly serverCertificateSha256: string;
  /** SubjectPublicKeyInfo DER of the node's key; of a program that logs in, SHA-256 of its claim secret. */
  readonly spki: Uint8Array;
  readonly nodeNonce: Uint8Array;
  readonly daemonNonce: Uint8Array;
}

export const PIN_DIGITS = 6;
const PIN_LABEL = 'palyra pairing pin v1';
const COMMITMENT_LABEL = 'palyra pairing nonce v1';
const SALT_BYTES = 16;

/** 32 bytes that bind the daemon to its nonce and show nothing of it: the nonce has 256 random bits. */
export function nonceCommitment(sessionId: string, daemonNonce: Uint8Array): Buffer {
  return sha256(lengthPrefixed(Buffer.from(COMMITMENT_LABEL), Buffer.from(sessionId), daemonNonce));
}

/** The node's check that the nonce is the one that was committed to. */
export function opensCommitment(commitment: Uint8Array, sessionId: string, daemonNonce: Uint8Array): boolean {
  const expected = nonceCommitment(sessionId, daemonNonce);
  return commitment.length === expected.length && timingSafeEqual(commitment, expected);
}

/** Six digits. All of SHA-256 is reduced, so that no PIN is likelier than another by more than one in 2^236. */
export function pairingPin(inputs: PinInputs): string {
  const digest = sha256(
    lengthPrefixed(
      Buffer.from(PIN_LABEL),
      Buffer.from(inputs.caSpkiSha256, 'hex'),
      Buffer.from(inputs.serverCertificateSha256, 'hex'),
      inputs.spki,
      inputs.nodeNonce,
      inputs.daemonNonce,
    ),
  );
  return (BigInt(`0x${digest.toString('hex')}`) % 10n ** BigInt(PIN_DIGITS)).toString().padStart(PIN_DIGITS, '0');
}

/**
 * What the daemon keeps of a PIN. A million guesses find it, whatever the hash: it keeps PINs out of logs, backups and the eyes of readers, not from
 * somebody who holds the daemon's state and with it the CA.
 */
export function toPinVerifier(pin: string, random: Random): PinVerifier {
  const salt = random.bytes(SALT_BYTES);
  return { salt: salt.toString('hex'), hash: hashOf(salt, pin).toString('hex') };
}

/** Constant time. */
export function matchesPin(verifier: PinVerifier, pin: string): boolean {
  const hash = hashOf(Buffer.from(verifier.salt, 'hex'), pin);
  const kept = Buffer.from(verifier.hash, 'hex');
  return kept.length === hash.length && timingSafeEqual(kept, hash);
}

/** `482 913` */
export function formatPin(pin: string): string {
  return `${pin.slice(0, 3)} ${pin.slice(3)}`;
}

/** Reads a PIN as a person types it: spaces and dashes do not matter. Throws PIN_MALFORMED without repeating it. */
export function parsePin(text: string): string {
  const pin = text.replace(/[\s-]/g, '');
  if (!/^\d{6}$/.test(pin)) throw new PalyraError('PIN_MALFORMED');
  return pin;
}

function hashOf(salt: Uint8Array, pin: string): Buffer {
  return createHmac('sha256', salt).update(pin).digest();
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
