/**
 * The queue of what waits for a person, and the answers. The rules are in `pairing.ts` and `pin-requests.ts`; this class commits what they decide.
 *
 * Always true: a request is answered once. The same answer again changes nothing and is no error; another answer is told who was first.
 */
import type { RuntimeCore } from './core.js';
import { approve, close } from './pairing.js';
import { countWrongPin, requestByPin, type PinRequest } from './pin-requests.js';
import { shortId } from './short-id.js';
import { PalyraError } from '../base/errors.js';
import type { ApprovalRecord, PinVerifier } from '../base/model.js';

export interface ApproveAnswer {
  /** Who answers. */
  readonly by: string;
  /**
   * Whether the PIN that was typed is the one kept; asked inside the decision, so that each try is counted against the PIN of that moment.
   * `waived`: the owner takes responsibility without it. Null: none was given.
   */
  readonly pin: ((verifier: PinVerifier) => boolean) | 'waived' | null;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Grants only these of what the machine announces. */
  readonly only?: readonly string[] | undefined;
}

export interface Answered {
  readonly approval: ApprovalRecord;
  /** False when the same answer was given before. */
  readonly changed: boolean;
}

/** The shortest part of an id that is looked up. */
const MIN_PREFIX = 3;

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
  async request(request: PinRequest, sourceOf: (address: string) => string): Promise<ApprovalRecord> {
    const core = this.#core;
    const tx = core.begin();
    const id = shortId('req', core.tables.approvals, core.deps.random);
    const approval = requestByPin(tx, { ...core.pairing(), sourceOf }, id, request);
    await core.commit(tx);
    return approval;
  }

  /**
   * A person says yes; the certificate is signed in the same durable step. Throws PIN_REQUIRED, PIN_WRONG (counted durably before it is thrown),
   * ALREADY_DECIDED, NAME_TAKEN, CAPABILITY_NOT_FOUND or APPROVAL_NOT_FOUND.
   */
  async approve(id: string, answer: ApproveAnswer): Promise<Answered> {
    const core = this.#core;
    const approval = this.find(id);
    if (approval.state === 'issued') return { approval, changed: false };
    const tx = core.begin();
    const pending = approval.state === 'pending' && approval.expiresAt > tx.now.wall;
    if (pending && approval.pin !== undefined && answer.pin !== 'waived') {
      if (answer.pin === null) throw new PalyraError('PIN_REQUIRED');
      if (!answer.pin(approval.pin)) {
        const refusal = countWrongPin(tx, core.pairing(), approval);
        await core.commit(tx);
        throw refusal;
      }
    }
    if (pending) assertAnnounced(approval, answer.only);
    const approved = approve(tx, core.pairing(), approval, {
      deviceId: this.#newDeviceId(),
      by: answer.by,
      ...(answer.name === undefined ? {} : { name: answer.name }),
      ...(answer.labels === undefined ? {} : { labels: answer.labels }),
      ...(answer.only === undefined ? {} : { only: answer.only }),
    });
    await core.commit(tx);
    if (answer.pin === 'waived' && approval.pin !== undefined) {
      core.deps.log.warn('approved without the PIN', { request: approval.id, by: answer.by });
    }
    return { approval: approved, changed: true };
  }

  /** A person says no; the machine is told who and why. Throws ALREADY_DECIDED or APPROVAL_NOT_FOUND. */
  async reject(id: string, answer: { readonly by: string; readonly reason: string | null }): Promise<Answered> {
    const core = this.#core;
    const approval = this.find(id);
    if (approval.state === 'rejected') return { approval, changed: false };
    const tx = core.begin();
    const rejected = close(tx, core.pairing(), approval, { state: 'rejected', ...answer });
    await core.commit(tx);
    return { approval: rejected, changed: true };
  }
}

function assertAnnounced(approval: ApprovalRecord, only: readonly string[] | undefined): void {
  const unknown = only?.find((name) => !approval.facts.capabilities.some((capability) => capability.name === name));
  if (unknown !== undefined) {
    throw new PalyraError('CAPABILITY_NOT_FOUND', { detail: `the machine does not announce ${unknown}` });
  }
}
