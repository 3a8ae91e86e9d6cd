/**
 * A node's QUIC connection to its daemon, and what its failures mean to a link. The driver is loaded at the first dial: its package is optional, and a node
 * that uses gRPC must not pay for it.
 *
 * The name in the daemon's certificate is not compared with the address, as over gRPC (`channel.ts`): every certificate of a daemon is for `localhost` too,
 * a certificate of a node never is, and the pinned CA signs for its own daemon alone.
 */
import type { Clock } from '../../base/clock.js';
import { isReason, PalyraError } from '../../base/errors.js';
import { Deferred } from '../../base/lifecycle.js';
import type { Log } from '../../base/log.js';
import type { JsonValue } from '../../base/model.js';
import type { Random } from '../../base/random.js';
import type { QuicConnection } from '../../quic/connection.js';
import { MessageChannel } from '../../wire/quic/channel.js';
import { writeRequest, type QuicRequest } from '../../wire/quic/methods.js';
import { encodeMessage } from '../../wire/quic/parts.js';
import type { StreamLinkMaterial } from './stream.js';

export interface QuicDialDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const ANY_SERVER_OF_THIS_CA = 'localhost';
/** What is left of a request whose answer is not wanted any more. */
const NOT_WANTED = 0x120;

/** Throws QUIC_UNAVAILABLE when this machine cannot. */
export async function assertQuicAvailable(): Promise<void> {
  const { loadQuiche } = await import('../../quic/native.js');
  await loadQuiche();
}

/** Rejects with a reason that a link may end with, or the signal's. */
export async function dialQuic(
  endpoint: string,
  { certificatePem, keyPem, trustBundle }: StreamLinkMaterial,
  deps: QuicDialDeps,
  signal: AbortSignal,
): Promise<QuicConnection> {
  const { connectQuic } = await import('../../quic/endpoint-client.js');
  const { host, port } = splitEndpoint(endpoint);
  try {
    return await connectQuic(deps, {
      host,
      port,
      serverName: ANY_SERVER_OF_THIS_CA,
      tls: { certificatePem, keyPem, caPem: trustBundle.join('\n') },
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw toQuicLinkError(error, endpoint);
  }
}

/** A stream that has asked, and what is answered to it. */
export async function askQuic(connection: QuicConnection, request: QuicRequest): Promise<MessageChannel> {
  const channel = new MessageChannel(await connection.openStream());
  channel.write(encodeMessage(writeRequest(request)));
  return channel;
}

/** One request with one answer. Rejects as `dialQuic` does. */
export async function callQuic(
  connection: QuicConnection,
  endpoint: string,
  request: QuicRequest,
  signal: AbortSignal,
): Promise<JsonValue> {
  signal.throwIfAborted();
  const answer = new Deferred<JsonValue>();
  answer.promise.catch(() => undefined);
  const onAbort = () => answer.reject(PalyraError.from(signal.reason, 'CANCELLED'));
  signal.addEventListener('abort', onAbort, { once: true });
  // Waits while the daemon allows no more streams. Until it is asked the answer can only fail.
  const asked = askQuic(connection, request);
  try {
    const channel = await Promise.race([asked, answer.promise as Promise<never>]);
    const unanswered = () => answer.reject(unreachable(endpoint, 'it gave no answer', null));
    channel.read({
      message: (value) => answer.resolve(value),
      end: unanswered,
      failed: (error) => answer.reject(error),
    });
    channel.end();
    return await answer.promise;
  } catch (error) {
    asked.then(
      (channel) => channel.abort(NOT_WANTED),
      () => undefined,
    );
    signal.throwIfAborted();
    throw toQuicLinkError(error, endpoint);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Transport codes 0x100 + alert (RFC 9001, section 4.8): what we found in the daemon's certificate. */
const OUR_ALERTS: ReadonlySet<number> = new Set([42, 43, 46, 48].map((alert) => 0x100 + alert));
/** The same, for one that is over at the time of the clock here. */
const EXPIRED_ALERT = 0x100 + 45;
/** `WRONG_SERVER` of the driver. */
const WRONG_SERVER = 0x14;

/** A refusal that the daemon has put into the end of a connection keeps its reason; the network's own failures name the endpoint and what failed. */
export function toQuicLinkError(error: unknown, endpoint: string): PalyraError {
  const known = PalyraError.from(error);
  if (known.reason === 'QUIC_STREAM_CLOSED') return unreachable(endpoint, 'the daemon has closed the stream', error);
  if (known.reason !== 'QUIC_HANDSHAKE_FAILED' && known.reason !== 'QUIC_CONNECTION_CLOSED') return known;
  const { by, application, code, reason } = known.details;
  if (by === 'peer' && application === true && typeof reason === 'string' && isReason(reason))
    return new PalyraError(reason, { cause: error });
  if (by === 'local' && (application === true ? code === WRONG_SERVER : OUR_ALERTS.has(Number(code))))
    return new PalyraError('DAEMON_IDENTITY_MISMATCH', {
      detail: `another daemon answers at ${endpoint}, or its CA was replaced without this machine; then: palyra node reset, and pair it again`,
      cause: error,
    });
  if (by === 'local' && application !== true && code === EXPIRED_ALERT) {
    const detail = `at the time of the clock here the certificate of ${endpoint} is not valid`;
    return new PalyraError('CLOCK_SKEW', { detail, cause: error });
  }
  if (by === 'network' && reason === 'ECONNREFUSED') return unreachable(endpoint, 'the connection was refused', error);
  if (by === 'timeout') return unreachable(endpoint, 'it did not answer over UDP', error);
  return unreachable(endpoint, known.detail ?? 'the connection failed', error);
}

function unreachable(endpoint: string, what: string, cause: unknown): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: ${what}`, cause });
}

/** `host:port` or `[v6]:port`. */
function splitEndpoint(endpoint: string): { readonly host: string; readonly port: number } {
  const at = endpoint.lastIndexOf(':');
  return { host: endpoint.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(endpoint.slice(at + 1)) };
}
