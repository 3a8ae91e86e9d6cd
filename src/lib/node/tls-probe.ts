/**
 * Looks at the certificates a daemon shows, before anything is trusted and without sending anything: the handshake ends and the connection is closed.
 * It verifies nothing; `enroll.ts` does.
 */
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';

import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { withDeadline } from './deadline.js';

/** Longer chains than this are not of a palyra daemon, which sends two. */
const MAX_CHAIN = 8;

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * The chain as the daemon sent it, leaf first, DER. All addresses of a name are tried side by side (RFC 8305).
 * Throws DAEMON_UNREACHABLE saying what failed: DNS, refused, time-out, no TLS.
 */
export function probeCertificates(
  target: ProbeTarget,
  deps: { readonly clock: Clock },
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Buffer[]> {
  const late = () => unreachable(target, 'it did not answer in time');
  return withDeadline(deps.clock, { ...options, late }, (signal) => handshake(target, signal));
}

function handshake({ host, port }: ProbeTarget, signal: AbortSignal): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      host,
      port,
      // Only h2 is offered: that is the side of the port the pairing service is on.
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const onAbort = () => finish(() => reject(PalyraError.from(signal.reason, 'CANCELLED')));
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error: Error) => finish(() => reject(unreachable({ host, port }, reasonOf(error), error))));
    socket.on('close', () => finish(() => reject(unreachable({ host, port }, 'the connection was cut'))));
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      finish(() => resolve(chain));
    });
  });
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  while (certificate?.raw !== undefined && chain.length < MAX_CHAIN) {
    if (chain.some((known) => known.equals(certificate!.raw))) break;
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

function reasonOf(error: NodeJS.ErrnoException): string {
  // Several addresses, several failures: the last one is as good as any.
  const last = error instanceof AggregateError ? (error.errors as unknown[]).at(-1) : error;
  const code = (last as NodeJS.ErrnoException | undefined)?.code ?? '';
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return 'its name cannot be resolved (DNS)';
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'ETIMEDOUT':
      return 'it did not answer in time';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was cut';
    default:
      return code.startsWith('ERR_SSL') || code.startsWith('EPROTO')
        ? 'what answers there is not a palyra daemon'
        : 'the connection failed';
  }
}

function unreachable({ host, port }: ProbeTarget, what: string, cause?: unknown): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', {
    detail: `${host} port ${port}: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
