/**
 * The standard health service. Source: gRPC health checking protocol (grpc/grpc doc/health-checking.md): `Check` of an unknown service is
 * NOT_FOUND, `Watch` of one answers SERVICE_UNKNOWN and stays open.
 */
import { status as Status, type ServerWritableStream } from '@grpc/grpc-js';
import { PalyraError } from '../../base/errors.js';
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
} from '../../wire/grpc/generated/grpc/health/v1/health.js';
import type { RpcGate } from './gate.js';

/** A watcher costs a stream; a monitor needs one. */
const MAX_WATCHERS = 64;

type Watch = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

export class HealthService {
  readonly #gate: RpcGate;
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Map<Watch, string>();
  #serving = true;

  /** `services` are full names, e.g. `palyra.node.v1.NodeService`; the empty name, for the whole server, is always known. */
  constructor(gate: RpcGate, services: readonly string[]) {
    this.#gate = gate;
    this.#services = new Set(['', ...services]);
  }

  /** Tells every watcher when it changes. */
  setServing(serving: boolean): void {
    if (this.#serving === serving) return;
    this.#serving = serving;
    for (const [watch, service] of this.#watchers) watch.write({ status: this.#statusOf(service) });
  }

  /** Ends every watch. */
  close(): void {
    for (const watch of this.#watchers.keys()) watch.end();
    this.#watchers.clear();
  }

  readonly handlers: HealthServer = {
    check: (call, callback) => {
      const status = this.#statusOf(call.request.service);
      if (status === ServingStatus.SERVICE_UNKNOWN) callback({ code: Status.NOT_FOUND, details: 'unknown service' });
      else callback(null, { status });
    },
    watch: (call) => {
      if (this.#watchers.size >= MAX_WATCHERS) {
        call.emit(
          'error',
          this.#gate.toStatus(call.getPath(), new PalyraError('RATE_LIMITED', { detail: 'too many watchers' })),
        );
        return;
      }
      this.#watchers.set(call, call.request.service);
      call.once('cancelled', () => this.#watchers.delete(call));
      call.once('close', () => this.#watchers.delete(call));
      call.write({ status: this.#statusOf(call.request.service) });
    },
  };

  #statusOf(service: string): ServingStatus {
    if (!this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
