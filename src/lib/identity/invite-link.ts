/**
 * An invite as one line: `https://HOST:PORT/j/CODE-FINGERPRINT`.
 *
 * Only letters, digits and `: / . -`, so that it survives unquoted in bash, dash, zsh and fish (IPv6 literals add brackets: quote those). No query and no
 * fragment, ever: shells cut them. In upper case it is a QR code in alphanumeric mode; with an IPv4 host it stays below the 77 characters of version 3-L.
 * The link holds a secret: no error of this file repeats any part of it but the scheme, the host and the port.
 */
import { isIP } from 'node:net';
import { PalyraError } from '../base/errors.js';
import { CA_PIN_LENGTH, CODE_LENGTH, firstForeignCharacter, normalizeCrockford } from './codes.js';
import { canonicalHost, toUrlHost } from './hosts.js';

export interface InviteLink {
  /** Canonical, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** 12 Crockford characters. */
  readonly code: string;
  /** 26 Crockford characters, see `caPin`. */
  readonly caPin: string;
}

/** Where a daemon listens for everybody unless told otherwise. */
export const DEFAULT_PUBLIC_PORT = 7443;

/** Longer than any link with a host name of the longest kind. */
const MAX_LENGTH = 512;

/** Throws LINK_MALFORMED when one of the parts could not be read back. */
export function formatInviteLink(link: InviteLink): string {
  const host = canonicalHost(link.host);
  if (host === null) throw malformed(`${JSON.stringify(link.host)} is neither a host name nor an address`);
  return `https://${toUrlHost(host)}:${parsePort(String(link.port))}/j/${parseCode(link.code)}-${parsePin(link.caPin)}`;
}

/** Reads a link in any case, `https://` or `palyra://`, port 7443 when there is none. Throws LINK_MALFORMED that says what is wrong. */
export function parseInviteLink(text: string): InviteLink {
  const trimmed = text.trim();
  if (trimmed === '') throw malformed('it is empty');
  if (trimmed.length > MAX_LENGTH) throw malformed(`it is longer than ${MAX_LENGTH} characters`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed);
  if (scheme === null) throw malformed('it does not begin with https://');
  if (!/^(https|palyra)$/i.test(scheme[1] ?? '')) {
    throw malformed(`it begins with ${scheme[0].toLowerCase()} instead of https://`);
  }
  const rest = trimmed.slice(scheme[0].length);
  if (/\s/.test(rest)) throw malformed('there is a space or a line break in it; copy it in one piece');
  if (rest.includes('?')) throw malformed('it has a query (?…), which no link has');
  if (rest.includes('#')) throw malformed('it has a fragment (#…), which no link has');
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const { host, port } = parseAuthority(authority);
  const path = /^\/j\/([^/]*)$/i.exec(slash < 0 ? '' : rest.slice(slash));
  if (path === null) throw malformed('there is no /j/CODE-FINGERPRINT after the host');
  return { host, port, ...parseSecret(path[1] ?? '') };
}

/** Whether a person who typed this meant a link rather than a host. Says nothing about whether it is a good one. */
export function looksLikeLink(text: string): boolean {
  return /^\s*[a-z][a-z0-9+.-]*:\/\//i.test(text) || /\/j\//i.test(text);
}

/** The same link for a QR code: upper case selects the alphanumeric mode, which makes it smaller. */
export function toQrText(link: string): string {
  return link.toUpperCase();
}

function parseAuthority(authority: string): { host: string; port: number } {
  if (authority.includes('@')) throw malformed('it has a user name before the host, which no link has');
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(authority);
  if (parts === null) throw malformed(`${JSON.stringify(authority)} is not HOST:PORT; an IPv6 address needs brackets`);
  const [, rawHost = '', rawPort] = parts;
  if (rawHost === '' || rawHost === '[]') throw malformed('there is no host in it');
  const host = /[^a-z0-9.:[\]_-]/i.test(rawHost) ? null : canonicalHost(rawHost);
  if (host === null || rawHost.startsWith('[') !== (isIP(host) === 6)) {
    throw malformed(`${JSON.stringify(rawHost)} is neither a host name nor an address`);
  }
  return { host, port: rawPort === undefined ? DEFAULT_PUBLIC_PORT : parsePort(rawPort) };
}

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw malformed(`${JSON.stringify(text)} is not a port (1 to 65535)`);
  return port;
}

/** CODE-PIN. More dashes are tolerated where a person grouped the characters. */
function parseSecret(text: string): { code: string; caPin: string } {
  const dash = text.indexOf('-');
  if (dash < 0) throw malformed('there is no -FINGERPRINT after the code');
  if (text.indexOf('-', dash + 1) < 0) {
    return { code: parseCode(text.slice(0, dash)), caPin: parsePin(text.slice(dash + 1)) };
  }
  const joined = normalizeCrockford(text);
  return { code: parseCode(joined.slice(0, CODE_LENGTH)), caPin: parsePin(joined.slice(CODE_LENGTH)) };
}

function parseCode(text: string): string {
  return parsePart('code', text, CODE_LENGTH);
}

function parsePin(text: string): string {
  return parsePart('fingerprint', text, CA_PIN_LENGTH);
}

function parsePart(what: string, text: string, length: number): string {
  const normalized = normalizeCrockford(text);
  if (firstForeignCharacter(normalized) !== null) throw malformed(`the ${what} has a character that no ${what} has`);
  if (normalized.length !== length) {
    throw malformed(
      `the ${what} has ${normalized.length} characters instead of ${length}; the link was not copied whole`,
    );
  }
  return normalized;
}

function malformed(detail: string): PalyraError {
  return new PalyraError('LINK_MALFORMED', { detail });
}
