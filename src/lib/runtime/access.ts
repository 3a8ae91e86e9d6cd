/**
 * Who may do what: operators, their sessions and tokens, and how often a login is looked at. Durable like everything else, and decided here only; how a
 * credential travels is the listeners' business.
 *
 * Always true: records hold no secret; a credential is worth what its operator may do now; whatever is ended, by a person or by time, is refused at once and
 * told to `onEnded` when that is durable.
 */
import type { OperatorRecord, SessionRecord } from '../base/access.js';
import { PalyraError } from '../base/errors.js';
import type { Caller } from '../base/model.js';
import type { RuntimeCore } from './core.js';
import { endSessions, endTokens, LastUse } from './credentials.js';
import { forgetLoginTries, takeLoginTry } from './login-throttle.js';
import { Operators, OWNER_OPERATOR_ID } from './operators.js';
import { isLive, SESSION_LIMITS, Sessions, type NewSession } from './sessions.js';
import { TOKEN_SAVE_USE_EVERY_MS, Tokens } from './tokens.js';
import type { Transaction } from './transaction.js';

/** Rows of full buckets are looked for this often. */
const FORGET_TRIES_EVERY_MS = 60_000;

export class Access {
  readonly operators: Operators;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly #core: RuntimeCore;
  readonly #uses = new LastUse();
  #forgetTriesAt = 0;

  constructor(core: RuntimeCore) {
    this.#core = core;
    this.operators = new Operators(core);
    this.sessions = new Sessions(core, this.#uses);
    this.tokens = new Tokens(core, this.#uses);
  }

  /** Part of the start of the runtime. */
  begin(tx: Transaction): void {
    this.operators.begin(tx, this.#core.options.ownerName);
  }

  /** `Sessions.open`. */
  openSession(o: NewSession): Promise<{ readonly secret: string; readonly session: SessionRecord }> {
    return this.sessions.open(o);
  }

  /** By id, or by name without case. Throws OPERATOR_NOT_FOUND. */
  findOperator(nameOrId: string): OperatorRecord {
    return this.operators.find(nameOrId);
  }

  /** The operator behind a caller; the local socket is the operator that the daemon belongs to. Throws UNAUTHENTICATED for who is none. */
  operatorOf(caller: Caller): OperatorRecord {
    if (caller.kind === 'owner') return this.operators.find(OWNER_OPERATOR_ID);
    const operator = caller.kind === 'operator' ? this.#core.tables.operators.get(caller.operatorId ?? '') : undefined;
    if (operator === undefined) throw new PalyraError('UNAUTHENTICATED');
    return operator;
  }

  /**
   * Counts a try to log in; durable when it resolves, so only then it may be evaluated. `account` is the name that was given, null where there is none.
   * Throws LOGIN_THROTTLED (nothing is written then) or a storage reason.
   */
  async countLoginTry(o: { readonly account: string | null; readonly source: string }): Promise<void> {
    const tx = this.#core.begin();
    const retryAfterMs = takeLoginTry(tx, { ...o, account: o.account?.toLowerCase() ?? null });
    if (retryAfterMs > 0) throw new PalyraError('LOGIN_THROTTLED', { details: { retryAfterMs } });
    await this.#core.commit(tx);
  }

  /** Calls `listener` with the ids of sessions and tokens that are over; the returned function ends that. */
  onEnded(listener: (credentials: ReadonlySet<string>) => void): () => void {
    this.#core.endedListeners.add(listener);
    return () => this.#core.endedListeners.delete(listener);
  }

  /** Part of upkeep, once a second: ends what is over by time and saves when credentials were last used. */
  sweep(tx: Transaction): void {
    const { wall, mono } = tx.now;
    if (!this.#core.deps.store.status().accepting) {
      this.#tellOver(tx);
      return;
    }
    endTokens(tx, ({ expiresAt }) => expiresAt <= wall);
    endSessions(tx, (session) => !isLive(session, tx.tables, this.#uses, wall));
    for (const [id, at] of this.#uses.entries()) this.#save(tx, id, at);
    if (mono < this.#forgetTriesAt) return;
    this.#forgetTriesAt = mono + FORGET_TRIES_EVERY_MS;
    forgetLoginTries(tx);
  }

  /** Before the last snapshot: a restart forgets no use. */
  saveUse(): void {
    const tx = this.#core.begin();
    for (const [id, lastUsedAt] of this.#uses.entries()) {
      if (tx.tables.sessions.has(id)) tx.setVolatile('sessions', id, { lastUsedAt });
      if (tx.tables.tokens.has(id)) tx.setVolatile('tokens', id, { lastUsedAt });
    }
  }

  /** What is over is refused, but to write that while the disk is full would be refused itself. It is told again until it is written. */
  #tellOver({ tables, now: { wall } }: Transaction): void {
    const over = [
      ...[...tables.tokens.values()].filter(({ expiresAt }) => expiresAt <= wall),
      ...[...tables.sessions.values()].filter((session) => !isLive(session, tables, this.#uses, wall)),
    ];
    const ended = new Set(over.map(({ id }) => id));
    if (ended.size > 0) for (const listener of this.#core.endedListeners) listener(ended);
  }

  #save(tx: Transaction, id: string, lastUsedAt: number): void {
    const session = tx.tables.sessions.get(id);
    const token = tx.tables.tokens.get(id);
    if (session !== undefined) {
      const { saveUseEveryMs } = SESSION_LIMITS[session.kind];
      if (lastUsedAt - session.lastUsedAt >= saveUseEveryMs) tx.set('sessions', id, { lastUsedAt });
    } else if (token !== undefined) {
      if (lastUsedAt - (token.lastUsedAt ?? 0) >= TOKEN_SAVE_USE_EVERY_MS) tx.set('tokens', id, { lastUsedAt });
    } else this.#uses.forget(id);
  }
}
