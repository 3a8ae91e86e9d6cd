/**
 * A grpc-js server without a port of its own: it serves connections that a TLS front has accepted and limited.
 *
 * What asks for a method that is not there, or is no gRPC at all, grpc-js answers by itself, past every interceptor. The gate is told of it here, where the
 * streams come in: it counts as a denial like any other.
 */
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { RpcGate } from './gate.js';

/** Frame limit of the node protocol, both ways. The largest legitimate message is a result of 1 MiB less its envelope. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const LIMITS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // A dead peer is found within 12 s. Without it, sessions that were sent GOAWAY stay open for ever.
  'grpc.keepalive_time_ms': 7_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // A link is renewed twice a day, so that a certificate or a limit changed here reaches everybody.
  'grpc.max_connection_age_ms': 12 * 3_600_000,
  'grpc.max_connection_age_grace_ms': 30_000,
  // A node needs one stream and a few calls.
  'grpc.max_concurrent_streams': 64,
  // In megabytes; grpc-js sets no limit of its own.
  'grpc-node.max_session_memory': 10,
  'grpc.enable_channelz': 0,
} as const;

/** From the last status to the end of its connection. */
const FLUSH_MS = 50;

export interface GrpcServerOptions {
  /** Closes a connection without a call for this long; absent: never. */
  readonly idleMs?: number;
}

export class GrpcServer {
  readonly #server: Server;
  readonly #inject: (socket: Duplex) => void;
  readonly #gate: RpcGate;
  readonly #clock: Clock;

  constructor({ gate, clock }: { readonly gate: RpcGate; readonly clock: Clock }, options: GrpcServerOptions = {}) {
    this.#gate = gate;
    this.#clock = clock;
    this.#server = new Server({
      ...LIMITS,
      ...(options.idleMs === undefined ? {} : { 'grpc.max_connection_idle_ms': options.idleMs }),
      interceptors: [gate.interceptor],
    });
    watchStreams(this.#server, (stream, headers) => this.#gate.arrived(stream, headers));
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (socket) => injector.injectConnection(socket);
  }

  add<T extends UntypedServiceImplementation>(service: ServiceDefinition<T>, implementation: T): void {
    this.#server.addService(service, implementation);
  }

  /** Takes over an accepted connection; whoever accepted it still closes it in the end. */
  serve(socket: Duplex): void {
    this.#inject(socket);
  }

  /**
   * Waits up to `graceMs` for calls to end, then ends the connections. A status that has been given still needs a moment to leave: a session
   * that is closed at once drops it, and its peer would see a lost connection instead of the reason.
   */
  async close(graceMs: number): Promise<void> {
    await this.#gate.idle(graceMs);
    await sleep(this.#clock, FLUSH_MS);
    this.#server.forceShutdown();
  }
}

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/**
 * grpc-js has no way to see a stream that it refuses itself, so the HTTP/2 server it makes is caught where it gets its own listeners. Its version is pinned; one
 * without that place is found by the first start.
 */
function watchStreams(server: Server, onStream: OnStream): void {
  const inner = server as unknown as { _setupHandlers?: (http2: Http2Server | null, extra: unknown) => void };
  const setUp = inner._setupHandlers;
  if (typeof setUp !== 'function') throw new PalyraError('INTERNAL', { detail: 'grpc-js has changed inside' });
  inner._setupHandlers = function (http2, extra) {
    setUp.call(this, http2, extra);
    // After its own listener, which has answered by then.
    http2?.on('stream', onStream);
  };
}
