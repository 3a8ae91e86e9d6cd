/**
 * The public TLS port: anonymous callers, two protocols told apart by ALPN. A client that offers `http/1.1`, or nothing, gets the HTTPS routes; one
 * that offers only `h2` gets the pairing service. Our preference decides, so a browser that offers both gets HTTP/1.1.
 */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { HealthService as HealthDefinition } from '../wire/grpc/generated/grpc/health/v1/health.js';
import { PairingServiceService } from '../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';
import { anonymousCaller, normalizeAddress } from './caller.js';
import { RpcGate } from './grpc/gate.js';
import { HealthService } from './grpc/health-service.js';
import { PairingService, type DaemonFacts } from './grpc/pairing-service.js';
import { GrpcServer } from './grpc/server.js';
import type { Router } from './http/router.js';
import { HttpServer } from './http/server.js';
import type { PairingDesk } from './pairing-desk.js';
import type { RenewalDesk } from './renewal-desk.js';
import { TlsFront, type Connection } from './tls-front.js';

/** Anonymous connections: enough for a fleet that joins at once, little enough that each may hold a megabyte. */
export const PUBLIC_LIMITS = { total: 512, perSource: 16, countedWhile: 'open' } as const;
/** A pairing client that does nothing has gone away. */
const IDLE_MS = 60_000;
const CLOSE_GRACE_MS = 500;

export interface PublicPortDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly router: Router;
  readonly desk: PairingDesk;
  readonly renewals: RenewalDesk;
  readonly auditor: Auditor;
  readonly runtime: Pick<NodeRuntime, 'approval' | 'approvals' | 'awaitApproval' | 'nodeDetails' | 'durable'>;
}

export class PublicPort {
  readonly front: TlsFront;
  readonly health: HealthService;
  readonly #http: HttpServer;
  readonly #grpc: GrpcServer;
  readonly #pairing: PairingService;

  constructor(
    deps: PublicPortDeps,
    tls: { readonly keyPem: string; readonly certificatePem: string },
    daemon: DaemonFacts,
    hostNames: () => ReadonlySet<string>,
  ) {
    const { clock, log, router, desk, renewals, auditor, runtime } = deps;
    this.front = new TlsFront(
      { clock, log },
      { ...tls, alpn: ['http/1.1', 'h2'], limits: PUBLIC_LIMITS, onSecure: (connection) => this.#route(connection) },
    );
    const gate = new RpcGate({ clock, log, front: this.front }, 'public');
    this.#grpc = new GrpcServer({ gate, clock }, { idleMs: IDLE_MS });
    this.#pairing = new PairingService({ gate, desk, renewals, auditor, runtime, clock }, daemon);
    this.health = new HealthService(gate, ['palyra.pairing.v1.PairingService']);
    this.#grpc.add(PairingServiceService, this.#pairing.handlers);
    this.#grpc.add(HealthDefinition, this.health.handlers);
    this.#http = new HttpServer(
      { router, log, clock },
      {
        secure: true,
        entryOf: ({ socket }) => ({
          caller: anonymousCaller(normalizeAddress(socket.remoteAddress)),
          listener: 'public',
          secure: true,
          hostNames: hostNames(),
        }),
      },
    );
    this.#http.startUnbound();
  }

  /** Ends waits with their reason, then every connection. */
  async close(): Promise<void> {
    this.front.stopListening();
    this.#pairing.close();
    this.health.close();
    await Promise.all([this.#grpc.close(CLOSE_GRACE_MS), this.#http.close(CLOSE_GRACE_MS)]);
    await this.front.close();
  }

  #route({ socket }: Connection): void {
    if (socket.alpnProtocol === 'h2') this.#grpc.serve(socket);
    else this.#http.serve(socket);
  }
}
