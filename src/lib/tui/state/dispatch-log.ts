/** The log of dispatches: what was loaded and what events say since, oldest first, one row a dispatch, bounded. */
import type { DispatchListing, DispatchStateName } from '../../base/model.js';
import type { PublicEvent } from '../../client/control-plane-client.js';
import { isSettled } from '../../cli/exit-codes.js';

/** Older rows leave the log; `palyra dispatches list` has them. */
export const MAX_ROWS = 500;

export type DispatchEvent = Extract<PublicEvent, { type: 'dispatch' }>;

/** What the daemon listed, newest first as it lists, takes precedence over what events told before. */
export function mergeListed(
  rows: readonly DispatchListing[],
  listed: readonly DispatchListing[],
): readonly DispatchListing[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const row of listed) {
    const known = byId.get(row.id);
    // An event may have overtaken the list: what is over does not begin again.
    if (known === undefined || !isSettled(known.state) || isSettled(row.state)) byId.set(row.id, row);
  }
  return bounded([...byId.values()]);
}

export function applyDispatchEvents(
  rows: readonly DispatchListing[],
  events: readonly DispatchEvent[],
): readonly DispatchListing[] {
  if (events.length === 0) return rows;
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const event of events) {
    const row = apply(byId.get(event.dispatch), event);
    if (row !== null) byId.set(event.dispatch, row);
  }
  return bounded([...byId.values()]);
}

function apply(known: DispatchListing | undefined, event: DispatchEvent): DispatchListing | null {
  const state = event.state as DispatchStateName | null;
  if (state === null) return known ?? null;
  const totalMs = event.totalMs ?? null;
  const over = isSettled(state);
  if (known === undefined) {
    const queuedAt = over && totalMs !== null ? new Date(Date.parse(event.at) - totalMs).toISOString() : event.at;
    return {
      ...{ id: event.dispatch, node: event.node, nodeId: event.nodeId, capability: event.capability ?? '', state },
      ...{ attempt: 1, error: null, sideEffects: 'none', idempotent: false, retrySafe: false },
      timings: { queuedAt, deliveredAt: null, startedAt: null, finishedAt: over ? event.at : null, totalMs },
      ...{ deadlineAt: event.at, requestedBy: event.by ?? '', approval: null },
    };
  }
  if (isSettled(known.state) && !over) return known;
  const timings = { ...known.timings, totalMs, finishedAt: over ? event.at : null };
  return { ...known, node: event.node, state, timings };
}

function bounded(rows: DispatchListing[]): readonly DispatchListing[] {
  rows.sort((a, b) => order(a.timings.queuedAt, b.timings.queuedAt) || order(a.id, b.id));
  return rows.slice(-MAX_ROWS);
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** How many runs of each node are not over, by node id. */
export function openRuns(rows: readonly DispatchListing[]): ReadonlyMap<string, number> {
  const open = new Map<string, number>();
  for (const { nodeId, state } of rows) if (!isSettled(state)) open.set(nodeId, (open.get(nodeId) ?? 0) + 1);
  return open;
}
