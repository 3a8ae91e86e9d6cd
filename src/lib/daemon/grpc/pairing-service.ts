/**
 * `palyra.pairing.v1.PairingService`: turns messages into calls of the pairing desk and records into statuses. Decides nothing.
 */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { ApprovalState } from '../../base/model.js';
import type { JoinRecord } from '../../base/requests.js';
import { toFacts } from '../../wire/grpc/convert.js';
import {
  PairingMethod,
  PairingServiceService,
  PairingState,
  type AwaitPairingMaterialRequest,
  type PairingMaterial,
  type PairingRequestStatus,
  type PairingServiceServer,
} from '../../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import { NODE_NAME } from '../../wire/http/schemas.js';
import type { AuditActor, AuditTarget } from '../../base/audit-chain.js';
import type { Attempted, Auditor } from '../auditor.js';
import type { PairingDesk } from '../pairing-desk.js';
import type { RenewalDesk } from '../renewal-desk.js';
import type { RpcGate } from './gate.js';

const STATES: Readonly<Record<ApprovalState, PairingState>> = {
  pending: PairingState.PAIRING_STATE_PENDING,
  approved: PairingState.PAIRING_STATE_APPROVED,
  issued: PairingState.PAIRING_STATE_ISSUED,
  rejected: PairingState.PAIRING_STATE_REJECTED,
  expired: PairingState.PAIRING_STATE_EXPIRED,
  withdrawn: PairingState.PAIRING_STATE_WITHDRAWN,
};

/** Machines waiting for a person at once; each holds a stream. More are PAIRING_BUSY. */
const MAX_WAITING = 64;
/** The state is sent again this often while nothing changes, so that both sides notice a dead connection. */
const REPEAT_MS = 20_000;

/** A field that this way of pairing does not use. */
const NOTHING = Buffer.alloc(0);

export interface PairingServiceDeps {
  readonly gate: RpcGate;
  readonly desk: PairingDesk;
  readonly renewals: Pick<RenewalDesk, 'renewByKey'>;
  readonly auditor: Auditor;
  readonly runtime: Pick<NodeRuntime, 'approval' | 'approvals' | 'awaitApproval' | 'nodeDetails' | 'durable'>;
  readonly clock: Clock;
}

/** What every new node is told about this daemon. */
export interface DaemonFacts {
  readonly name: string;
  readonly version: string;
  /** PEM of every CA to trust. */
  trustBundle(): readonly string[];
  /** `host:port` of the node port, best first; asked when needed. */
  nodeEndpoints(): readonly string[];
}

type AwaitCall = ServerWritableStream<AwaitPairingMaterialRequest, PairingRequestStatus>;

export class PairingService {
  readonly #deps: PairingServiceDeps;
  readonly #daemon: DaemonFacts;
  readonly #waiting = new Set<AbortController>();

  constructor(deps: PairingServiceDeps, daemon: DaemonFacts) {
    this.#deps = deps;
    this.#daemon = daemon;
  }

  /** Ends every wait with DAEMON_STOPPING. */
  close(): void {
    for (const controller of this.#waiting) controller.abort(new PalyraError('DAEMON_STOPPING'));
  }

  get handlers(): PairingServiceServer {
    const { gate, desk, renewals, auditor, runtime, clock } = this.#deps;
    return {
      beginPairingSession: gate.unary(
        PairingServiceService.beginPairingSession.path,
        async (request, { connection }) => {
          const asked = {
            spki: request.publicKey,
            protocol: request.protocol ?? { min: 0, max: 0 },
            address: connection.address,
          };
          const told = () => ({ daemonTimeMs: clock.now(), daemonVersion: this.#daemon.version });
          switch (request.method) {
            case PairingMethod.PAIRING_METHOD_PIN_CODE:
              return { ...desk.beginPin(asked), daemonNonce: NOTHING, daemonProof: NOTHING, ...told() };
            case PairingMethod.PAIRING_METHOD_INVITE_CODE:
            case PairingMethod.PAIRING_METHOD_QR_TOKEN: {
              const { locator, nodeNonce } = request;
              const begun = await desk
                .begin({ ...asked, locator, nodeNonce })
                .catch((error: unknown) => this.#refused(error, connection.address));
              return { ...begun, nonceCommitment: NOTHING, ...told() };
            }
            default:
              throw new PalyraError('PROTOCOL_UNSUPPORTED', { detail: 'this way of pairing is not known here' });
          }
        },
      ),
      completePairingSession: gate.unary(
        PairingServiceService.completePairingSession.path,
        async (request, { connection }) => {
          if (request.facts === undefined) throw new PalyraError('MESSAGE_INVALID', { detail: 'facts are missing' });
          const completion = {
            sessionId: request.sessionId,
            possessionProof: request.possessionProof,
            requestedName: parseName(request.requestedName),
            facts: toFacts(request.facts),
            address: connection.address,
          };
          const target = { name: completion.requestedName ?? completion.facts.hostname };
          const attempted = fromStranger('CompletePairingSession', connection.address, target);
          let daemonNonce: Buffer = NOTHING;
          const approval = await auditor.around(attempted, async (attempt) => {
            const proven = { ...completion, onProven: () => attempt.begin() };
            let decided: JoinRecord;
            if (request.nodeNonce.length > 0) {
              const drawn = await desk.completePin({ ...proven, nodeNonce: request.nodeNonce });
              decided = drawn.approval;
              daemonNonce = drawn.daemonNonce;
            } else decided = await desk.complete({ ...proven, codeProof: request.codeProof });
            attempt.note({ request: decided.id, state: decided.state });
            if (decided.inviteId !== null) attempt.note({ invite: decided.inviteId });
            if (decided.nodeId !== null) attempt.note({ node: decided.nodeId });
            return decided;
          });
          return { status: toStatus(approval), daemonNonce };
        },
      ),
      getPairingRequestStatus: gate.unary(PairingServiceService.getPairingRequestStatus.path, async (request) => {
        const { id, state, expiresAt } = runtime.approval(request.requestId);
        await runtime.durable();
        return { requestId: id, state: STATES[state], expiresAtMs: expiresAt, message: '', material: undefined };
      }),
      renewDeviceCertificate: gate.unary(PairingServiceService.renewDeviceCertificate.path, (request, { connection }) =>
        renewals.renewByKey(request.deviceId, connection.address, request),
      ),
      awaitPairingMaterial: (call) => {
        this.#await(call).then(
          () => call.end(),
          (error: unknown) => call.emit('error', gate.toStatus(call.getPath(), error)),
        );
      },
    };
  }

  /** A begin changes nothing but the count of wrong codes: only its refusal is told, and the refusal stands if that fails. */
  async #refused(error: unknown, address: string): Promise<never> {
    const outcome = PalyraError.from(error).reason;
    const action = outcome === 'PAIRING_THROTTLED' ? 'pairing.throttled' : 'pairing.refused';
    await this.#deps.auditor
      .attempt(fromStranger(action, address, {}))
      .settle(outcome)
      .catch(() => undefined);
    throw error;
  }

  async #await(call: AwaitCall): Promise<void> {
    const { gate, desk, runtime } = this.#deps;
    gate.contextOf(call);
    const { requestId, signedAtMs, possessionProof } = call.request;
    let approval = desk.assertOwner({ requestId, signedAtMs, possessionProof });
    if (this.#waiting.size >= MAX_WAITING) throw new PalyraError('PAIRING_BUSY');
    const controller = new AbortController();
    const gone = () => controller.abort(new PalyraError('CANCELLED'));
    call.once('cancelled', gone);
    call.once('close', gone);
    this.#waiting.add(controller);
    try {
      while (!isFinal(approval)) {
        runtime.approvals.seen(requestId);
        call.write(toStatus(runtime.approval(requestId)));
        approval = await runtime.awaitApproval(requestId, { signal: controller.signal, timeoutMs: REPEAT_MS });
      }
      call.write({ ...toStatus(approval), material: this.#materialOf(approval) });
    } finally {
      this.#waiting.delete(controller);
    }
  }

  #materialOf(approval: JoinRecord): PairingMaterial | undefined {
    if (approval.state !== 'issued' || approval.nodeId === null || approval.certificate === null) return undefined;
    const { node, capabilities } = this.#deps.runtime.nodeDetails(approval.nodeId);
    return {
      deviceId: approval.nodeId,
      name: node.name,
      certificate: approval.certificate,
      trustBundle: [...this.#daemon.trustBundle()],
      nodeEndpoints: [...this.#daemon.nodeEndpoints()],
      grantedCapabilities: capabilities.filter(({ granted }) => granted).map(({ name }) => name),
      daemonName: this.#daemon.name,
    };
  }
}

const STRANGER: AuditActor = { kind: 'anonymous', name: '', credential: 'none' };

function fromStranger(action: string, address: string, target: AuditTarget): Attempted {
  return { actor: STRANGER, origin: { listener: 'public', address }, action, target };
}

function isFinal(approval: JoinRecord): boolean {
  return approval.state !== 'pending' && approval.state !== 'approved';
}

function toStatus(approval: JoinRecord): PairingRequestStatus {
  return {
    requestId: approval.id,
    state: STATES[approval.state],
    expiresAtMs: approval.expiresAt,
    message: wordsOf(approval),
    material: undefined,
  };
}

/** What the person at the machine is told: `by eva: "not ours"`. */
function wordsOf({ state, decidedBy, rejectReason }: JoinRecord): string {
  if (state !== 'rejected' && state !== 'withdrawn') return '';
  return `by ${decidedBy ?? 'the daemon'}${rejectReason === null ? '' : `: "${rejectReason}"`}`;
}

/** The name a machine wants; empty lets the invite or the host name decide. Throws REQUEST_INVALID. */
function parseName(name: string): string | null {
  if (name === '') return null;
  if (!NODE_NAME.test(name)) {
    throw new PalyraError('REQUEST_INVALID', {
      detail: 'the name must be 1 to 63 letters, digits, dots, dashes or underscores and start with a letter or digit',
    });
  }
  return name;
}
