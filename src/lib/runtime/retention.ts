/**
 * What is forgotten, and when. Runs from `tick`, a bounded number of rows at a time, as ordinary journalled changes.
 */
import { bytesOf, idempotencyIndexKey } from './mailbox-index.js';
import type { MailboxIndex } from './mailbox-index.js';
import { FAILURE_WINDOW_MS } from './invites.js';
import { close } from './pairing.js';
import type { PairingContext } from './pairing-context.js';
import type { Transaction } from './transaction.js';

/** Settled dispatches, and with them idempotency keys, are kept this long, */
export const SETTLED_TTL_MS = 86_400_000;
/** and no more than this many, and no more than this many bytes of input and output. The oldest go first. */
export const MAX_SETTLED = 10_000;
export const MAX_SETTLED_BYTES = 128 * 1024 * 1024;
/** Ids of removed dispatches, for late results. */
export const TOMBSTONE_TTL_MS = 7 * 86_400_000;
export const MAX_TOMBSTONES = 100_000;
/** Ended invites and decided requests stay readable for a day. */
export const ENDED_TTL_MS = 86_400_000;
/** Removed nodes stay, so that they can be told why, for thirty days. */
export const REMOVED_NODE_TTL_MS = 30 * 86_400_000;

/** Dispatches: oldest first, stops at the first one that stays. */
export function forgetSettled(index: MailboxIndex, tx: Transaction, limit: number): void {
  const { settledOrder } = index;
  let taken = 0;
  while (taken < settledOrder.length && taken < limit) {
    const record = tx.tables.dispatches.get(settledOrder[taken]!)!;
    const tooMuch = settledOrder.length - taken > MAX_SETTLED || index.settledBytes > MAX_SETTLED_BYTES;
    if (!tooMuch && (record.finishedAt ?? 0) + SETTLED_TTL_MS > tx.now.wall) break;
    taken++;
    index.settledBytes -= bytesOf(record);
    tx.drop('dispatches', record.id);
    tx.put('tombstones', record.id, { id: record.id, at: tx.now.wall });
    if (record.idempotencyKey !== null) index.byIdempotencyKey.delete(idempotencyIndexKey(record));
  }
  if (taken > 0) settledOrder.splice(0, taken);
}

/** Everything else that ends: tombstones, invites, requests, failure counters, removed nodes. Called once a minute. */
export function forgetEnded(tx: Transaction, context: PairingContext): void {
  const { tables, now } = tx;
  let surplus = tables.tombstones.size - MAX_TOMBSTONES;
  for (const tombstone of tables.tombstones.values()) {
    if (surplus-- <= 0 && tombstone.at + TOMBSTONE_TTL_MS > now.wall) break;
    tx.drop('tombstones', tombstone.id);
  }
  for (const invite of tables.invites.values()) {
    const ended = Math.max(invite.revokedAt ?? 0, invite.redeemedBy.at(-1)?.at ?? 0, invite.expiresAt);
    if (invite.expiresAt <= now.wall && ended + ENDED_TTL_MS <= now.wall) tx.drop('invites', invite.id);
  }
  for (const approval of tables.approvals.values()) {
    if (approval.state === 'pending' && approval.expiresAt <= now.wall) {
      close(tx, context, approval, { state: 'expired', by: 'time', reason: null });
    } else if (approval.decidedAt !== null && approval.decidedAt + ENDED_TTL_MS <= now.wall) {
      tx.drop('approvals', approval.id);
    }
  }
  for (const row of tables.pairingFailures.values()) {
    if (row.windowStartedAt + FAILURE_WINDOW_MS <= now.wall) tx.drop('pairingFailures', row.key);
  }
  for (const node of tables.nodes.values()) {
    if (node.removedAt !== null && node.removedAt + REMOVED_NODE_TTL_MS <= now.wall) tx.drop('nodes', node.id);
  }
}
