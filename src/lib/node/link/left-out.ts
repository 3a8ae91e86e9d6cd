/** What a proxy cannot carry: a CONNECT tunnel is TCP, and QUIC is datagrams. Said in words, because somebody will wonder. */
import { PalyraError } from '../../base/errors.js';
import type { LinkTransport, TransportMode } from '../../base/transports.js';
import { placeOf, type Proxy } from '../../base/proxy.js';
import type { Connector } from './connector.js';

export interface LeftOut {
  readonly transport: LinkTransport;
  /** For people. */
  readonly why: string;
}

/** Null when everything can be tried at this address. Throws PROXY_UNUSABLE. */
export function leftOut(connector: Connector, endpoint: string): LeftOut | null {
  const proxy = connector.proxyFor(endpoint);
  return proxy === null ? null : { transport: 'quic', why: wordsOn(proxy) };
}

/** Throws PROXY_UNUSABLE, and QUIC_UNAVAILABLE when QUIC alone is wanted and a proxy is on every way. */
export function assertWayUsable(connector: Connector, endpoints: readonly string[], mode: TransportMode): void {
  const ways = endpoints.map((endpoint) => ({ endpoint, proxy: connector.proxyFor(endpoint) }));
  const [first] = ways;
  if (mode !== 'quic' || first === undefined || ways.some(({ proxy }) => proxy === null)) return;
  throw quicRefused(first.endpoint, wordsOn(first.proxy!));
}

export function quicRefused(endpoint: string, why: string): PalyraError {
  return new PalyraError('QUIC_UNAVAILABLE', {
    detail: `${endpoint}: ${why}`,
    hint: `Use --transport auto; or, if the daemon is reached without the proxy: palyra config set network.no_proxy ${placeOf(endpoint).host}`,
  });
}

function wordsOn({ shown }: Proxy): string {
  return `QUIC cannot go through the proxy ${shown}`;
}
