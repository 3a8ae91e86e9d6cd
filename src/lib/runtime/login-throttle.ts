/**
 * How often a login is evaluated, without ever locking anybody out.
 *
 * Two token buckets stand before every evaluation: one for the account that is named, known or not, and one for the source. A try that finds a token takes
 * it, durably, before anything is evaluated; a try that finds none is refused and writes nothing. So a flood costs no disk, a restart forgets nothing, and
 * whoever waits for one interval after an attack has a token.
 *
 *   account  5 at once, then one per 50 s: at most 5 + 18 = 23 evaluated in 15 minutes
 *   source   100 at once, then one per 36 s: at most 100 + 100 = 200 evaluated in an hour
 *
 * A bucket is one number, the instant at which it is full again (the virtual scheduling form of the leaky bucket, ITU-T I.371, annex A). Names and sources
 * are hashed onto a fixed number of buckets: the tables are bounded, an unknown name behaves like a known one, and nothing can be pushed out of them. Two
 * that share a bucket get fewer tries together, never more.
 */
import { createHash } from 'node:crypto';
import type { Transaction } from './transaction.js';

export interface Bucket {
  readonly capacity: number;
  readonly everyMs: number;
}

export const ACCOUNT_BUCKET: Bucket = { capacity: 5, everyMs: 50_000 };
export const SOURCE_BUCKET: Bucket = { capacity: 100, everyMs: 36_000 };
/** Rows of each kind at most. A row is about 60 bytes of memory and goes when its bucket is full again. */
export const MAX_BUCKETS = 16_384;

/** Takes a token of both buckets, or of none: 0, or after how many milliseconds another try may find them. `account` null: only the source counts. */
export function takeLoginTry(tx: Transaction, o: { readonly account: string | null; readonly source: string }): number {
  const wanted = [{ key: bucketKey('source', o.source), bucket: SOURCE_BUCKET }];
  if (o.account !== null) wanted.push({ key: bucketKey('account', o.account), bucket: ACCOUNT_BUCKET });
  const waitMs = Math.max(...wanted.map(({ key, bucket }) => waitOf(tx, key, bucket)));
  if (waitMs > 0) return waitMs;
  for (const { key, bucket } of wanted) {
    tx.put('loginTries', key, { key, fullAt: Math.max(tx.now.wall, fullAt(tx, key, bucket)) + bucket.everyMs });
  }
  return 0;
}

/** Drops the rows of full buckets. */
export function forgetLoginTries(tx: Transaction): void {
  for (const row of tx.tables.loginTries.values()) {
    if (row.fullAt <= tx.now.wall) tx.drop('loginTries', row.key);
  }
}

function waitOf(tx: Transaction, key: string, bucket: Bucket): number {
  return Math.max(0, fullAt(tx, key, bucket) - (bucket.capacity - 1) * bucket.everyMs - tx.now.wall);
}

/** Later than that of an empty bucket: the wall clock was set back since. The bucket begins anew then, or it would be shut until the clock is there again. */
function fullAt(tx: Transaction, key: string, bucket: Bucket): number {
  const stored = tx.tables.loginTries.get(key)?.fullAt ?? 0;
  return stored > tx.now.wall + bucket.capacity * bucket.everyMs ? 0 : stored;
}

function bucketKey(kind: 'account' | 'source', text: string): string {
  const hash = createHash('sha256').update(text).digest().readUInt32BE(0) % MAX_BUCKETS;
  return `${kind}:${hash}`;
}
