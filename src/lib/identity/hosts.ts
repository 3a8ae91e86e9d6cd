/**
 * Names and addresses under which a daemon is reached, in one canonical form: what goes into a certificate, what is compared with it, and what a link may
 * hold. DNS names are lower-case ASCII (IDNA), IPv6 literals are in the short form of RFC 5952, without brackets and without a zone.
 */
import { isIP, isIPv4 } from 'node:net';
import { domainToASCII } from 'node:url';

const MAX_NAME_LENGTH = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The canonical form, or null when it is neither a DNS name nor an IP literal. Brackets, a zone and a final dot are dropped. */
export function canonicalHost(text: string): string | null {
  const bare = text.trim().replace(/^\[(.*)\]$/, '$1');
  const address = bare.replace(/%.*$/, '');
  if (isIP(address) === 4) return address;
  if (isIP(address) === 6) return new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const name = bare.replace(/\.$/, '');
  // `domainToASCII` parses as a URL does and would silently drop what follows a slash: it only sees letters, digits, dots and dashes of any script.
  const ascii = /[^\p{L}\p{M}\p{N}._-]/u.test(name) ? '' : domainToASCII(name);
  return isDnsName(ascii) ? ascii : null;
}

/** Four or sixteen bytes of a canonical IP literal, network order; null for a name. */
export function addressBytes(host: string): Buffer | null {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number));
  if (isIP(host) !== 6) return null;
  const [head = '', tail] = host.split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const groups = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

/** As an authority in a URL: IPv6 in brackets. */
export function toUrlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** RFC 1123 names plus the underscore that home routers hand out; a last label of digits only would be a broken IPv4 address. */
function isDnsName(name: string): boolean {
  if (name === '' || name.length > MAX_NAME_LENGTH) return false;
  const labels = name.split('.');
  return labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? '');
}
