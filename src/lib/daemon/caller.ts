/**
 * Who is asking. Decided here from the listener a request came in on and, for nodes, from the certificate of the connection; never from
 * anything inside a message.
 */
import { isIP } from 'node:net';
import { PalyraError } from '../base/errors.js';
import type { Caller } from '../base/model.js';
import { deviceIdOf } from '../identity/authority.js';
import { readCertificate } from '../identity/certificate.js';
import { addressBytes, canonicalHost } from '../identity/hosts.js';

export type DeviceCaller = Extract<Caller, { kind: 'device' }>;

/** What the certificate of a connection says, read once when the connection opens. */
export interface PresentedDevice {
  readonly deviceId: string;
  readonly serial: string;
  readonly notAfter: number;
}

/** Whoever can open the local socket is the owner: the file mode is the login. */
export function ownerCaller(ownerName: string): Caller {
  return { kind: 'owner', name: ownerName };
}

export function anonymousCaller(address: string): Caller {
  return { kind: 'anonymous', address };
}

/**
 * Reads a client certificate that TLS has already verified against our CA. Throws CERTIFICATE_REVOKED when it is not a node's: our CA signs
 * the server certificate too, and that one must not pass for a device.
 */
export function presentedDevice(der: Buffer): PresentedDevice {
  const facts = readCertificate(der);
  const deviceId = deviceIdOf(facts);
  if (deviceId === null) throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'the certificate names no device' });
  return { deviceId, serial: facts.serial, notAfter: facts.notAfter };
}

/** IPv4 in its usual form also on a dual-stack socket; `unknown` for a socket that is already gone. */
export function normalizeAddress(address: string | undefined): string {
  if (address === undefined || address === '') return 'unknown';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

/** What a limit counts as one source: an IPv4 address, or the /64 of an IPv6 address, because one machine owns a whole /64. */
export function sourceKey(address: string): string {
  const bytes = isIP(address) === 6 ? addressBytes(canonicalHost(address) ?? '') : null;
  return bytes === null ? address : `${bytes.subarray(0, 8).toString('hex')}::/64`;
}
