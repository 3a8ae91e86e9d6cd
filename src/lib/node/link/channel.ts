/**
 * How every gRPC connection of a node is made: TLS with the pinned CA as the only root, one connection per channel, nothing retried behind our back.
 *
 * The name in the daemon's certificate is not compared with the address: that CA signs server certificates for its own daemon alone, so a certificate
 * with the server usage under it is the daemon, wherever it moved. (The usage is checked by the TLS library: a node's certificate does not pass.)
 */
import { createHash } from 'node:crypto';

import {
  credentials,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';

import { PalyraError } from '../../base/errors.js';
import { fromServiceError } from '../../wire/grpc/status.js';

const MAX_MESSAGE_BYTES = 1024 * 1024;

export interface ChannelTrust {
  /** PEM; every CA certificate to accept. */
  readonly trustBundle: readonly string[];
  /** PEM; absent before pairing. */
  readonly client?: { readonly certificatePem: string; readonly keyPem: string };
  /** Told the SHA-256 (lower-case hex) of the server certificate of each connection, before anything is sent over it. */
  readonly onServerCertificate?: (sha256: string) => void;
}

export function channelCredentials(trust: ChannelTrust): ChannelCredentials {
  const { client } = trust;
  return credentials.createSsl(
    Buffer.from(trust.trustBundle.join('\n')),
    client === undefined ? null : Buffer.from(client.keyPem),
    client === undefined ? null : Buffer.from(client.certificatePem),
    {
      checkServerIdentity: (_host, certificate) => {
        trust.onServerCertificate?.(createHash('sha256').update(certificate.raw).digest('hex'));
        return undefined;
      },
    },
  );
}

export const channelOptions: ChannelOptions = {
  // A dead peer is noticed within 15 s, also when nothing is said.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // The host decides when to try again, and closing a channel must close its socket.
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  // Not through a proxy: the probe that pins the daemon's identity goes straight too, and most daemons are in the same house.
  'grpc.enable_http_proxy': 0,
  // A fixed name in the TLS greeting: addresses are not allowed there (RFC 6066 section 3).
  'grpc.ssl_target_name_override': 'daemon.palyra.internal',
};

/** `host:port` or `[v6]:port` as a grpc-js target. */
export function channelTarget(endpoint: string): string {
  return endpoint.startsWith('[') ? `ipv6:${endpoint}` : `dns:${endpoint}`;
}

const NETWORK_FAILURES: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, 'its name cannot be resolved (DNS)'],
  [/ECONNREFUSED/, 'the connection was refused'],
  [/ETIMEDOUT|Deadline exceeded|DEADLINE_EXCEEDED/i, 'it did not answer in time'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no route to it'],
  [/ECONNRESET|socket hang up|closed|disconnected/i, 'the connection was cut'],
];
const WRONG_IDENTITY =
  /self[- ]signed certificate|unable to (verify|get (local )?issuer)|certificate signature failure|unsuitable certificate purpose/i;

/** A failure of grpc-js as ours. A reason the daemon sent is kept; for the network's own failures the detail names the endpoint and what failed. */
export function toLinkError(error: unknown, endpoint: string): PalyraError {
  const converted = fromServiceError(error);
  if (converted.reason !== 'DAEMON_UNREACHABLE' && converted.reason !== 'WAIT_TIMED_OUT') return converted;
  const text = error instanceof Error ? error.message : String(error);
  if (WRONG_IDENTITY.test(text)) {
    return new PalyraError('DAEMON_IDENTITY_MISMATCH', {
      detail: `another daemon answers at ${endpoint}, or its CA was replaced without this machine; then: palyra node reset, and pair it again`,
      cause: error,
    });
  }
  if (/certificate has expired|not yet valid/i.test(text)) {
    const detail = `at the time of the clock here the certificate of ${endpoint} is not valid`;
    return new PalyraError('CLOCK_SKEW', { detail, cause: error });
  }
  const what = NETWORK_FAILURES.find(([pattern]) => pattern.test(text))?.[1] ?? 'the connection failed';
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: ${what}`, cause: error });
}

/** One unary call that can be cut short: rejects with the signal's reason then, otherwise with a PalyraError. */
export function unaryCall<Response>(
  endpoint: string,
  signal: AbortSignal,
  start: (callback: (error: ServiceError | null, response: Response) => void) => ClientUnaryCall,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const call = start((error, response) => {
      signal.removeEventListener('abort', cancel);
      if (signal.aborted) reject(PalyraError.from(signal.reason, 'CANCELLED'));
      else if (error !== null) reject(toLinkError(error, endpoint));
      else resolve(response);
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
  });
}
