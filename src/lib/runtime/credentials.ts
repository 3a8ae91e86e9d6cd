/**
 * What sessions and tokens have in common: secrets, their hashes, when they were last used, and how they end.
 *
 * A secret is 256 random bits as 43 characters of base64url; only SHA-256 of that text is kept, which no table can invert. It is compared in constant time.
 * Whatever ends is told through the transaction, so that streams and waits opened with it end too, once that is durable.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SessionRecord, TokenRecord } from '../base/access.js';
import type { Random } from '../base/random.js';
import type { Transaction } from './transaction.js';

const SECRET_BYTES = 32;

export function newSecret(random: Random): { readonly secret: string; readonly secretHash: string } {
  const secret = random.bytes(SECRET_BYTES).toString('base64url');
  return { secret, secretHash: hashOf(secret).toString('hex') };
}

export function matchesSecret(secretHash: string, secret: string): boolean {
  return timingSafeEqual(Buffer.from(secretHash, 'hex'), hashOf(secret));
}

/** Ends the sessions that `which` names; the number of them. */
export function endSessions(tx: Transaction, which: (session: SessionRecord) => boolean): number {
  const ended = [...tx.tables.sessions.values()].filter(which);
  for (const { id } of ended) {
    tx.drop('sessions', id);
    tx.endedCredentials.push(id);
  }
  return ended.length;
}

/** Ends the tokens that `which` names, with the sessions that began with them; the number of tokens. */
export function endTokens(tx: Transaction, which: (token: TokenRecord) => boolean): number {
  const ended = new Set([...tx.tables.tokens.values()].filter(which).map(({ id }) => id));
  for (const id of ended) {
    tx.drop('tokens', id);
    tx.endedCredentials.push(id);
  }
  if (ended.size > 0) endSessions(tx, ({ tokenId }) => tokenId !== null && ended.has(tokenId));
  return ended.size;
}

/** When credentials were last used: in memory, so that a request writes nothing, and written by upkeep when it is a good deal newer than what is stored. */
export class LastUse {
  readonly #at = new Map<string, number>();

  touch(id: string, now: number): void {
    this.#at.set(id, Math.max(now, this.#at.get(id) ?? 0));
  }

  /** The later one of memory and record. */
  of(record: { readonly id: string; readonly lastUsedAt: number }): number {
    return Math.max(record.lastUsedAt, this.#at.get(record.id) ?? 0);
  }

  /** Null: never. */
  ofToken(record: TokenRecord): number | null {
    const at = this.of({ id: record.id, lastUsedAt: record.lastUsedAt ?? 0 });
    return at === 0 ? null : at;
  }

  forget(id: string): void {
    this.#at.delete(id);
  }

  entries(): [string, number][] {
    return [...this.#at];
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
