/**
 * What every gRPC connection of a node has in common: TLS with the pinned CA as the only root, one connection per channel, nothing retried behind our back.
 * The connection itself is finished by the connector.
 *
 * The name in the daemon's certificate is not compared with the address: that CA signs server certificates for its own daemon alone, so a certificate
 * with the server usage under it is the daemon, wherever it moved. (The usage is checked by the TLS library: a node's certificate does not pass.)
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, type ConnectionOptions, type TLSSocket } from 'node:tls';
import {
  ChannelCredentials,
  credentials,
  type CallCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';

import { PalyraError } from '../../base/errors.js';
import { toAuthority, type Proxy } from '../../base/proxy.js';
import { proxyUnreachable } from '../../base/tunnel.js';
import { fromServiceError } from '../../wire/grpc/status.js';
import { LINK_KEEPALIVE } from './keepalive.js';

const MAX_MESSAGE_BYTES = 1024 * 1024;
/** A fixed name in the TLS greeting: addresses are not allowed there (RFC 6066 section 3). */
const ANY_DAEMON = 'daemon.palyra.internal';

export interface ChannelTrust {
  /** PEM; every CA certificate to accept. */
  readonly trustBundle: readonly string[];
  /** PEM; absent before pairing. */
  readonly client?: { readonly certificatePem: string; readonly keyPem: string };
  /** Told the SHA-256 (lower-case hex) of the server certificate of each connection, before anything is sent over it. */
  readonly onServerCertificate?: (sha256: string) => void;
}

/** What the connector does for a channel. */
export interface ChannelRoute {
  /** The first hop; null: the daemon itself. */
  readonly proxy: Proxy | null;
  /** From a socket to the first hop to TLS with the daemon. Owns the socket. */
  readonly secure: (raw: Socket, options: ConnectionOptions, signal: AbortSignal) => Promise<TLSSocket>;
}

/** What a client of grpc-js is made of, and what its failures mean. */
export class DaemonChannel {
  readonly endpoint: string;
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  readonly #proxy: Proxy | null;
  /** Of the last connection; grpc-js passes on its words alone. */
  #failure: PalyraError | null = null;

  constructor(endpoint: string, trust: ChannelTrust, route: ChannelRoute) {
    this.endpoint = endpoint;
    this.#proxy = route.proxy;
    this.target = channelTarget(route.proxy === null ? endpoint : toAuthority(route.proxy));
    this.options = { ...channelOptions, 'grpc.default_authority': endpoint };
    const tls = tlsOptions(trust);
    this.credentials = new RoutedCredentials(async (raw, signal) => {
      try {
        const socket = await route.secure(raw, tls, signal);
        this.#failure = null;
        return socket;
      } catch (error) {
        this.#failure = error instanceof PalyraError ? error : null;
        throw error;
      }
    });
  }

  /** A failure of grpc-js as ours. A reason the daemon sent is kept; for the network's own failures the detail names the endpoint and what failed. */
  toError(error: unknown): PalyraError {
    const text = error instanceof Error ? error.message : String(error);
    if (this.#failure !== null && text.includes(this.#failure.message)) return this.#failure;
    const converted = toLinkError(error, this.endpoint);
    if (this.#proxy === null || converted.reason !== 'DAEMON_UNREACHABLE' || !FIRST_HOP.test(text)) return converted;
    return proxyUnreachable(this.#proxy, wordsOf(text), error);
  }
}

/** grpc-js opens the socket to the first hop; the rest is ours. */
class RoutedCredentials extends ChannelCredentials {
  readonly #connect: (raw: Socket, signal: AbortSignal) => Promise<TLSSocket>;

  constructor(connect: (raw: Socket, signal: AbortSignal) => Promise<TLSSocket>) {
    super();
    this.#connect = connect;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(_target: unknown, _options: ChannelOptions, callCredentials?: CallCredentials) {
    const over = new AbortController();
    const own = callCredentials ?? credentials.createEmpty();
    return {
      connect: async (raw: Socket) => ({ socket: await this.#connect(raw, over.signal), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => own,
      destroy: () => over.abort(new PalyraError('CANCELLED')),
    };
  }
}

/** For a connection to the daemon: its CA alone is trusted, and the certificate of this device is shown. */
export function tlsOptions(trust: ChannelTrust): ConnectionOptions {
  const { client } = trust;
  return {
    secureContext: createSecureContext({
      ca: trust.trustBundle.join('\n'),
      ...(client === undefined ? {} : { key: client.keyPem, cert: client.certificatePem }),
    }),
    ALPNProtocols: ['h2'],
    servername: ANY_DAEMON,
    checkServerIdentity: (_host, certificate) => {
      trust.onServerCertificate?.(createHash('sha256').update(certificate.raw).digest('hex'));
      return undefined;
    },
  };
}

const channelOptions: ChannelOptions = {
  ...LINK_KEEPALIVE,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // The host decides when to try again, and closing a channel must close its socket.
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  // The connector knows the way, and when a proxy is on it.
  'grpc.enable_http_proxy': 0,
};

/** `host:port` or `[v6]:port` as a grpc-js target. */
function channelTarget(endpoint: string): string {
  return endpoint.startsWith('[') ? `ipv6:${endpoint}` : `dns:${endpoint}`;
}

/** While the socket to the first hop is opened. Later failures have passed through the connector. */
const FIRST_HOP = /ENOTFOUND|EAI_AGAIN|Name resolution failed|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/;
const NETWORK_FAILURES: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, 'its name cannot be resolved (DNS)'],
  [/ECONNREFUSED/, 'the connection was refused'],
  [/ETIMEDOUT|Deadline exceeded|DEADLINE_EXCEEDED/i, 'it did not answer in time'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no route to it'],
  [/ECONNRESET|socket hang up|closed|disconnected/i, 'the connection was cut'],
];
const WRONG_IDENTITY =
  /self[- ]signed certificate|unable to (verify|get (local )?issuer)|certificate signature failure|unsuitable certificate purpose/i;

function toLinkError(error: unknown, endpoint: string): PalyraError {
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
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: ${wordsOf(text)}`, cause: error });
}

function wordsOf(text: string): string {
  return NETWORK_FAILURES.find(([pattern]) => pattern.test(text))?.[1] ?? 'the connection failed';
}

/** One unary call that can be cut short: rejects with the signal's reason then, otherwise with a PalyraError. */
export function unaryCall<Response>(
  channel: Pick<DaemonChannel, 'toError'>,
  signal: AbortSignal,
  start: (callback: (error: ServiceError | null, response: Response) => void) => ClientUnaryCall,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const call = start((error, response) => {
      signal.removeEventListener('abort', cancel);
      if (signal.aborted) reject(PalyraError.from(signal.reason, 'CANCELLED'));
      else if (error !== null) reject(channel.toError(error));
      else resolve(response);
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
  });
}
