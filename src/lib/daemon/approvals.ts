/**
 * The approvals queue as operators meet it: who may waive a PIN, how a typed PIN is checked, what a request looks like. Decisions are the runtime's.
 */
import { toTimestamp } from '../base/clock.js';
import { PalyraError, type Reason } from '../base/errors.js';
import type { ApprovalRecord, ApprovalView, Caller } from '../base/model.js';
import { humanFingerprint } from '../identity/codes.js';
import { matchesPin, parsePin } from '../base/pairing-pin.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { ParsedBody, ParsedQuery } from '../wire/http/schemas.js';

type ApprovalRuntime = Pick<NodeRuntime, 'approvals' | 'durable' | 'nodeDetails' | 'inviteView'>;

export class ApprovalDesk {
  readonly #runtime: ApprovalRuntime;

  constructor(runtime: ApprovalRuntime) {
    this.#runtime = runtime;
  }

  async list(query: ParsedQuery<'approvals.list'>): Promise<{ requests: ApprovalView[] }> {
    const requests = this.#runtime.approvals.list({ all: query.all === 'true' }).map((record) => this.#view(record));
    await this.#runtime.durable();
    return { requests };
  }

  /** Throws APPROVAL_NOT_FOUND. */
  async show(id: string): Promise<{ request: ApprovalView }> {
    const request = this.#view(this.#runtime.approvals.find(id));
    await this.#runtime.durable();
    return { request };
  }

  /** Throws PERMISSION_DENIED when somebody else than the owner waives the PIN, PIN_MALFORMED, and everything `Approvals.approve` throws. */
  async approve(caller: Caller, id: string, body: ParsedBody<'approvals.approve'>) {
    const { pin, noPin, name, labels, only } = body;
    if (noPin && caller.kind !== 'owner') {
      throw new PalyraError('PERMISSION_DENIED', { detail: 'only the owner approves without the PIN' });
    }
    const typed = pin === undefined ? null : parsePin(pin);
    const check = typed === null ? null : (verifier: Parameters<typeof matchesPin>[0]) => matchesPin(verifier, typed);
    const { approval, changed } = await this.#runtime.approvals.approve(id, {
      by: nameOf(caller),
      pin: noPin ? 'waived' : check,
      name,
      labels,
      only,
    });
    const { nodeId } = approval;
    const node = nodeId === null ? null : unless('NODE_NOT_FOUND', () => this.#runtime.nodeDetails(nodeId).node);
    return { ...this.#answer(approval), decision: 'approved' as const, changed, node };
  }

  /** Throws ALREADY_DECIDED or APPROVAL_NOT_FOUND. */
  async reject(caller: Caller, id: string, body: ParsedBody<'approvals.reject'>) {
    const answer = { by: nameOf(caller), reason: body.reason ?? null };
    const { approval, changed } = await this.#runtime.approvals.reject(id, answer);
    return { ...this.#answer(approval), decision: 'rejected' as const, changed };
  }

  #answer(approval: ApprovalRecord) {
    return {
      request: this.#view(approval),
      decidedBy: approval.decidedBy ?? '',
      decidedAt: toTimestamp(approval.decidedAt) ?? '',
    };
  }

  #view(approval: ApprovalRecord): ApprovalView {
    const { facts, inviteId } = approval;
    const invite = inviteId === null ? null : unless('INVITE_NOT_FOUND', () => this.#runtime.inviteView(inviteId));
    return {
      id: approval.id,
      kind: approval.kind,
      state: approval.state,
      subject: {
        name: approval.requestedName ?? facts.hostname,
        hostname: facts.hostname,
        platform: facts.platform,
        arch: facts.arch,
        version: facts.version,
        address: approval.address,
        keyWords: humanFingerprint(Buffer.from(approval.publicKey, 'base64')),
        purpose: invite?.purpose ?? null,
      },
      wants: facts.capabilities.map(({ name }) => name),
      replaces: null,
      requestedAt: timestamp(approval.requestedAt),
      expiresAt: timestamp(approval.expiresAt),
      answerableHere: true,
      pinRequired: approval.pin !== undefined,
      decidedAt: toTimestamp(approval.decidedAt),
      decidedBy: approval.decidedBy,
      reason: approval.rejectReason,
      nodeId: approval.nodeId,
    };
  }
}

/** Null for what was removed or forgotten since. */
function unless<T>(gone: Reason, find: () => T): T | null {
  try {
    return find();
  } catch (error) {
    if (PalyraError.from(error).reason === gone) return null;
    throw error;
  }
}

function nameOf(caller: Caller): string {
  return caller.kind === 'owner' || caller.kind === 'operator' ? caller.name : caller.kind;
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
