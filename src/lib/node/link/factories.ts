/** Every way this version can carry a node's link. One that is not in the list cannot be asked for. */
import type { LinkTransport } from '../../base/model.js';
import type { LinkFactory } from './chosen-link.js';
import { pollLinks, type PollLinkDeps } from './poll.js';
import { streamLinks, type StreamLinkMaterial } from './stream.js';

export const AVAILABLE_TRANSPORTS: readonly LinkTransport[] = ['grpc', 'poll'];

export function linkFactories(material: StreamLinkMaterial, deps: PollLinkDeps): LinkFactory[] {
  return [
    { transport: 'grpc', connect: streamLinks(material) },
    { transport: 'poll', connect: pollLinks(material, deps) },
  ];
}
