/**
 * Looks at the certificates a daemon shows, before anything is trusted and without sending anything: the handshake ends and the connection is closed.
 * It verifies nothing; `enroll.ts` does.
 */
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';

import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Place } from '../base/proxy.js';
import { withDeadline } from './deadline.js';
import { reachWords, serverName, type Connector } from './link/connector.js';

/** Longer chains than this are not of a palyra daemon, which sends two. */
const MAX_CHAIN = 8;

/**
 * What `read` makes of the chain as the daemon sent it, leaf first, DER. All addresses of a name are tried side by side (RFC 8305), until one has finished TLS
 * with a chain that `read` does not throw at. Throws that, PROXY_*, or DAEMON_UNREACHABLE saying what failed: DNS, refused, time-out, no TLS.
 */
export function probeCertificates<T>(
  target: Place,
  deps: { readonly clock: Clock; readonly connector: Connector },
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  read: (chain: Buffer[]) => T,
): Promise<T> {
  const late = () => unreachable(target, 'it did not answer in time');
  return withDeadline(deps.clock, { ...options, late }, (signal) => handshake(target, deps.connector, signal, read));
}

async function handshake<T>(
  target: Place,
  connector: Connector,
  signal: AbortSignal,
  read: (chain: Buffer[]) => T,
): Promise<T> {
  try {
    const found: T[] = [];
    // Only h2 is offered: that is the side of the port the pairing service is on.
    const options = { ALPNProtocols: ['h2'], rejectUnauthorized: false, ...serverName(target) };
    const check = (socket: TLSSocket) => void found.unshift(read(chainOf(socket.getPeerCertificate(true))));
    const socket = await connector.open(target, options, signal, check);
    socket.on('error', () => undefined).destroy();
    return found[0]!;
  } catch (error) {
    if (signal.aborted) throw PalyraError.from(signal.reason, 'CANCELLED');
    if (error instanceof PalyraError) throw error;
    throw unreachable(target, reachWords(error), error);
  }
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

function unreachable({ host, port }: Place, what: string, cause?: unknown): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', {
    detail: `${host} port ${port}: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
