/**
 * Keeps web pages of others out. A browser on the machine of an operator reaches our listeners and sends what it likes, but it cannot lie about three headers:
 *
 *   Host            must be a name of this listener: a page that rebinds its own name to our address still sends its own name
 *   Origin          when there, must be the very origin that the request went to; `null` is nobody's
 *   Sec-Fetch-Site  when there, must be `same-origin` or `none`
 *
 * A body must say that it is JSON: forms of other sites cannot. No header that overrides the method is looked at, and no CORS header is ever sent.
 * This holds for routes that anybody may call too: nobody is to be logged in as somebody else by a page they visit.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { PalyraError } from '../../base/errors.js';
import { canonicalHost } from '../../identity/hosts.js';
import { CONTRACT, CONTRACT_HEADER, type Route } from '../../wire/http/routes.js';
import { normalizeAddress } from '../caller.js';
import { assertJsonType } from './body.js';

const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

/** Names as `canonicalHost` writes them. An address that the connection itself came to is a name of the listener too. Throws ORIGIN_REFUSED. */
export function assertHost(incoming: IncomingMessage, names: ReadonlySet<string>): void {
  const hosts = incoming.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  const [, host] = /^(\[[^[\]]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(incoming.headers.host ?? '') ?? [];
  const name = host === undefined ? null : canonicalHost(host);
  const isOurs = name !== null && (names.has(name) || isBoundTo(incoming, name));
  if (!isOurs || hosts.length > 1) {
    throw new PalyraError('ORIGIN_REFUSED', { detail: 'this listener does not answer to the name in the Host header' });
  }
}

/** Throws ORIGIN_REFUSED or REQUEST_INVALID. `assertHost` has passed. */
export function assertOwnSite(incoming: IncomingMessage, route: Route, secure: boolean): void {
  // A link to a page, or a measurement of liveness, may come from anywhere: there is nothing to steal.
  if (route.safe && route.access === 'anonymous') return;
  const { origin } = incoming.headers;
  if (
    origin !== undefined &&
    originOf(origin) !== originOf(`${secure ? 'https' : 'http'}://${incoming.headers.host}`)
  ) {
    throw new PalyraError('ORIGIN_REFUSED', { detail: 'the Origin header names another site' });
  }
  const site = incoming.headers['sec-fetch-site'];
  if (site !== undefined && !OWN_SITES.has(String(site))) {
    throw new PalyraError('ORIGIN_REFUSED', { detail: 'the browser says that another site asks' });
  }
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': chunked } = incoming.headers;
  const hasBody = chunked !== undefined || Number(length ?? 0) > 0;
  if (!route.safe && (type !== undefined || hasBody)) assertJsonType(type);
}

/** Absent: any client, such as curl. Throws CONTRACT_MISMATCH. */
export function assertContract(incoming: IncomingMessage): void {
  const asked = incoming.headers[CONTRACT_HEADER];
  if (asked === undefined || asked === String(CONTRACT)) return;
  throw new PalyraError('CONTRACT_MISMATCH', {
    detail: `the daemon speaks ${CONTRACT}`,
    details: { contract: CONTRACT },
  });
}

function isBoundTo({ socket }: IncomingMessage, name: string): boolean {
  return isIP(name) !== 0 && name === canonicalHost(normalizeAddress(socket.localAddress));
}

/** Null for what is no origin, which equals no other but itself never: an own origin always parses. */
function originOf(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url === null || text !== text.trim() || !/^https?:\/\/[^/?#]+$/i.test(text) ? null : url.origin;
}
