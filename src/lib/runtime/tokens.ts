/**
 * Tokens: what a program shows instead of logging in. A token acts for its operator, with the scopes it was given and with the lower one of two roles:
 * the operator's present one and the one its maker had. So it never does more than its operator may, nor more than its maker could.
 */
import { holdsScope, lowerRole, type GrantedScope, type TokenRecord } from '../base/access.js';
import { toTimestamp } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Caller } from '../base/model.js';
import { callerName } from './caller-name.js';
import type { RuntimeCore } from './core.js';
import { endTokens, matchesSecret, newSecret, type LastUse } from './credentials.js';
import type { OperatorCaller } from './sessions.js';
import { shortId } from './short-id.js';

export const MAX_TOKENS = 1000;
/** A secret that lives for longer is one that nobody remembers. */
export const MAX_TOKEN_LIFE_MS = 365 * 86_400_000;
/** How much newer the last use must be to be written. */
export const TOKEN_SAVE_USE_EVERY_MS = 3_600_000;

export interface NewToken {
  readonly name: string;
  /** Whom it acts for. */
  readonly operatorId: string;
  readonly scopes: readonly GrantedScope[];
  readonly expiresInMs: number;
}

export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly operator: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string;
  readonly lastUsedAt: string | null;
  readonly state: 'active' | 'expired';
}

export class Tokens {
  readonly #core: RuntimeCore;
  readonly #uses: LastUse;

  constructor(core: RuntimeCore, uses: LastUse) {
    this.#core = core;
    this.#uses = uses;
  }

  /** Durable when it resolves; the only time the secret is seen. Throws SCOPE_MISSING, OPERATOR_NOT_FOUND, REQUEST_INVALID or ACCESS_FULL. */
  async create(caller: Caller, o: NewToken): Promise<{ readonly secret: string; readonly token: TokenRecord }> {
    const { tables, deps } = this.#core;
    const { role, scopes } = rightsOf(caller);
    const missing = o.scopes.find((scope) => !holdsScope(scopes, scope));
    if (missing !== undefined) throw new PalyraError('SCOPE_MISSING', { detail: missing, details: { scope: missing } });
    if (tables.operators.get(o.operatorId)?.state !== 'active') {
      throw new PalyraError('OPERATOR_NOT_FOUND', { detail: o.operatorId });
    }
    if (!(o.expiresInMs > 0 && o.expiresInMs <= MAX_TOKEN_LIFE_MS)) {
      throw new PalyraError('REQUEST_INVALID', { detail: 'a token lives for a year at most' });
    }
    const tx = this.#core.begin();
    const now = tx.now.wall;
    endTokens(tx, ({ expiresAt }) => expiresAt <= now);
    if (tables.tokens.size >= MAX_TOKENS) throw new PalyraError('ACCESS_FULL', { detail: `${MAX_TOKENS} tokens` });
    const { secret, secretHash } = newSecret(deps.random);
    const token: TokenRecord = {
      id: shortId('tok', tables.tokens, deps.random, 10),
      name: o.name,
      operatorId: o.operatorId,
      secretHash,
      scopes: [...new Set(o.scopes)].sort(),
      maxRole: role,
      createdAt: now,
      createdBy: callerName(caller),
      expiresAt: now + o.expiresInMs,
      lastUsedAt: null,
    };
    tx.put('tokens', token.id, token);
    await this.#core.commit(tx);
    return { secret, token };
  }

  /** The live token of an id and its secret, counted as used; null for every other. */
  authenticate(id: string, secret: string): { readonly token: TokenRecord; readonly caller: OperatorCaller } | null {
    const { tables, deps } = this.#core;
    const token = tables.tokens.get(id);
    if (token === undefined || !matchesSecret(token.secretHash, secret)) return null;
    const operator = tables.operators.get(token.operatorId);
    const now = deps.clock.now();
    if (token.expiresAt <= now || operator?.state !== 'active') return null;
    this.#uses.touch(id, now);
    const caller: OperatorCaller = {
      kind: 'operator',
      name: operator.name,
      role: lowerRole(operator.role, token.maxRole),
      credential: token.id,
      operatorId: operator.id,
      scopes: token.scopes,
    };
    return { token, caller };
  }

  /** Newest first. */
  list(): TokenRecord[] {
    return [...this.#core.tables.tokens.values()].sort((a, b) => b.createdAt - a.createdAt);
  }

  /** Also without its prefix `tok_`. */
  find(id: string): TokenRecord | null {
    const { tokens } = this.#core.tables;
    return tokens.get(id) ?? tokens.get(`tok_${id.toUpperCase()}`) ?? null;
  }

  /** With the sessions that began with it; durable when it resolves. */
  async end(id: string): Promise<boolean> {
    const tx = this.#core.begin();
    const ended = endTokens(tx, (token) => token.id === id);
    if (ended > 0) await this.#core.commit(tx);
    return ended > 0;
  }

  view(token: TokenRecord): TokenView {
    return {
      id: token.id,
      name: token.name,
      operator: this.#core.tables.operators.get(token.operatorId)?.name ?? token.operatorId,
      scopes: token.scopes,
      createdAt: toTimestamp(token.createdAt) ?? '',
      createdBy: token.createdBy,
      expiresAt: toTimestamp(token.expiresAt) ?? '',
      lastUsedAt: toTimestamp(this.#uses.ofToken(token)),
      state: token.expiresAt > this.#core.deps.clock.now() ? 'active' : 'expired',
    };
  }
}

function rightsOf(caller: Caller): Pick<OperatorCaller, 'role'> & { readonly scopes: readonly string[] | null } {
  if (caller.kind === 'owner') return { role: 'owner', scopes: null };
  if (caller.kind === 'operator') return { role: caller.role, scopes: caller.scopes ?? null };
  throw new PalyraError('PERMISSION_DENIED');
}
