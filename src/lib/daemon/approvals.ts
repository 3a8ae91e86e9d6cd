/**
 * The approvals queue as operators meet it: who may answer what, how a typed PIN is checked, what a request looks like. Decisions are the runtime's.
 *
 * Always true: a machine is let in by an approver or the owner; a program is logged in as whoever approves it, and as somebody else by the owner only; never
 * without its PIN, and never by a credential that is limited, because the session would not be.
 */
import type { OperatorRecord } from '../base/access.js';
import { toTimestamp, type Clock } from '../base/clock.js';
import { PalyraError, type Reason } from '../base/errors.js';
import type { Caller } from '../base/model.js';
import type { ApprovalRecord, ApprovalView, CapabilitiesRecord, JoinRecord, LoginRecord } from '../base/requests.js';
import { humanFingerprint } from '../identity/codes.js';
import { matchesPin, parsePin } from '../base/pairing-pin.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { ParsedBody, ParsedQuery } from '../wire/http/schemas.js';
import { MachineQuestions } from './machine-questions.js';
import { assertAllowed, isOwner } from './policy.js';

type ApprovalRuntime = Pick<NodeRuntime, 'access' | 'approvals' | 'durable' | 'nodeDetails' | 'invites' | 'overview'>;

interface Approved {
  readonly record: ApprovalRecord;
  readonly changed: boolean;
}

export class ApprovalDesk {
  readonly #runtime: ApprovalRuntime;
  readonly #atMachines: MachineQuestions;

  constructor(runtime: ApprovalRuntime, clock: Pick<Clock, 'now'>) {
    this.#runtime = runtime;
    this.#atMachines = new MachineQuestions(runtime, clock);
  }

  /** What waits for an answer, here or at a machine; oldest first. */
  async list(caller: Caller, query: ParsedQuery<'approvals.list'>): Promise<{ requests: ApprovalView[] }> {
    const here = this.#runtime.approvals.list({ all: query.all === 'true' }).map((record) => this.#view(record));
    const requests = [...here, ...this.#atMachines.list(caller)].sort(
      (a, b) => Date.parse(a.requestedAt) - Date.parse(b.requestedAt),
    );
    await this.#runtime.durable();
    return { requests };
  }

  /** Throws APPROVAL_NOT_FOUND. */
  async show(caller: Caller, id: string): Promise<{ request: ApprovalView }> {
    const request = this.#atMachines.find(caller, id) ?? this.#view(this.#runtime.approvals.find(id));
    await this.#runtime.durable();
    return { request };
  }

  /**
   * Throws ANSWERED_AT_MACHINE, PERMISSION_DENIED when the caller may not answer so, PIN_MALFORMED, OPERATOR_NOT_FOUND, and everything that `Approvals.approve` and
   * `Approvals.approveLogin` throw.
   */
  async approve(caller: Caller, id: string, body: ParsedBody<'approvals.approve'>) {
    this.#atMachines.assertNot(caller, id);
    const approval = this.#runtime.approvals.find(id);
    const { record, changed } = await this.#approveAs(caller, approval, body);
    const nodeId = record.kind === 'login' ? null : record.nodeId;
    const node = nodeId === null ? null : unless('NODE_NOT_FOUND', () => this.#runtime.nodeDetails(nodeId).node);
    return { ...this.#answer(record), decision: 'approved' as const, changed, node };
  }

  /** Throws ANSWERED_AT_MACHINE, PERMISSION_DENIED, ALREADY_DECIDED or APPROVAL_NOT_FOUND. */
  async reject(caller: Caller, id: string, body: ParsedBody<'approvals.reject'>) {
    this.#atMachines.assertNot(caller, id);
    const asked = this.#runtime.approvals.find(id);
    const isOwn = asked.kind === 'login' && asked.operator !== null && this.#isOwnName(caller, asked.operator);
    assertAllowed(caller, isOwn ? 'viewer' : 'approver');
    const answer = { by: nameOf(caller), reason: body.reason ?? null };
    const { approval, changed } = await this.#runtime.approvals.reject(asked.id, answer);
    return { ...this.#answer(approval), decision: 'rejected' as const, changed };
  }

  #approveAs(caller: Caller, asked: ApprovalRecord, body: ParsedBody<'approvals.approve'>): Promise<Approved> {
    switch (asked.kind) {
      case 'join':
        return this.#approveJoin(caller, asked, body);
      case 'login':
        return this.#approveLogin(caller, asked, body);
      case 'capabilities':
        return this.#approveCapabilities(caller, asked, body);
    }
  }

  async #approveCapabilities(caller: Caller, asked: CapabilitiesRecord, body: ParsedBody<'approvals.approve'>) {
    const { only, ...others } = body;
    assertAllowed(caller, 'approver');
    const [given] = Object.entries(others).filter(([, value]) => value !== undefined && value !== false);
    if (given !== undefined) {
      throw new PalyraError('REQUEST_INVALID', { detail: `${given[0]}: a node that wants more is only granted it` });
    }
    const answer = { by: nameOf(caller), only };
    const { approval, changed } = await this.#runtime.approvals.approveCapabilities(asked.id, answer);
    return { record: approval, changed };
  }

  async #approveJoin(caller: Caller, asked: JoinRecord, body: ParsedBody<'approvals.approve'>) {
    const { pin, noPin, as, ...join } = body;
    assertAllowed(caller, 'approver');
    if (noPin && !isOwner(caller)) {
      throw new PalyraError('PERMISSION_DENIED', { detail: 'only the owner approves without the PIN' });
    }
    if (as !== undefined) throw new PalyraError('REQUEST_INVALID', { detail: 'only a login is approved as somebody' });
    const answer = { ...join, by: nameOf(caller), pin: noPin ? ('waived' as const) : checkOf(pin) };
    const { approval, changed } = await this.#runtime.approvals.approve(asked.id, answer);
    return { record: approval, changed };
  }

  async #approveLogin(caller: Caller, asked: LoginRecord, body: ParsedBody<'approvals.approve'>) {
    const { pin, noPin, as, ...join } = body;
    const operator = this.#whom(caller, asked, as);
    if (noPin) throw new PalyraError('PERMISSION_DENIED', { detail: 'a login is never approved without its PIN' });
    const [given] = Object.entries(join).filter(([, value]) => value !== undefined);
    if (given !== undefined) {
      throw new PalyraError('REQUEST_INVALID', { detail: `${given[0]}: only a machine that joins is given that` });
    }
    const answer = { by: nameOf(caller), pin: checkOf(pin), operator };
    const { approval, changed } = await this.#runtime.approvals.approveLogin(asked.id, answer);
    return { record: approval, changed };
  }

  /** Whom the program may act as, if this caller says so. */
  #whom(caller: Caller, asked: LoginRecord, as: string | undefined): OperatorRecord {
    assertAllowed(caller, 'viewer');
    if (caller.kind === 'operator' && (caller.scopes ?? null) !== null) {
      throw new PalyraError('PERMISSION_DENIED', {
        detail: 'a token lets nobody log in: the session could do more than the token',
      });
    }
    const named = as ?? asked.operator;
    if (named === null || this.#isOwnName(caller, named))
      return assertMatches(asked, this.#runtime.access.operatorOf(caller));
    if (!isOwner(caller)) {
      throw new PalyraError('PERMISSION_DENIED', { detail: `only ${named} or the owner approves a login as ${named}` });
    }
    const operator = assertMatches(asked, this.#runtime.access.findOperator(named));
    if (operator.state === 'active') return operator;
    throw new PalyraError('OPERATOR_NOT_FOUND', { detail: `${operator.name} is disabled` });
  }

  #isOwnName(caller: Caller, name: string): boolean {
    return isSameName(this.#runtime.access.operatorOf(caller).name, name);
  }

  #answer(approval: ApprovalRecord) {
    return {
      request: this.#view(approval),
      decidedBy: approval.decidedBy ?? '',
      decidedAt: toTimestamp(approval.decidedAt) ?? '',
    };
  }

  #view(approval: ApprovalRecord): ApprovalView {
    return {
      id: approval.id,
      kind: approval.kind,
      state: approval.state,
      ...this.#facts(approval),
      takesPlace: approval.kind === 'join' && this.#runtime.approvals.takesPlace(approval),
      requestedAt: timestamp(approval.requestedAt),
      expiresAt: timestamp(approval.expiresAt),
      asked: null,
      answerableHere: true,
      pinRequired: approval.pin !== undefined,
      decidedAt: toTimestamp(approval.decidedAt),
      decidedBy: approval.decidedBy,
      reason: approval.rejectReason,
    };
  }

  #facts(approval: ApprovalRecord) {
    if (approval.kind === 'join') return this.#joinFacts(approval);
    return approval.kind === 'login' ? loginFacts(approval) : this.#nodeFacts(approval);
  }

  #nodeFacts({ nodeId, wants, address }: CapabilitiesRecord) {
    const node = unless('NODE_NOT_FOUND', () => this.#runtime.nodeDetails(nodeId).node);
    const { name = nodeId, hostname = '', platform = '', arch = '', version = '', purpose = null } = node ?? {};
    const subject = { name, hostname, platform, arch, version, address, keyWords: '', purpose };
    return { subject, operator: null, wants: [...wants], replaces: null, nodeId };
  }

  #joinFacts(approval: JoinRecord) {
    const { facts, inviteId } = approval;
    const invite = inviteId === null ? null : unless('INVITE_NOT_FOUND', () => this.#runtime.invites.view(inviteId));
    const replaces = this.#runtime.approvals.replaces(approval);
    return {
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
      operator: null,
      wants: facts.capabilities.map(({ name }) => name),
      replaces: replaces === null ? null : { ...replaces, lastSeenAt: toTimestamp(replaces.lastSeenAt) },
      nodeId: approval.nodeId,
    };
  }
}

function loginFacts({ client, address, grantedTo, operator }: LoginRecord) {
  return {
    subject: { name: client.hostname, ...client, address, keyWords: '', purpose: null },
    operator: grantedTo?.name ?? operator,
    wants: [],
    replaces: null,
    nodeId: null,
  };
}

/** Whoever approves cannot make it somebody else's login than the one that was asked for. */
function assertMatches(asked: LoginRecord, operator: OperatorRecord): OperatorRecord {
  if (asked.operator === null || isSameName(asked.operator, operator.name)) return operator;
  throw new PalyraError('REQUEST_INVALID', { detail: `the program asks to be logged in as ${asked.operator}` });
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function checkOf(pin: string | undefined) {
  const typed = pin === undefined ? null : parsePin(pin);
  return typed === null ? null : (verifier: Parameters<typeof matchesPin>[0]) => matchesPin(verifier, typed);
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
