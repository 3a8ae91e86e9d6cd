/** The fingerprint that people compare: the first 80 bits of SHA-256 over the CA's public key, Crockford base 32 in groups of four. */
import { createHash, X509Certificate } from 'node:crypto';
import { PalyraError } from '../base/errors.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CHARACTERS = 16;

export function humanFingerprintOf(caPem: string): string {
  const spki = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' });
  const digest = BigInt(
    `0x${createHash('sha256')
      .update(spki)
      .digest('hex')
      .slice(0, (CHARACTERS * 5) / 4)}`,
  );
  const characters = Array.from(
    { length: CHARACTERS },
    (_, index) => ALPHABET[Number((digest >> BigInt((CHARACTERS - 1 - index) * 5)) & 31n)] ?? '',
  );
  return (characters.join('').match(/.{4}/g) ?? []).join(' ');
}

/** Whether a CA is the one that a person or a file names: by its words (`9Q3M Z8XH CV2R 5T7W`) or by `sha256:` of its certificate. Throws USAGE_INVALID for neither. */
export function matchesFingerprint(caPem: string, wanted: string): boolean {
  const compact = wanted.replace(/[\s:-]/g, '').toUpperCase();
  if (/^(SHA256)?[0-9A-F]{64}$/.test(compact)) {
    return new X509Certificate(caPem).fingerprint256.replaceAll(':', '') === compact.replace('SHA256', '');
  }
  // Letters that are read for others, as in every code here.
  const words = compact.replaceAll('O', '0').replace(/[IL]/g, '1');
  if (words.length !== CHARACTERS || [...words].some((character) => !ALPHABET.includes(character))) {
    throw new PalyraError('USAGE_INVALID', {
      detail:
        'a fingerprint is four groups of four letters, as palyra daemon status shows them, or sha256: and 64 hex digits',
    });
  }
  return humanFingerprintOf(caPem).replaceAll(' ', '') === words;
}
