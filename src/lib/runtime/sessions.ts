/**
 * Sessions: what a login leaves behind, until it is ended, unused for too long, or old.
 *
 *   browser  ends 30 minutes after its last use, 12 hours after it began
 *   cli      ends 7 days after its last use, 30 days after it began
 *
 * Always true: every login has a new id and secret; a session can do no more than its operator can now and no more than the token it began with; at most
 * 1,024 are kept, at most 64 of one operator, whose oldest one makes room.
 */
import { lowerRole, type SessionKind, type SessionRecord } from '../base/access.js';
import { toTimestamp } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, OperatorRole } from '../base/model.js';
import type { RuntimeCore } from './core.js';
import { endSessions, matchesSecret, newSecret, type LastUse } from './credentials.js';
import { shortId } from './short-id.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A browser is left open on desks; a terminal that asks for a login every morning teaches people to approve without looking. */
export const SESSION_LIMITS: Readonly<
  Record<SessionKind, { readonly idleMs: number; readonly absoluteMs: number; readonly saveUseEveryMs: number }>
> = {
  browser: { idleMs: 30 * MINUTE_MS, absoluteMs: 12 * HOUR_MS, saveUseEveryMs: 5 * MINUTE_MS },
  cli: { idleMs: 7 * DAY_MS, absoluteMs: 30 * DAY_MS, saveUseEveryMs: HOUR_MS },
};
export const MAX_SESSIONS = 1024;
export const MAX_SESSIONS_PER_OPERATOR = 64;

export interface NewSession {
  readonly operatorId: string;
  readonly kind: SessionKind;
  readonly by: SessionRecord['by'];
  /** The token it began with, or null. */
  readonly tokenId: string | null;
  readonly address: string;
  readonly client: string;
  /** A session that this one takes the place of; ended with it, if it is still there. */
  readonly replaces?: string | null;
}

export interface SessionView {
  readonly id: string;
  readonly kind: SessionKind;
  readonly operator: string;
  readonly role: OperatorRole;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly idleExpiresAt: string;
  readonly expiresAt: string;
  readonly address: string;
  readonly client: string;
  readonly by: SessionRecord['by'];
  readonly current: boolean;
}

export class Sessions {
  readonly #core: RuntimeCore;
  readonly #uses: LastUse;

  constructor(core: RuntimeCore, uses: LastUse) {
    this.#core = core;
    this.#uses = uses;
  }

  /** Durable when it resolves; the only time the secret is seen. Throws OPERATOR_NOT_FOUND (gone or disabled), TOKEN_REFUSED or ACCESS_FULL. */
  async open(o: NewSession): Promise<{ readonly secret: string; readonly session: SessionRecord }> {
    const { tables, deps } = this.#core;
    const operator = tables.operators.get(o.operatorId);
    if (operator?.state !== 'active') throw new PalyraError('OPERATOR_NOT_FOUND', { detail: o.operatorId });
    const token = o.tokenId === null ? null : tables.tokens.get(o.tokenId);
    if (token === undefined || (token !== null && token.operatorId !== o.operatorId)) {
      throw new PalyraError('TOKEN_REFUSED');
    }
    const tx = this.#core.begin();
    const now = tx.now.wall;
    endSessions(tx, (session) => session.id === o.replaces || !isLive(session, tables, this.#uses, now));
    this.#makeRoom(tx, o.operatorId);
    const { secret, secretHash } = newSecret(deps.random);
    const absolute = now + SESSION_LIMITS[o.kind].absoluteMs;
    const session: SessionRecord = {
      id: shortId('ses', tables.sessions, deps.random, 10),
      kind: o.kind,
      operatorId: o.operatorId,
      secretHash,
      createdAt: now,
      lastUsedAt: now,
      expiresAt: token === null ? absolute : Math.min(absolute, token.expiresAt),
      address: o.address,
      client: o.client,
      by: o.by,
      tokenId: o.tokenId,
    };
    tx.put('sessions', session.id, session);
    await this.#core.commit(tx);
    return { secret, session };
  }

  /** The live session of an id and its secret, counted as used; null for every other. */
  authenticate(
    id: string,
    secret: string,
  ): { readonly session: SessionRecord; readonly caller: OperatorCaller } | null {
    const { tables } = this.#core;
    const session = tables.sessions.get(id);
    const now = this.#core.deps.clock.now();
    if (session === undefined || !matchesSecret(session.secretHash, secret)) return null;
    if (!isLive(session, tables, this.#uses, now)) return null;
    this.#uses.touch(id, now);
    return { session, caller: callerOf(session, tables) };
  }

  /** Newest first, without those that are over. */
  list(): SessionRecord[] {
    const now = this.#core.deps.clock.now();
    return [...this.#core.tables.sessions.values()]
      .filter((session) => isLive(session, this.#core.tables, this.#uses, now))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  find(id: string): SessionRecord | null {
    return this.#core.tables.sessions.get(id) ?? null;
  }

  /** The number of sessions that ended; durable when it resolves. */
  async end(which: (session: SessionRecord) => boolean): Promise<number> {
    const tx = this.#core.begin();
    const ended = endSessions(tx, which);
    if (ended > 0) await this.#core.commit(tx);
    return ended;
  }

  view(session: SessionRecord, currentId: string | null): SessionView {
    const { name, role } = callerOf(session, this.#core.tables);
    const usedAt = this.#uses.of(session);
    const idleAt = Math.min(usedAt + SESSION_LIMITS[session.kind].idleMs, session.expiresAt);
    return {
      id: session.id,
      kind: session.kind,
      operator: name,
      role,
      createdAt: timestamp(session.createdAt),
      lastUsedAt: timestamp(usedAt),
      idleExpiresAt: timestamp(idleAt),
      expiresAt: timestamp(session.expiresAt),
      address: session.address,
      client: session.client,
      by: session.by,
      current: session.id === currentId,
    };
  }

  #makeRoom(tx: Transaction, operatorId: string): void {
    const { sessions } = tx.tables;
    const own = [...sessions.values()].filter((session) => session.operatorId === operatorId);
    if (own.length < MAX_SESSIONS_PER_OPERATOR && sessions.size < MAX_SESSIONS) return;
    const oldest = own.reduce<SessionRecord | null>(
      (first, session) => (first === null || session.createdAt < first.createdAt ? session : first),
      null,
    );
    if (oldest === null) throw new PalyraError('ACCESS_FULL', { detail: `${MAX_SESSIONS} sessions` });
    endSessions(tx, ({ id }) => id === oldest.id);
  }
}

export type OperatorCaller = Extract<Caller, { kind: 'operator' }>;

/** Whether a session is neither old, nor unused for too long, nor without an operator or the token it began with. */
export function isLive(session: SessionRecord, tables: Tables, uses: LastUse, now: number): boolean {
  if (session.expiresAt <= now || uses.of(session) + SESSION_LIMITS[session.kind].idleMs <= now) return false;
  if (tables.operators.get(session.operatorId)?.state !== 'active') return false;
  return session.tokenId === null || (tables.tokens.get(session.tokenId)?.expiresAt ?? 0) > now;
}

function callerOf(session: SessionRecord, tables: Tables): OperatorCaller {
  const operator = tables.operators.get(session.operatorId);
  const token = session.tokenId === null ? null : tables.tokens.get(session.tokenId);
  if (operator === undefined || token === undefined) throw new PalyraError('SESSION_ENDED');
  return {
    kind: 'operator',
    name: operator.name,
    role: token === null ? operator.role : lowerRole(operator.role, token.maxRole),
    credential: session.id,
    operatorId: operator.id,
    scopes: token?.scopes ?? null,
  };
}

function timestamp(ms: number): string {
  return toTimestamp(ms) ?? '';
}
