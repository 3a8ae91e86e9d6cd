/**
 * The invites of the daemon, made durable: what operators do with them, and the codes that machines bring. The rules are in invites.ts.
 */
import type { RuntimeCore } from './core.js';
import { createInvite, evaluateLocator, revokeInvite, type NewInvite } from './invites.js';
import { callerName } from './caller-name.js';
import { assertReplaceable } from './replacement.js';
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

  /**
   * Makes an invite from a code's verifier. `replace` is the name or id of the node whose place the machine takes. Throws NAME_TAKEN, REQUEST_INVALID, and
   * with `replace` NODE_NOT_FOUND, NODE_AMBIGUOUS or REPLACED_NODE_ONLINE.
   */
  async create(
    caller: Caller,
    {
      replace,
      evenOnline = false,
      ...invite
    }: Omit<NewInvite, 'id'> & { readonly replace?: string | undefined; readonly evenOnline?: boolean },
  ): Promise<InviteRecord> {
    const core = this.#core;
    const old = replace === undefined ? null : core.registry.find(core.tables, replace);
    if (old !== null) assertReplaceable(core.nodeView(old), evenOnline);
    const tx = core.begin();
    const id = shortId('inv', core.tables.invites, core.deps.random);
    const replacement = old === null ? null : { old, evenOnline };
    const record = createInvite(tx, core.registry, callerName(caller), { ...invite, id, replacement });
    await core.commit(tx);
    return record;
  }

  list(): InviteView[] {
    const wall = this.#core.deps.clock.now();
    return [...this.#core.tables.invites.values()].map((invite) => this.#view(invite, wall));
  }

  /** Throws INVITE_NOT_FOUND. The prefix `inv_` may be left out. */
  view(id: string): InviteView {
    return this.#view(this.#invite(id), this.#core.deps.clock.now());
  }

  async revoke(_caller: Caller, id: string): Promise<{ invite: InviteView; changed: boolean }> {
    const tx = this.#core.begin();
    const { invite, changed } = revokeInvite(tx, this.#invite(id));
    await this.#core.commit(tx);
    return { invite: this.#view(invite, tx.now.wall), changed };
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

  #view(invite: InviteRecord, wall: number): InviteView {
    const { replaces } = invite;
    return toInviteView(invite, wall, replaces && this.#core.tables.nodes.get(replaces.nodeId)?.name);
  }

  #invite(id: string): InviteRecord {
    const invite = this.#core.tables.invites.get(id) ?? this.#core.tables.invites.get(`inv_${id.toUpperCase()}`);
    if (invite === undefined) throw new PalyraError('INVITE_NOT_FOUND', { detail: id });
    return invite;
  }
}
