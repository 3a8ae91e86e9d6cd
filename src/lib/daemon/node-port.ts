/**
 * The port of the nodes: mutual TLS with certificates of our CA, gRPC only. A certificate that TLS accepts still has to be on the allow list,
 * when the connection opens and at every call.
 */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { HealthService as HealthDefinition } from '../wire/grpc/generated/grpc/health/v1/health.js';
import { NodeServiceService } from '../wire/grpc/generated/palyra/node/v1/node.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { NodePlugins } from './node-plugins.js';
import { DeviceConnections } from './device-connections.js';
import type { DeviceDenials } from './device-denials.js';
import { RpcGate } from './grpc/gate.js';
import { HealthService } from './grpc/health-service.js';
import { NodeService } from './grpc/node-service.js';
import { GrpcServer } from './grpc/server.js';
import type { RenewalDesk } from './renewal-desk.js';
import { TlsFront } from './tls-front.js';

/**
 * Only handshakes are counted: whoever gets through is known, and has its own cap. Half of them may come from one address, because a whole
 * fleet may sit behind one router and come back at the same moment.
 */
export const NODE_LIMITS = { total: 512, perSource: 256, countedWhile: 'handshake' } as const;
const CLOSE_GRACE_MS = 500;

export interface NodePortDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly plugins: NodePlugins;
  readonly renewals: RenewalDesk;
  readonly denials: DeviceDenials;
  readonly runtime: Pick<NodeRuntime, 'registerNode' | 'openLink' | 'authenticateDevice' | 'onRevoked'>;
}

export class NodePort {
  readonly front: TlsFront;
  readonly devices: DeviceConnections;
  readonly health: HealthService;
  readonly #grpc: GrpcServer;
  readonly #service: NodeService;
  readonly #forgetRevoked: () => void;

  constructor(
    deps: NodePortDeps,
    tls: { readonly keyPem: string; readonly certificatePem: string; readonly clientCaPem: string },
    daemon: { readonly name: string; readonly version: string },
  ) {
    const { clock, log, plugins, runtime, renewals, denials } = deps;
    const authenticate = runtime.authenticateDevice.bind(runtime);
    this.devices = new DeviceConnections({ clock, log, authenticate, denials });
    denials.onCut((nodeId) => this.devices.dropDevice(nodeId));
    this.front = new TlsFront(
      { clock, log },
      {
        ...tls,
        alpn: ['h2'],
        limits: NODE_LIMITS,
        onSecure: (connection) => {
          if (this.devices.bind(connection)) this.#grpc.serve(connection.socket);
        },
      },
    );
    const deviceOn = this.devices.callerOn.bind(this.devices);
    const onDenial = this.devices.denied.bind(this.devices);
    const gate = new RpcGate({ clock, log, front: this.front, deviceOn, onDenial }, 'node-rpc');
    this.#grpc = new GrpcServer({ gate, clock });
    this.#service = new NodeService({ gate, runtime, plugins, renewals, clock, log }, daemon);
    this.health = new HealthService(gate, ['palyra.node.v1.NodeService']);
    this.#grpc.add(NodeServiceService, this.#service.handlers);
    this.#grpc.add(HealthDefinition, this.health.handlers);
    this.#forgetRevoked = runtime.onRevoked((nodeId) => {
      this.devices.closeDevice(nodeId);
      plugins.forget(nodeId);
    });
  }

  /** Ends links with their reason, then every connection. */
  async close(): Promise<void> {
    this.front.stopListening();
    this.#forgetRevoked();
    this.#service.close();
    this.health.close();
    await this.#grpc.close(CLOSE_GRACE_MS);
    this.devices.close();
    await this.front.close();
  }
}
