/**
 * Logins that wait for a person, from the side of the program that asks: it asks, waits, and fetches what was decided. The rules are in `login-requests.ts`,
 * the answers in `approvals.ts`; this class commits.
 */
import type { RuntimeCore } from './core.js';
import { assertClaimable, requestLogin, spendLogin, type LoginRequest } from './login-requests.js';
import { shortId } from './short-id.js';
import { PalyraError } from '../base/errors.js';
import type { LoginRecord } from '../base/requests.js';

export class Logins {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Puts it into the queue; durable when it resolves. Throws LOGIN_THROTTLED or LOGIN_UNKNOWN. */
  async request(request: LoginRequest, sourceOf: (address: string) => string): Promise<LoginRecord> {
    const core = this.#core;
    const tx = core.begin();
    const id = shortId('req', core.tables.approvals, core.deps.random);
    const login = requestLogin(tx, { ...core.pairing(), sourceOf }, id, request);
    await core.commit(tx);
    return login;
  }

  /** By the id the program calls it by; a few thousand rows at most. Throws LOGIN_UNKNOWN. */
  find(loginId: string): LoginRecord {
    for (const approval of this.#core.tables.approvals.values()) {
      if (approval.kind === 'login' && approval.loginId === loginId) return approval;
    }
    throw new PalyraError('LOGIN_UNKNOWN');
  }

  /** The login once a person has answered, or as it is at the time-out; durable. Throws LOGIN_REJECTED, LOGIN_EXPIRED or LOGIN_UNKNOWN. */
  async awaitAnswer(
    { id }: LoginRecord,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<LoginRecord> {
    const core = this.#core;
    const before = this.#byId(id);
    const wall = core.deps.clock.now();
    if (before.state === 'pending' && before.expiresAt > wall && options.timeoutMs > 0) {
      const timeoutMs = Math.min(options.timeoutMs, before.expiresAt - wall);
      await core.waiters.wait(`approval:${id}`, { ...options, timeoutMs });
    }
    await core.deps.store.flushed();
    const login = this.#byId(id);
    assertClaimable(login, core.deps.clock.now());
    return login;
  }

  /** Spends an approved login: from now on it opens nothing, whatever becomes of the session. Durable when it resolves. Throws as `awaitAnswer`. */
  async spend({ id }: LoginRecord): Promise<LoginRecord> {
    const tx = this.#core.begin();
    const spent = spendLogin(tx, this.#byId(id));
    await this.#core.commit(tx);
    return spent;
  }

  #byId(id: string): LoginRecord {
    const login = this.#core.tables.approvals.get(id);
    if (login?.kind !== 'login') throw new PalyraError('LOGIN_UNKNOWN');
    return login;
  }
}
