/**
 * The invites of the daemon, made durable: what operators do with them, and the codes that machines bring. The rules are in invites.ts.
 */
import type { RuntimeCore } from './core.js';
import { createInvite, evaluateLocator, revokeInvite, type NewInvite } from './invites.js';
import { callerName } from './caller-name.js';
import { shortId } from './short-id.js';
import { toInviteView } from './views.js';
import type { WaitOptions } from './waiters.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, InviteRecord, InviteView } from '../base/model.js';

export class InviteBook {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Makes an invite from a code's verifier. Throws NAME_TAKEN or REQUEST_INVALID. */
  async create(caller: Caller, invite: Omit<NewInvite, 'id'>): Promise<InviteRecord> {
    const tx = this.#core.begin();
    const id = shortId('inv', this.#core.tables.invites, this.#core.deps.random);
    const record = createInvite(tx, this.#core.registry, callerName(caller), { ...invite, id });
    await this.#core.commit(tx);
    return record;
  }

  list(): InviteView[] {
    const wall = this.#core.deps.clock.now();
    return [...this.#core.tables.invites.values()].map((invite) => toInviteView(invite, wall));
  }

  /** Throws INVITE_NOT_FOUND. The prefix `inv_` may be left out. */
  view(id: string): InviteView {
    return toInviteView(this.#invite(id), this.#core.deps.clock.now());
  }

  async revoke(_caller: Caller, id: string): Promise<{ invite: InviteView; changed: boolean }> {
    const tx = this.#core.begin();
    const { invite, changed } = revokeInvite(tx, this.#invite(id));
    await this.#core.commit(tx);
    return { invite: toInviteView(invite, tx.now.wall), changed };
  }

  /** The invite when it changes, or as it is at the time-out. */
  async awaitChange(id: string, options: WaitOptions): Promise<InviteView> {
    const invite = this.#invite(id);
    await this.#core.waiters.wait(`invite:${invite.id}`, options);
    return this.view(invite.id);
  }

  /** The invite of a code. Throws INVITE_REFUSED (counted durably before it is thrown) or PAIRING_THROTTLED. */
  async evaluateLocator(request: {
    readonly locator: string;
    readonly address: string;
    readonly keyFingerprint: string;
  }): Promise<InviteRecord> {
    const tx = this.#core.begin();
    const result = evaluateLocator(tx, this.#core.pairing(), request);
    await this.#core.commit(tx);
    if (result instanceof PalyraError) throw result;
    return result;
  }

  #invite(id: string): InviteRecord {
    const invite = this.#core.tables.invites.get(id) ?? this.#core.tables.invites.get(`inv_${id.toUpperCase()}`);
    if (invite === undefined) throw new PalyraError('INVITE_NOT_FOUND', { detail: id });
    return invite;
  }
}
