/**
 * Both sides prove to each other that they know the invite's code, bound to this one connection, and neither shows it.
 *
 *   SaltedCode = scrypt(code, "palyra pairing v1" || SHA-256(CA public key))     → locator, ClientKey, ServerKey
 *   daemon     HMAC(ServerKey, transcript)                                      first: who cannot send it learns nothing to replay
 *   node       ClientKey xor HMAC(StoredKey, transcript), StoredKey = SHA-256(ClientKey)
 *
 * The shape of SCRAM (RFC 5802) with scrypt (RFC 7914) in the place of PBKDF2. The daemon keeps locator, StoredKey and ServerKey: its state lets nobody
 * join. The transcript holds the CA, the server certificate of the connection, the node's key, both nonces and the session, so a proof is worth nothing
 * anywhere else. This file proves and checks; it counts no attempts and consumes no invite. Why this shape: docs/decisions/0003-pairing-proof.md.
 */
import { createHash, createHmac, scrypt, sign, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import type { CodeVerifier } from '../base/model.js';
import { normalizeCrockford } from './codes.js';
import { parsePublicKey } from './device-key.js';
import { lengthPrefixed } from '../base/length-prefixed.js';

/** What a code stands for. Secret, all but the locator. */
export interface CodeKeys {
  /** 16 bytes: names the invite without showing the code. */
  readonly locator: Buffer;
  /** 32 bytes each. */
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface Transcript {
  /** SHA-256 of the CA's SubjectPublicKeyInfo as each side sees it; hex. */
  readonly caSpkiSha256: string;
  /** SHA-256 of the DER of the server certificate of this very connection; hex. */
  readonly serverCertificateSha256: string;
  /** SubjectPublicKeyInfo DER of the node's key. */
  readonly spki: Uint8Array;
  readonly nodeNonce: Uint8Array;
  readonly daemonNonce: Uint8Array;
  readonly locator: Uint8Array;
  readonly sessionId: string;
}

const SALT_LABEL = 'palyra pairing v1';
const TRANSCRIPT_LABEL = 'palyra pairing transcript v1';
const AWAIT_LABEL = 'palyra await v1';

/** About 0.1 s and 32 MiB a guess: bearable once on a small board, hopeless 2^60 times. `maxmem` leaves room for what OpenSSL adds. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const LOCATOR_BYTES = 16;
const KEY_BYTES = 32;
/** The DER of an ECDSA P-256 signature has at most 72 bytes. */
const MAX_SIGNATURE_BYTES = 72;

/** Derives what a code stands for at the CA with this public key (SHA-256 of its SPKI, hex). Runs on the thread pool. */
export function deriveCodeKeys(code: string, caSpkiSha256: string): Promise<CodeKeys> {
  const salt = Buffer.concat([Buffer.from(SALT_LABEL), Buffer.from(caSpkiSha256, 'hex')]);
  return new Promise((resolve, reject) => {
    scrypt(normalizeCrockford(code), salt, LOCATOR_BYTES + 2 * KEY_BYTES, SCRYPT, (error, bytes) => {
      if (error !== null) {
        reject(error);
        return;
      }
      const clientKey = bytes.subarray(LOCATOR_BYTES, LOCATOR_BYTES + KEY_BYTES);
      resolve({
        locator: bytes.subarray(0, LOCATOR_BYTES),
        clientKey,
        storedKey: sha256(clientKey),
        serverKey: bytes.subarray(LOCATOR_BYTES + KEY_BYTES),
      });
    });
  });
}

/** The part the daemon keeps. */
export function toVerifier(keys: CodeKeys): CodeVerifier {
  return {
    locator: keys.locator.toString('hex'),
    storedKey: keys.storedKey.toString('hex'),
    serverKey: keys.serverKey.toString('hex'),
  };
}

/** SHA-256 over everything both sides must agree on, each field with its length before it, so that no two transcripts share an encoding. */
export function pairingTranscript(transcript: Transcript): Buffer {
  return sha256(
    lengthPrefixed(
      Buffer.from(TRANSCRIPT_LABEL),
      Buffer.from(transcript.caSpkiSha256, 'hex'),
      Buffer.from(transcript.serverCertificateSha256, 'hex'),
      transcript.spki,
      transcript.nodeNonce,
      transcript.daemonNonce,
      transcript.locator,
      Buffer.from(transcript.sessionId),
    ),
  );
}

/** What the daemon says first. `serverKeyHex` comes from the invite's verifier. */
export function daemonProof(serverKeyHex: string, transcript: Uint8Array): Buffer {
  return hmac(Buffer.from(serverKeyHex, 'hex'), transcript);
}

/** The node's check of it. Constant time for a proof of the right length. */
export function verifyDaemonProof(keys: CodeKeys, transcript: Uint8Array, proof: Uint8Array): boolean {
  return sameBytes(hmac(keys.serverKey, transcript), proof);
}

/** What the node answers once `verifyDaemonProof` held, never before. */
export function codeProof(keys: CodeKeys, transcript: Uint8Array): Buffer {
  return xor(keys.clientKey, hmac(keys.storedKey, transcript));
}

/** The daemon's check of it: takes the client key out of the proof and compares its hash. Constant time for a proof of the right length. */
export function verifyCodeProof(verifier: CodeVerifier, transcript: Uint8Array, proof: Uint8Array): boolean {
  const storedKey = Buffer.from(verifier.storedKey, 'hex');
  if (proof.length !== KEY_BYTES || storedKey.length !== KEY_BYTES) return false;
  return sameBytes(sha256(xor(proof, hmac(storedKey, transcript))), storedKey);
}

/** ECDSA P-256 with SHA-256, DER: that whoever says `message` (a transcript or `awaitMessage`) holds the private key. */
export function signPossession(key: KeyObject, message: Uint8Array): Buffer {
  return sign('sha256', message, key);
}

/** Throws PAIRING_PROOF_INVALID for a key that is not an acceptable P-256 key; false for a signature that is not its. */
export function verifyPossession(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = parsePublicKey(spki);
  return signature.length <= MAX_SIGNATURE_BYTES && verify('sha256', message, key, signature);
}

/** What a node signs to be given the material of its request. It begins with a label, a transcript is a hash: neither signature passes for the other. */
export function awaitMessage(requestId: string, signedAtMs: number): Buffer {
  return lengthPrefixed(Buffer.from(AWAIT_LABEL), Buffer.from(requestId), Buffer.from(String(signedAtMs)));
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function hmac(key: Uint8Array, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)));
}

/** Lengths are public; contents are compared in constant time. */
function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
