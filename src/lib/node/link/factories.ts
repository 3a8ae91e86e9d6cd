/** Every way this version can carry a node's link. One that is not in the list cannot be asked for. */
import type { LinkTransport } from '../../base/model.js';
import type { LinkFactory } from './chosen-link.js';
import { pollLinks } from './poll.js';
import type { QuicDialDeps } from './quic-dial.js';
import { quicLinks } from './quic.js';
import { streamLinks, type StreamLinkMaterial } from './stream.js';

export const AVAILABLE_TRANSPORTS: readonly LinkTransport[] = ['quic', 'grpc', 'poll'];

export function linkFactories(material: StreamLinkMaterial, deps: QuicDialDeps): LinkFactory[] {
  return [
    { transport: 'quic', connect: quicLinks(material, deps) },
    { transport: 'grpc', connect: streamLinks(material) },
    { transport: 'poll', connect: pollLinks(material, deps) },
  ];
}
