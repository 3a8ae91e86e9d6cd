/**
 * `palyra.node.v1.NodeService`: registration, the stream link and the polled one. Who calls comes from the certificate; a message that names another device
 * is refused with DEVICE_MISMATCH.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import { toFacts } from '../../wire/grpc/convert.js';
import {
  NodeServiceService,
  type NodeServiceServer,
  type RegisterNodeRequest,
  type RegisterNodeResponse,
} from '../../wire/grpc/generated/palyra/node/v1/node.js';
import type { DeviceCaller } from '../caller.js';
import type { NodePlugins } from '../node-plugins.js';
import { registerNode } from '../registration.js';
import type { RenewalDesk } from '../renewal-desk.js';
import type { RpcContext, RpcGate } from './gate.js';
import { NodeLink, type NodeCall } from './node-link.js';
import { PollSessions } from './poll-sessions.js';

/** Ids that a node makes for its process and its journal. */
const NODE_MADE_ID = /^[0-9A-Za-z_-]{1,64}$/;

export interface NodeServiceDeps {
  readonly gate: RpcGate;
  readonly runtime: Pick<NodeRuntime, 'registerNode' | 'openLink'>;
  readonly plugins: NodePlugins;
  readonly renewals: Pick<RenewalDesk, 'rotate' | 'leave'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class NodeService {
  readonly #deps: NodeServiceDeps;
  readonly #daemon: { readonly name: string; readonly version: string };
  readonly #links = new Set<NodeLink>();
  readonly #polled: PollSessions;

  constructor(deps: NodeServiceDeps, daemon: { readonly name: string; readonly version: string }) {
    this.#deps = deps;
    this.#daemon = daemon;
    this.#polled = new PollSessions({
      clock: deps.clock,
      open: (caller, hello, session) => deps.runtime.openLink(caller, hello, session),
    });
  }

  get openLinks(): number {
    return this.#links.size + this.#polled.open;
  }

  /** Ends every link with DAEMON_STOPPING. */
  close(): void {
    for (const link of [...this.#links]) link.close('daemon-stopped');
    this.#polled.close();
  }

  get handlers(): NodeServiceServer {
    const { gate, renewals } = this.#deps;
    return {
      registerNode: gate.unary(NodeServiceService.registerNode.path, (request, context) =>
        this.#register(request, context),
      ),
      pollCapability: gate.unary(NodeServiceService.pollCapability.path, (request, context, onCancelled) =>
        this.#polled.poll(deviceOf(context), request, onCancelled),
      ),
      completeCapability: gate.unary(NodeServiceService.completeCapability.path, (request, context, onCancelled) =>
        this.#polled.complete(deviceOf(context), request, onCancelled),
      ),
      rotateDeviceCertificate: gate.unary(NodeServiceService.rotateDeviceCertificate.path, (request, context) =>
        renewals.rotate(deviceOf(context), request),
      ),
      revokeDevicePairing: gate.unary(NodeServiceService.revokeDevicePairing.path, async (_request, context) => ({
        name: await renewals.leave(deviceOf(context)),
      })),
      streamNodeEvents: (call) => {
        try {
          this.#stream(call);
        } catch (error) {
          call.emit('error', gate.toStatus(call.getPath(), error));
        }
      },
    };
  }

  async #register(request: RegisterNodeRequest, context: RpcContext): Promise<RegisterNodeResponse> {
    const caller = deviceOf(context);
    if (request.deviceId !== '' && request.deviceId !== caller.nodeId) throw new PalyraError('DEVICE_MISMATCH');
    if (request.facts === undefined) throw new PalyraError('MESSAGE_INVALID', { detail: 'facts are missing' });
    assertNodeMadeId('boot_id', request.bootId);
    assertNodeMadeId('store_id', request.storeId);
    const report = { facts: toFacts(request.facts), protocol: request.protocol ?? { min: 0, max: 0 } };
    const { pluginFailures, nodeTimeMs } = request;
    return registerNode(this.#deps, this.#daemon, caller, { ...report, pluginFailures, nodeTimeMs });
  }

  #stream(call: NodeCall): void {
    const { gate, runtime, clock } = this.#deps;
    const context = gate.contextOf(call);
    const caller = deviceOf(context);
    const link: NodeLink = new NodeLink(
      {
        clock,
        open: (hello, sink) => runtime.openLink(caller, hello, sink),
        fail: (error) => call.emit('error', gate.toStatus(call.getPath(), error)),
        destroy: () => context.connection.socket.destroy(),
        onEnded: () => this.#links.delete(link),
      },
      call,
      caller.nodeId,
    );
    this.#links.add(link);
  }
}

function deviceOf({ caller }: RpcContext): DeviceCaller {
  if (caller.kind !== 'device') throw new PalyraError('UNAUTHENTICATED');
  return caller;
}

function assertNodeMadeId(field: string, id: string): void {
  if (!NODE_MADE_ID.test(id)) throw new PalyraError('MESSAGE_INVALID', { detail: `${field} is not an id` });
}
