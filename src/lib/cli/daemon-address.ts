/**
 * A daemon as people write it: `nas.lan`, `nas.lan:7443`, `[fd00::5]:7443`, `https://nas.lan:7443`, and behind a `#` the fingerprint of its CA, which is
 * never sent. Also the name that a context gets when nobody gives it one.
 */
import { isIP } from 'node:net';
import { PalyraError } from '../base/errors.js';

export const DEFAULT_PORT = 7443;

export interface DaemonAddress {
  /** Scheme, host and port, as the client wants it. */
  readonly url: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the CA's DER, hex; from `#sha256:…`. */
  readonly caFingerprint: string | null;
}

/** Throws USAGE_INVALID. `https` is the only scheme: credentials travel. */
export function parseDaemonAddress(text: string): DaemonAddress {
  const [place = '', fragment, ...more] = text.trim().split('#');
  const invalid = (detail: string) => new PalyraError('USAGE_INVALID', { detail: `"${place}": ${detail}` });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(place)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'https') throw invalid('a daemon is reached by https');
  // An address of version 6 without brackets can have no port.
  const authority = (scheme === undefined ? place : place.slice(scheme.length + 3)).replace(/\/$/, '');
  const bracketed = isIP(authority) === 6 ? `[${authority}]` : authority;
  const url = URL.canParse(`https://${bracketed}`) ? new URL(`https://${bracketed}`) : null;
  if (url === null || bracketed === '' || url.href !== `${url.origin}/`) {
    throw invalid('a daemon is written as a host, host:port or https://host:port');
  }
  const hasPort = /:\d+$/.test(bracketed.replace(/^\[.*\]/, ''));
  const port = hasPort ? Number(url.port === '' ? 443 : url.port) : DEFAULT_PORT;
  return {
    url: new URL(`https://${url.hostname}:${port}`).origin,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    caFingerprint: fragment === undefined || more.length > 0 ? null : parseHexFingerprint(fragment),
  };
}

/** 64 hex digits, with or without `sha256:` and colons. Throws USAGE_INVALID. */
export function parseHexFingerprint(text: string): string {
  const hex = text
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new PalyraError('USAGE_INVALID', { detail: 'a fingerprint is sha256: and 64 hex digits' });
  }
  return hex;
}

/** Of contexts: letters, digits, dot, dash, underscore; at most 63; case does not matter. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** The daemon of this machine, over its socket; not a context that can be made or removed. */
export const LOCAL = 'local';

/** Throws USAGE_INVALID. */
export function parseContextName(text: string): string {
  const name = text.toLowerCase();
  if (!NAME.test(name)) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `"${text}" cannot be the name of a context: letters, digits, dot, dash and underscore, 63 at most`,
    });
  }
  return name;
}

/** `nas.lan` is `nas`, an address is itself; with the port when another context has the name. */
export function contextNameFor(address: DaemonAddress, isTaken: (name: string) => boolean): string {
  const { host, port } = address;
  const bare = isIP(host) === 6 ? host.replaceAll(':', '-').replace(/^-+|-+$/g, '') : host;
  const first = (isIP(host) === 0 ? (host.split('.')[0] ?? host) : bare).toLowerCase();
  const candidates = [first, bare.toLowerCase(), `${bare.toLowerCase()}-${port}`];
  const name = candidates.find((candidate) => NAME.test(candidate) && candidate !== LOCAL && !isTaken(candidate));
  if (name === undefined) {
    throw new PalyraError('USAGE_INVALID', { detail: `give the context a name: --name <name> (${first} is taken)` });
  }
  return name;
}
