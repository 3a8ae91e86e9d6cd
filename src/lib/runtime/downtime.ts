/**
 * When the daemon itself was away, so that nobody is blamed for not being seen meanwhile. Known to the last moment the daemon wrote down that it was alive:
 * after a crash that is earlier than the truth, which counts more time as the daemon's own and never less.
 */
import type { DaemonRecord } from './state.js';

export interface Downtime {
  /** Wall milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** A restart is no absence. */
const SHORTEST_MS = 60_000;
/** More are joined, the nearest two first; the time between them then counts as the daemon's own too. */
export const MAX_DOWNTIMES = 64;

/**
 * The fields of the daemon's row at a start, and whenever it says that it is alive: a daemon that stood still (a suspended machine, a stopped process), or
 * whose clock was moved ahead, was away just as one that did not run.
 */
export function downtimesAt(
  row: Pick<DaemonRecord, 'aliveAt' | 'downtimes'> | undefined,
  wall: number,
): { readonly aliveAt: number; readonly downtimes: readonly Downtime[] } {
  const known = row?.downtimes ?? [];
  const from = row?.aliveAt;
  if (from === undefined || wall - from < SHORTEST_MS) return { aliveAt: wall, downtimes: known };
  const downtimes = [...known, { from, to: wall }];
  return { aliveAt: wall, downtimes: downtimes.length > MAX_DOWNTIMES ? joinNearest(downtimes) : downtimes };
}

/** How much of the time since `since` the daemon was away. Milliseconds. */
export function downMsSince(downtimes: readonly Downtime[], since: number, wall: number): number {
  return downtimes.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, wall) - Math.max(from, since)), 0);
}

function joinNearest(downtimes: readonly Downtime[]): Downtime[] {
  let at = 1;
  const gap = (index: number) => downtimes[index]!.from - downtimes[index - 1]!.to;
  for (let index = 2; index < downtimes.length; index++) if (gap(index) < gap(at)) at = index;
  const joined = { from: downtimes[at - 1]!.from, to: downtimes[at]!.to };
  return [...downtimes.slice(0, at - 1), joined, ...downtimes.slice(at + 1)];
}
