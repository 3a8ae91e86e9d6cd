/** The fingerprint that people compare: the first 80 bits of SHA-256 over the CA's public key, Crockford base 32 in groups of four. */
import { createHash, X509Certificate } from 'node:crypto';

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
