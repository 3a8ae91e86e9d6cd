/**
 * Which proxy a connection goes through: the rules, and nothing that connects. Everything of palyra that connects to a daemon asks here.
 *
 * Always true: this machine itself is not reached through a proxy unless somebody said so; the password of a proxy is in no text that is made here but the
 * header for the proxy itself.
 */
import { BlockList, isIP } from 'node:net';
import { PalyraError } from './errors.js';

export interface ProxySettings {
  /** As somebody wrote it, with its password; null without one. */
  readonly url: string | null;
  /** Where `url` is from, like `HTTPS_PROXY`; for people. */
  readonly source: string;
  /** Hosts that are reached without it: see `isExcepted`. */
  readonly noProxy: readonly string[];
  /** Loopback addresses go through it too. */
  readonly loopback: boolean;
}

export const WITHOUT_PROXY: ProxySettings = { url: null, source: 'nothing', noProxy: [], loopback: false };

export interface Place {
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** An HTTP proxy that tunnels (CONNECT). */
export class Proxy implements Place {
  readonly host: string;
  readonly port: number;
  /** Spoken to over TLS. */
  readonly secure: boolean;
  readonly #authorization: string | null;

  /** Throws PROXY_UNUSABLE, without repeating what it was given. A missing scheme is http. */
  constructor(url: string, source = 'the proxy') {
    const unusable = (detail: string) => new PalyraError('PROXY_UNUSABLE', { detail: `${source}: ${detail}` });
    let parsed: URL;
    let login: string;
    try {
      parsed = new URL(url.includes('://') ? url : `http://${url}`);
      login = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
    } catch {
      throw unusable('it is no URL');
    }
    if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
      throw unusable(`palyra cannot use a proxy of the kind ${parsed.protocol}//`);
    this.secure = parsed.protocol === 'https:';
    this.host = bareHost(parsed.hostname);
    this.port = parsed.port === '' ? (this.secure ? 443 : 80) : Number(parsed.port);
    this.#authorization =
      parsed.username === '' && parsed.password === '' ? null : `Basic ${Buffer.from(login).toString('base64')}`;
  }

  /** For people and logs: scheme, host and port. */
  get shown(): string {
    return `${this.secure ? 'https' : 'http'}://${toAuthority(this)}`;
  }

  /** The value of `Proxy-Authorization`, or null. For the proxy alone. */
  authorization(): string | null {
    return this.#authorization;
  }

  toJSON(): string {
    return this.shown;
  }
}

/** The proxy for this place, or null to go straight. Throws PROXY_UNUSABLE when the one that is set is none: going around it would be worse. */
export function proxyFor(settings: ProxySettings, place: Place): Proxy | null {
  if (settings.url === null) return null;
  if (!settings.loopback && isLoopbackHost(place.host)) return null;
  return isExcepted(settings.noProxy, place) ? null : new Proxy(settings.url, settings.source);
}

/**
 * Whether a list as in NO_PROXY names this place: `*`; a host, and with it every name below it (with or without a leading dot or `*.`); an address; a
 * network like `10.0.0.0/8` or `fd00::/8`; each, but networks, with `:port` for that port alone. Names are compared as they are: nothing is resolved.
 */
export function isExcepted(list: readonly string[], place: Place): boolean {
  const host = normal(place.host);
  return list.some((entry) => matches(entry.trim().toLowerCase(), host, place.port));
}

/** The entries of one text, separated by commas or spaces. */
export function noProxyEntries(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '');
}

export function isLoopbackHost(text: string): boolean {
  const host = normal(text);
  if (isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost');
  return isWithin(host, '127.0.0.0', 8) || host === '::1';
}

/** `host:port`, with brackets around an IPv6 address. */
export function toAuthority({ host, port }: Place): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** `host:port` or `[v6]:port`. */
export function placeOf(endpoint: string): Place {
  const at = endpoint.lastIndexOf(':');
  return { host: bareHost(endpoint.slice(0, at)), port: Number(endpoint.slice(at + 1)) };
}

/** A URL without the password in it, whatever else is wrong with it. */
export function withoutPassword(url: string): string {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(url)?.[0] ?? '';
  const rest = url.slice(scheme.length);
  const end = /[/?#]/.exec(rest)?.index ?? rest.length;
  const at = rest.lastIndexOf('@', end);
  // A slash or a question mark that was not encoded may be a part of the password.
  const from = at === -1 ? rest.lastIndexOf('@') : at;
  return from === -1 ? url : `${scheme}…@${rest.slice(from + 1)}`;
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const network = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/.exec(entry);
  if (network !== null) return isWithin(host, network[1]!, Number(network[2]));
  const [, name = '', onlyPort] = isIP(entry) === 6 ? [entry, entry] : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? []);
  if (onlyPort !== undefined && Number(onlyPort) !== port) return false;
  const wanted = normal(name.replace(/^\*?\./, ''));
  if (wanted === '') return false;
  return host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`));
}

function isWithin(host: string, network: string, prefix: number): boolean {
  const [family, networkFamily] = [isIP(host), isIP(network)];
  if (family === 0 || networkFamily === 0 || prefix > (networkFamily === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, networkFamily === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** One spelling: lower case, no brackets, no final dot, no zone, IPv6 in its short form. */
function normal(text: string): string {
  const host = bareHost(text.toLowerCase()).replace(/%.*$/, '');
  if (isIP(host) === 6) return bareHost(new URL(`http://[${host}]/`).hostname);
  return host.replace(/\.$/, '');
}

function bareHost(text: string): string {
  return text.replace(/^\[(.*)\]$/, '$1');
}
