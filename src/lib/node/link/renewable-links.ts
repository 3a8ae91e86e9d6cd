/** Links with the identity of the moment: a certificate that was renewed is used by the next connection, and no link has to know. */
import type { LinkTransport } from '../../base/transports.js';
import type { LinkFactory } from './chosen-link.js';
import type { StreamLinkMaterial } from './stream.js';

/** `make` is called once for each material. */
export function renewableLinks(
  material: () => StreamLinkMaterial,
  make: (material: StreamLinkMaterial) => readonly LinkFactory[],
): LinkFactory[] {
  let used = material();
  let made = make(used);
  const factoryOf = (transport: LinkTransport): LinkFactory => {
    const now = material();
    if (now !== used) [used, made] = [now, make(now)];
    return made.find((each) => each.transport === transport)!;
  };
  return made.map(({ transport }) => ({ transport, connect: (endpoint) => factoryOf(transport).connect(endpoint) }));
}
