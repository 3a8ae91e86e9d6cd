/** Why a daemon was not reached, in words: what the system, TLS and the HTTP library say, without their codes. */
import { UndiciError } from './undici-parts.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name cannot be resolved',
  EAI_AGAIN: 'the name cannot be resolved',
  ECONNREFUSED: 'the connection was refused',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  ETIMEDOUT: 'the connection timed out',
  ECONNRESET: 'the connection broke before the answer came',
  EPIPE: 'the connection broke before the answer came',
  UND_ERR_SOCKET: 'the connection broke before the answer came',
  UND_ERR_ABORTED: 'the connection broke before the answer came',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
};

/** A certificate that no trusted authority vouches for, as OpenSSL names it. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

/** The first code along the chain of causes. Several addresses, several failures: the last one is as good as any. */
export function systemCode(error: unknown): string {
  let current = error;
  while (current instanceof Error) {
    const { code } = current as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
    current = current instanceof AggregateError ? (current.errors as unknown[]).at(-1) : current.cause;
  }
  return '';
}

export function isUntrusted(error: unknown): boolean {
  return UNTRUSTED.has(systemCode(error));
}

export function reachDetail(error: unknown): string {
  const code = systemCode(error);
  const words = WORDS[code];
  if (words !== undefined) return words;
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') return 'what answers there does not speak TLS as we do';
  if (code.startsWith('HPE_')) return 'what answers there does not speak HTTP';
  return error instanceof UndiciError || code !== '' ? (error as Error).message : 'the request failed';
}
