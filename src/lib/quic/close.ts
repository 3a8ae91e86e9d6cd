/** How a connection ends: the codes this driver sends, and what an end looks like to its user. */
import { PalyraError } from '../base/errors.js';
import type { NativeConnection, NativeError } from './native.js';

/** Application close codes below 0x100 are the driver's own; those of the protocol above it start there. */
export const QUIC_CLOSE = {
  /** Nothing is wrong: the application is done, or the endpoint stops. */
  DONE: 0x00,
  INTERNAL: 0x01,
  UNAUTHORIZED: 0x10,
  DEVICE_LIMIT: 0x11,
  RESERVED: 0x12,
  CONNECTION_LIMIT: 0x13,
  WRONG_SERVER: 0x14,
  HANDSHAKE_TIMEOUT: 0x15,
  RESUMPTION: 0x16,
  HANDSHAKE_EVICTED: 0x17,
  PEER_SILENT: 0x18,
} as const;
export const FIRST_PROTOCOL_CLOSE_CODE = 0x100;

/** RFC 9000, section 20.1. Before a handshake has ended only transport codes can be sent. */
export const TRANSPORT_CONNECTION_REFUSED = 0x02;

/** A reason is for people and travels in one datagram. */
const MAX_REASON_BYTES = 200;

export interface QuicClose {
  /** `timeout`: the idle time-out, or the handshake's. `network`: the socket failed. */
  readonly by: 'local' | 'peer' | 'timeout' | 'network';
  readonly application: boolean;
  readonly code: number;
  readonly reason: string;
}

export function reasonBytes(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  // Never half a character: cut before the one that does not fit.
  let end = MAX_REASON_BYTES;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** Reads the end off the native connection; null while it is alive. */
export function nativeClose(native: NativeConnection): QuicClose | null {
  const peer = native.peerError();
  if (peer !== null) return fromNative('peer', peer);
  if (native.isTimedOut()) return { by: 'timeout', application: false, code: 0, reason: 'the peer was silent' };
  const local = native.localError();
  if (local !== null) return fromNative('local', local);
  // Over without an error: by a stateless reset, which is what a server sends that was started again.
  return native.isDraining() || native.isClosed()
    ? { by: 'peer', application: false, code: 0, reason: 'it no longer knows the connection' }
    : null;
}

function fromNative(by: 'local' | 'peer', error: NativeError): QuicClose {
  const reason = Buffer.from(error.reason).toString('utf8');
  return { by, application: error.isApp, code: error.errorCode, reason: reason || alertOf(error) };
}

/** TLS alerts travel as transport codes 0x100 + alert (RFC 9001, section 4.8); the ones people meet get their name. */
const ALERTS: Readonly<Record<number, string>> = {
  40: 'handshake failure',
  42: 'bad certificate',
  43: 'unsupported certificate',
  44: 'certificate revoked',
  45: 'certificate expired',
  46: 'certificate unknown',
  48: 'unknown authority',
  49: 'access denied',
  51: 'decrypt error',
  116: 'certificate required',
  120: 'no common application protocol',
};

function alertOf(error: NativeError): string {
  return error.isApp ? '' : (ALERTS[error.errorCode - 0x100] ?? '');
}

export function describeClose(close: QuicClose): string {
  const who = { local: 'we closed it', peer: 'the peer closed it', timeout: 'timed out', network: 'network failure' }[
    close.by
  ];
  const code = close.by === 'local' || close.by === 'peer' ? ` with code ${close.code}` : '';
  return `${who}${code}${close.reason === '' ? '' : ` (${printable(close.reason)})`}`;
}

/** The reason of a peer is untrusted text: no control characters reach a terminal or a log line. */
function printable(text: string): string {
  return text.replace(/[^\P{C}]/gu, '?');
}

export function closedError(close: QuicClose): PalyraError {
  return new PalyraError('QUIC_CONNECTION_CLOSED', { detail: describeClose(close), details: { ...close } });
}
