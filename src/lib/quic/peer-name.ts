/**
 * Whether a certificate names the server that was dialled. The native library verifies the chain but not the name, so a client does it here, before the
 * first byte of the application. Only subject alternative names count (RFC 9525); an address is compared with addresses, never with names.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Null when it does, else what is wrong, in words for people. `name` is a DNS name or an IP literal, without brackets. */
export function serverNameProblem(chain: readonly Uint8Array[], name: string): string | null {
  const [leaf] = chain;
  if (leaf === undefined) return 'the server showed no certificate';
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(leaf);
  } catch {
    return 'the certificate of the server cannot be read';
  }
  const named =
    isIP(name) === 0
      ? certificate.checkHost(name, { subject: 'never' }) !== undefined
      : certificate.checkIP(name) !== undefined;
  return named ? null : `the certificate of the server is not for ${name}`;
}

/** What to send as TLS server name: RFC 6066 allows no addresses there. */
export function sniOf(name: string): string | null {
  return isIP(name) === 0 ? name : null;
}
