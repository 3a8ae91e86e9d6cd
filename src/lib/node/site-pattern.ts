/**
 * Patterns of web addresses that a person allows: `https://HOST[:PORT][/PATH]`, where HOST may begin with `*.` (every name below it, not the name itself) and
 * PATH may end with `*` (everything that begins so; no path means every path).
 *
 * Matched on the parts of a parsed URL (WHATWG), never on its text and never through a regular expression, so that no part can pass for another:
 * `https://*.corp.example/*` does not fit `https://evil.com/.corp.example/`. Scheme and port must be equal.
 */
import { PalyraError } from '../base/errors.js';

export interface SitePattern {
  readonly protocol: string;
  /** In ASCII, lower case, without the `*.`. */
  readonly hostname: string;
  readonly below: boolean;
  /** Empty: the scheme's own. */
  readonly port: string;
  readonly path: string;
  /** True: paths that begin with `path`; false: that path alone. */
  readonly prefix: boolean;
}

const MAX_LENGTH = 2_048;
/** Stands in for the star while the rest is parsed as a URL; long and odd enough to be nobody's host. */
const STAR_LABEL = 'palyra-star-7f3c';

/** Throws INPUT_INVALID saying what is wrong. */
export function parseSitePattern(text: string): SitePattern {
  const match = /^(https?):\/\/(\*\.)?([^/?#\\\s*@]+)(\/[^?#\\\s*]*)?(\*)?$/i.exec(text);
  if (match === null || text.length > MAX_LENGTH) throw invalid(text);
  const [, scheme = '', star, host = '', path = '', end] = match;
  if (end !== undefined && path === '') throw invalid(text);
  let url: URL;
  try {
    url = new URL(`${scheme}://${star === undefined ? '' : `${STAR_LABEL}.`}${host}${path === '' ? '/' : path}`);
  } catch {
    throw invalid(text);
  }
  // A star stands for names, and an address has none.
  if (star !== undefined && !url.hostname.startsWith(`${STAR_LABEL}.`)) throw invalid(text);
  const hostname = star === undefined ? url.hostname : url.hostname.slice(STAR_LABEL.length + 1);
  if (hostname === '' || (star !== undefined && /^[\d.]+$/.test(hostname))) throw invalid(text);
  return {
    protocol: url.protocol,
    hostname,
    below: star !== undefined,
    port: url.port,
    path: path === '' ? '/' : url.pathname,
    prefix: path === '' || end !== undefined,
  };
}

export function matchesSite(pattern: SitePattern, url: URL): boolean {
  if (url.username !== '' || url.password !== '') return false;
  if (url.protocol !== pattern.protocol || url.port !== pattern.port) return false;
  const isHost = pattern.below
    ? url.hostname.endsWith(`.${pattern.hostname}`) && url.hostname.length > pattern.hostname.length + 1
    : url.hostname === pattern.hostname;
  if (!isHost) return false;
  return pattern.prefix ? url.pathname.startsWith(pattern.path) : url.pathname === pattern.path;
}

/** The pattern of the site that a URL belongs to. */
export function siteOf(url: URL): string {
  return `${url.protocol}//${url.host}/*`;
}

function invalid(text: string): PalyraError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new PalyraError('INPUT_INVALID', {
    detail: `${shown} is not a pattern such as https://*.corp.example/* or https://wiki.example/docs/*`,
  });
}
