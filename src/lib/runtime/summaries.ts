/** Counts and pages for lists and status screens. Read-only, over the rows. */
import { fromCursor, toCursor } from './cursor.js';
import type { MailboxIndex } from './mailbox-index.js';
import { presenceOf } from './presence.js';
import type { LinkState } from './presence.js';
import type { Tables } from './state.js';
import type { Now } from './transaction.js';

export interface NodeSummary {
  readonly total: number;
  readonly online: number;
  readonly late: number;
  readonly offline: number;
  readonly asking: number;
  /** Of the total: trust was withdrawn, the record is kept. */
  readonly revoked: number;
  /** Of those online: two machines use their identity. */
  readonly conflict: number;
}

export interface DispatchSummary {
  readonly open: number;
  readonly lastHour: number;
  readonly failedLastHour: number;
  readonly unknownLastHour: number;
}

const DEFAULT_PAGE = 1000;
const HOUR_MS = 3_600_000;

/** One page of sorted names. Throws REQUEST_INVALID for a cursor that is none. */
export function nodePage(
  names: readonly string[],
  page: { readonly cursor?: string | undefined; readonly limit?: number | undefined },
): { names: readonly string[]; nextCursor: string | null } {
  const start = page.cursor === undefined ? 0 : firstAfter(names, fromCursor(page.cursor));
  const cut = names.slice(start, start + (page.limit ?? DEFAULT_PAGE));
  const last = cut.at(-1);
  const more = last !== undefined && start + cut.length < names.length;
  return { names: cut, nextCursor: more ? toCursor(last) : null };
}

export function nodeSummary(
  tables: Tables,
  context: { now: Now; linkOf(nodeId: string): LinkState | null; asking: number },
): NodeSummary {
  const counts = { total: 0, online: 0, late: 0, offline: 0, asking: context.asking, revoked: 0, conflict: 0 };
  for (const node of tables.nodes.values()) {
    if (node.removedAt !== null) continue;
    counts.total++;
    const { presence } = presenceOf(node, context.linkOf(node.id), context.now);
    if (presence === 'online' || presence === 'late' || presence === 'revoked') counts[presence]++;
    // It is connected; that another machine wants to be is told beside it.
    else if (presence === 'conflict') {
      counts.online++;
      counts.conflict++;
    } else counts.offline++;
  }
  return counts;
}

export function dispatchSummary(tables: Tables, index: MailboxIndex, wall: number): DispatchSummary {
  const counts = { open: index.openCount, lastHour: 0, failedLastHour: 0, unknownLastHour: 0 };
  for (let at = index.settledOrder.length - 1; at >= 0; at--) {
    const record = tables.dispatches.get(index.settledOrder[at]!)!;
    if ((record.finishedAt ?? 0) + HOUR_MS < wall) break;
    counts.lastHour++;
    if (record.state === 'failed' || record.state === 'timed-out') counts.failedLastHour++;
    if (record.state === 'unknown') counts.unknownLastHour++;
  }
  return counts;
}

function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
