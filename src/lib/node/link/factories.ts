/** Every way this version can carry a node's link. One that is not in the list cannot be asked for. */
import type { LinkTransport, TransportMode } from '../../base/transports.js';
import type { LinkFactory } from './chosen-link.js';
import type { Connector } from './connector.js';
import { pollLinks } from './poll.js';
import { assertQuicAvailable, type QuicDialDeps } from './quic-dial.js';
import { quicLinks } from './quic.js';
import { streamLinks, type StreamLinkMaterial } from './stream.js';

export const AVAILABLE_TRANSPORTS: readonly LinkTransport[] = ['grpc', 'quic', 'poll'];

export function linkFactories(
  material: StreamLinkMaterial,
  deps: QuicDialDeps & { readonly connector: Connector },
): LinkFactory[] {
  return [
    { transport: 'grpc', connect: streamLinks(material, deps) },
    { transport: 'quic', connect: quicLinks(material, deps) },
    { transport: 'poll', connect: pollLinks(material, deps) },
  ];
}

/** Throws QUIC_UNAVAILABLE when QUIC alone is wanted and its package is not on this machine; `auto` finds out by itself. */
export async function assertTransportUsable(mode: TransportMode): Promise<void> {
  if (mode === 'quic') await assertQuicAvailable();
}
