/**
 * Renewal of a device's certificate: when it is due, and what its holder signs for it. Pure.
 *
 * Each message begins with a label of its own, so that no signature made for one purpose passes for another. The first is said over a connection that the
 * old certificate authenticates, and names that certificate; the second over an anonymous one, and names the server certificate of that connection: said
 * to anybody else it proves nothing.
 */
import { lengthPrefixed } from '../base/length-prefixed.js';
import type { Random } from '../base/random.js';
import { BACKDATE_MS } from './authority.js';

const ROTATE_LABEL = 'palyra rotate v1';
const RENEW_LABEL = 'palyra renew v1';

/** Early enough for a month of failures in 90 days. */
const DUE_AT = 2 / 3;
/** Either way, of the life: a fleet that was paired in one hour does not renew in one minute. */
const JITTER = 0.05;

interface Life {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** When it was issued: it begins a little earlier, for clocks that are slow. */
export function issuedAt({ notBefore, notAfter }: Life): number {
  return Math.min(notBefore + BACKDATE_MS, notAfter);
}

/** When to renew, drawn once for each certificate. */
export function renewalDueAt(life: Life, random: Random): number {
  const issued = issuedAt(life);
  const share = DUE_AT + (2 * random.fraction() - 1) * JITTER;
  return issued + Math.round((life.notAfter - issued) * share);
}

/** For `RotateDeviceCertificate`: the holder of the (perhaps new) key asks in the name of the certificate of the connection. */
export function rotateMessage(o: {
  readonly deviceId: string;
  /** Lower-case hex, of the certificate in use. */
  readonly serial: string;
  readonly signedAtMs: number;
}): Buffer {
  return lengthPrefixed(...[ROTATE_LABEL, o.deviceId, o.serial, String(o.signedAtMs)].map((text) => Buffer.from(text)));
}

/** For `RenewDeviceCertificate`, bound to the connection it is sent over. */
export function renewMessage(o: {
  readonly deviceId: string;
  /** SHA-256 of the DER of the server certificate of the connection; hex. */
  readonly serverCertificateSha256: string;
  readonly signedAtMs: number;
}): Buffer {
  const { deviceId, serverCertificateSha256, signedAtMs } = o;
  return lengthPrefixed(
    Buffer.from(RENEW_LABEL),
    Buffer.from(deviceId),
    Buffer.from(serverCertificateSha256, 'hex'),
    Buffer.from(String(signedAtMs)),
  );
}
