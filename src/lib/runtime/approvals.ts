/**
 * The queue of what waits for a person, and the answers. The rules are in `pairing.ts`, `pin-requests.ts` and `login-requests.ts`; this class commits what
 * they decide.
 *
 * Always true: a request is answered once. The same answer again changes nothing and is no error; another answer is told who was first.
 */
import type { RuntimeCore } from './core.js';
import { assertNameFree, nameIn } from './join-names.js';
import { approveCapabilities, decline } from './grants.js';
import { approveLogin } from './login-requests.js';
import { approve, close, inviteOf, REQUEST_TTL_MS, type JoinAnswer } from './pairing.js';
import { refusalOfPin, requestByPin, type PinAnswer, type PinRequest } from './pin-requests.js';
import { placeNamedBy, takePlace } from './replacement.js';
import { shortId } from './short-id.js';
import type { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { NodeRecord } from '../base/model.js';
import type { ApprovalRecord, CapabilitiesRecord, JoinRecord, LoginRecord, ReplacedNode } from '../base/requests.js';

export interface ApproveAnswer extends JoinAnswer {
  /** Asked inside the decision, so that each try is counted against the PIN of that moment. */
  readonly pin: PinAnswer;
  /** Name or id of a node in whose place the machine comes: it hands over name, labels, purpose and grants, and is removed in the same step. */
  readonly replace?: string | undefined;
}

/** A login is never approved without its PIN. */
export interface ApproveLoginAnswer {
  readonly by: string;
  readonly pin: Exclude<PinAnswer, 'waived'>;
  /** Whom the program may act as. */
  readonly operator: { readonly id: string; readonly name: string };
}

export interface Answered<R extends ApprovalRecord = ApprovalRecord> {
  readonly approval: R;
  /** False when the same answer was given before. */
  readonly changed: boolean;
}

/** The shortest part of an id that is looked up. */
const MIN_PREFIX = 3;
/** That a machine still asks is written this often, not every time it is seen. */
const SEEN_EVERY_MS = 3_600_000;

export class Approvals {
  readonly #core: RuntimeCore;
  readonly #newDeviceId: () => string;

  constructor(core: RuntimeCore, newDeviceId: () => string) {
    this.#core = core;
    this.#newDeviceId = newDeviceId;
  }

  /** What waits, oldest first; with `all`, what was answered in the last day too. */
  list(options: { readonly all?: boolean } = {}): ApprovalRecord[] {
    const wall = this.#core.deps.clock.now();
    return [...this.#core.tables.approvals.values()]
      .filter((approval) => options.all === true || (approval.state === 'pending' && approval.expiresAt > wall))
      .sort((a, b) => a.requestedAt - b.requestedAt);
  }

  /** By id or the first characters of it, in any case, with or without `req_`. Throws APPROVAL_NOT_FOUND, also for several. */
  find(text: string): ApprovalRecord {
    const { approvals } = this.#core.tables;
    const short = text.replace(/^req_/i, '').toUpperCase();
    const exact = approvals.get(`req_${short}`);
    if (exact !== undefined) return exact;
    const alike =
      short.length < MIN_PREFIX ? [] : [...approvals.values()].filter(({ id }) => id.startsWith(`req_${short}`));
    // What waits is meant before what is over.
    const waiting = alike.filter(({ state }) => state === 'pending');
    const [only, ...others] = waiting.length > 0 ? waiting : alike;
    if (only === undefined) throw new PalyraError('APPROVAL_NOT_FOUND', { detail: text });
    if (others.length > 0) {
      const ids = [only, ...others].map(({ id }) => id.slice('req_'.length)).join(', ');
      throw new PalyraError('APPROVAL_NOT_FOUND', { detail: `"${text}" fits ${ids}` });
    }
    return only;
  }

  /** A machine asks without an invite; possession of its key was proven. Throws PAIRING_BUSY or PAIRING_THROTTLED. */
  async request(request: PinRequest, sourceOf: (address: string) => string): Promise<JoinRecord> {
    const core = this.#core;
    const tx = core.begin();
    const id = shortId('req', core.tables.approvals, core.deps.random);
    const approval = requestByPin(tx, { ...core.pairing(), sourceOf }, id, request);
    await core.commit(tx);
    return approval;
  }

  /** The machine is connected and still asks: its day begins anew. One whose time was over already stays so. */
  seen(id: string): void {
    const core = this.#core;
    const approval = core.tables.approvals.get(id);
    const tx = core.begin();
    const expiresAt = tx.now.wall + REQUEST_TTL_MS;
    if (approval?.kind !== 'join' || approval.state !== 'pending' || approval.expiresAt <= tx.now.wall) return;
    if (approval.expiresAt + SEEN_EVERY_MS > expiresAt) return;
    tx.set('approvals', id, { expiresAt });
    core.commitInBackground(tx, 'that a machine still asks');
  }

  /** The node whose place it took; while it waits, the one its invite names, else the one that has the name it asks for. */
  replaces(approval: JoinRecord): ReplacedNode | null {
    if (approval.state !== 'pending') return approval.replaced ?? null;
    const { registry, tables } = this.#core;
    const meant = inviteOf(tables, approval)?.replaces;
    const holder =
      meant === undefined
        ? registry.byName(tables, approval.requestedName ?? approval.facts.hostname)
        : (tables.nodes.get(meant.nodeId) ?? null);
    return holder === null ? null : this.#core.pairing().removal.describe(holder);
  }

  /** Whether yes alone puts it into the place of another node. */
  takesPlace(approval: JoinRecord): boolean {
    return approval.state === 'pending' && inviteOf(this.#core.tables, approval)?.replaces !== undefined;
  }

  /**
   * A person says yes; the certificate is signed in the same durable step. Throws PIN_REQUIRED, PIN_WRONG (counted durably before it is thrown),
   * ALREADY_DECIDED, NAME_TAKEN, CAPABILITY_NOT_FOUND, and of whom it replaces NODE_NOT_FOUND, NODE_AMBIGUOUS or INVITE_REFUSED (its place is taken).
   */
  async approve(id: string, answer: ApproveAnswer): Promise<Answered<JoinRecord>> {
    const core = this.#core;
    const approval = this.#find(id, 'join');
    if (approval.state === 'issued') return { approval, changed: false };
    const tx = core.begin();
    let replaced: NodeRecord | null = null;
    if (isOpen(approval, tx)) {
      const refusal = refusalOfPin(tx, core.pairing(), approval, answer.pin);
      if (refusal !== null) return this.#refuse(tx, refusal);
      assertAnnounced(approval, answer.only);
      replaced = this.#place(approval, answer.replace);
      const name = nameIn(approval, answer, replaced, inviteOf(core.tables, approval));
      assertNameFree(core.registry, approval, name, replaced);
    }
    const deviceId = this.#newDeviceId();
    if (replaced !== null) takePlace(tx, core.pairing(), approval, { old: replaced, nodeId: deviceId, by: answer.by });
    const approved = approve(tx, core.pairing(), approval, { ...answer, deviceId, replaced });
    await core.commit(tx);
    if (answer.pin === 'waived' && approval.pin !== undefined) {
      core.deps.log.warn('approved without the PIN', { request: approval.id, by: answer.by });
    }
    return { approval: approved, changed: true };
  }

  /** A person lets a program act as an operator. Throws PIN_REQUIRED, PIN_WRONG (counted durably before it is thrown) or ALREADY_DECIDED. */
  async approveLogin(id: string, answer: ApproveLoginAnswer): Promise<Answered<LoginRecord>> {
    const core = this.#core;
    const approval = this.#find(id, 'login');
    if (approval.grantedTo?.operatorId === answer.operator.id) return { approval, changed: false };
    const tx = core.begin();
    if (isOpen(approval, tx)) {
      const refusal = refusalOfPin(tx, core.pairing(), approval, answer.pin);
      if (refusal !== null) return this.#refuse(tx, refusal);
    }
    const approved = approveLogin(tx, core.pairing(), approval, answer);
    await core.commit(tx);
    return { approval: approved, changed: true };
  }

  /** A person lets a node do what it announces, or `only` some of it. Throws ALREADY_DECIDED or CAPABILITY_NOT_FOUND. */
  async approveCapabilities(
    id: string,
    answer: { readonly by: string; readonly only?: readonly string[] | undefined },
  ): Promise<Answered<CapabilitiesRecord>> {
    const core = this.#core;
    const approval = this.#find(id, 'capabilities');
    if (approval.state === 'approved' && (answer.only ?? approval.wants).join() === approval.wants.join()) {
      return { approval, changed: false };
    }
    const tx = core.begin();
    const approved = approveCapabilities(tx, core, approval, answer);
    await core.commit(tx);
    return { approval: approved, changed: true };
  }

  /** A person says no; the machine is told who and why. Throws ALREADY_DECIDED or APPROVAL_NOT_FOUND. */
  async reject(id: string, answer: { readonly by: string; readonly reason: string | null }): Promise<Answered> {
    const core = this.#core;
    const approval = this.find(id);
    if (approval.state === 'rejected') return { approval, changed: false };
    const tx = core.begin();
    const rejected = close(tx, core.pairing(), approval, { state: 'rejected', ...answer });
    if (approval.kind === 'capabilities') decline(tx, tx.tables.nodes.get(approval.nodeId)!, approval.wants);
    await core.commit(tx);
    return { approval: rejected, changed: true };
  }

  /** A wrong PIN is durable before it is refused. */
  async #refuse(tx: Transaction, refusal: PalyraError): Promise<never> {
    await this.#core.commit(tx);
    throw refusal;
  }

  #find<K extends ApprovalRecord['kind']>(id: string, kind: K): Extract<ApprovalRecord, { kind: K }> {
    const approval = this.find(id);
    if (approval.kind === kind) return approval as Extract<ApprovalRecord, { kind: K }>;
    throw new PalyraError('APPROVAL_NOT_FOUND', { detail: `${approval.id} is a request of another kind` });
  }

  /** Whose place the machine takes: by the answer, else by the invite it came with. */
  #place(approval: JoinRecord, named: string | undefined): NodeRecord | null {
    const { registry, tables } = this.#core;
    if (named !== undefined) return registry.find(tables, named);
    const replaces = inviteOf(tables, approval)?.replaces;
    return replaces === undefined ? null : placeNamedBy(tables, replaces);
  }
}

function isOpen(approval: ApprovalRecord, { now }: Transaction): boolean {
  return approval.state === 'pending' && approval.expiresAt > now.wall;
}

function assertAnnounced(approval: JoinRecord, only: readonly string[] | undefined): void {
  const unknown = only?.find((name) => !approval.facts.capabilities.some((capability) => capability.name === name));
  if (unknown !== undefined) {
    throw new PalyraError('CAPABILITY_NOT_FOUND', { detail: `the machine does not announce ${unknown}` });
  }
}
