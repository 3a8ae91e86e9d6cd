/**
 * Short texts that people read aloud, type and compare: invite codes, ids and fingerprints, all in Crockford's base 32.
 *
 * Source: D. Crockford, "Base 32". The alphabet has no I, L, O and U; when reading, I and L count as 1 and O as 0. There is no check symbol: a mistyped
 * code is caught by the proof, and a check symbol would only make it longer.
 */
import { createHash } from 'node:crypto';
import { PalyraError } from '../base/errors.js';
import type { Random } from '../base/random.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 60 bits: with a memory-hard derivation beyond any search, and still twelve letters to type. */
export const CODE_LENGTH = 12;
/** 130 bits of a SHA-256: a second CA with the same pin needs 2^130 keys. */
export const CA_PIN_LENGTH = 26;
const SHORT_ID_LENGTH = 6;
/** 80 bits: what a person compares by eye. */
const HUMAN_FINGERPRINT_LENGTH = 16;

/** The first `length` base 32 digits of `bytes`, most significant bit first. Needs `length * 5` bits. */
function encode(bytes: Uint8Array, length: number): string {
  let text = '';
  for (let digit = 0; digit < length; digit++) {
    const bit = digit * 5;
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0);
    text += ALPHABET.charAt((pair >> (11 - (bit & 7))) & 31);
  }
  return text;
}

function groupsOfFour(text: string, separator: string): string {
  return (text.match(/.{1,4}/g) ?? []).join(separator);
}

/** A fresh invite code: 12 characters, 60 random bits. A secret: never log it. */
export function newInviteCode(random: Random): string {
  return encode(random.bytes(8), CODE_LENGTH);
}

/** Six characters, 30 random bits: enough to name things, not enough to guard them. Its user checks that it is free. */
export function newShortId(random: Random): string {
  return encode(random.bytes(4), SHORT_ID_LENGTH);
}

/** Upper case, I and L read as 1, O as 0, spaces and dashes dropped. Does not check: see `isCrockford`. */
export function normalizeCrockford(text: string): string {
  return text.toUpperCase().replace(/[\s-]/g, '').replace(/[IL]/g, '1').replace(/O/g, '0');
}

/** Whether `text`, already normalised, has this length and only characters of the alphabet. */
export function isCrockford(text: string, length: number): boolean {
  return text.length === length && firstForeignCharacter(text) === null;
}

/** The first character that is not in the alphabet, or null. Characters outside the BMP come whole. */
export function firstForeignCharacter(text: string): string | null {
  for (const character of text) if (!ALPHABET.includes(character)) return character;
  return null;
}

/** Reads a code as a person types it. Throws CODE_MALFORMED that says what is wrong without repeating the code. */
export function parseInviteCode(text: string): string {
  const code = normalizeCrockford(text);
  if (firstForeignCharacter(code) !== null) {
    throw new PalyraError('CODE_MALFORMED', { detail: 'it has a character that no code has' });
  }
  if (code.length !== CODE_LENGTH) {
    throw new PalyraError('CODE_MALFORMED', { detail: `it has ${code.length} characters instead of ${CODE_LENGTH}` });
  }
  return code;
}

/** `K7QF-2M9D-4TXW` */
export function formatCode(code: string): string {
  return groupsOfFour(normalizeCrockford(code), '-');
}

/** The pin of a CA in a link: the first 130 bits of SHA-256 over its SubjectPublicKeyInfo, 26 characters. */
export function caPin(caSpkiDer: Uint8Array): string {
  return encode(sha256(caSpkiDer), CA_PIN_LENGTH);
}

/** The same digest for the eye: its first 80 bits, `9Q3M Z8XH CV2R 5T7W`. */
export function humanFingerprint(caSpkiDer: Uint8Array): string {
  return groupsOfFour(encode(sha256(caSpkiDer), HUMAN_FINGERPRINT_LENGTH), ' ');
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
