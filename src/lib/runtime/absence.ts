/**
 * For how long nobody has seen a machine, and the machines that go away by themselves after a while of that (`palyra node pair --ephemeral`).
 *
 *   seen ──(not seen for `ephemeralMs`, while the daemon was there to see it)──► removed by "time", as by `nodes remove`: can be had back for a day
 *
 * Always true (test/unit/runtime/absence.test.ts):
 *   1. Time in which the daemon did not run, stood still or had its clock moved is nobody's absence (`downtime.ts`).
 *   2. After such a time the machines get `RETURN_BEATS` to come back before anybody is removed.
 *   3. Who is connected stays, and so does every machine that did not join for a while.
 */
import type { RuntimeCore } from './core.js';
import { downMsSince } from './downtime.js';
import { presenceOf } from './presence.js';
import { removeNode } from './removal.js';
import type { Now, Transaction } from './transaction.js';
import type { NodeRecord } from '../base/model.js';

/** In heartbeats, five minutes by default: a machine tries again every 30 s at the latest. */
export const RETURN_BEATS = 20;
/** In heartbeats, a minute by default: absences are looked for this often. */
export const LOOK_BEATS = 4;
/** Removed in one step: bounds the size of the journal record. */
const REMOVE_AT_ONCE = 200;

export interface Absence {
  /** Not seen for so long while the daemon was there to see it. */
  readonly unseenMs: number;
  /** The daemon itself was away for so long of that time. */
  readonly daemonDownMs: number;
}

/** Null for a machine that is connected. One that was never seen counts from its pairing, one that was had back from then. */
export function absenceOf(core: RuntimeCore, node: NodeRecord, now: Now): Absence | null {
  const { presence } = presenceOf(node, core.links.get(node.id), now);
  if (presence === 'online' || presence === 'late' || presence === 'conflict') return null;
  const { lastSeenAt, disconnectedAt, pairedAt, restoredAt = 0 } = node;
  const since = Math.max(lastSeenAt ?? 0, disconnectedAt ?? 0, pairedAt, restoredAt);
  const daemonDownMs = downMsSince(core.downtimes(), since, now.wall);
  return { unseenMs: Math.max(0, now.wall - since - daemonDownMs), daemonDownMs };
}

/** Removes the machines that joined for a while and whose time is over. `upMs`: for how long the daemon has run without a gap. */
export function removeAbsent(tx: Transaction, core: RuntimeCore, upMs: number): void {
  if (upMs < RETURN_BEATS * core.heartbeatMs) return;
  let removed = 0;
  for (const node of tx.tables.nodes.values()) {
    if (node.ephemeralMs === undefined || node.removedAt !== null) continue;
    const absence = absenceOf(core, node, tx.now);
    if (absence === null || absence.unseenMs < node.ephemeralMs) continue;
    removeNode(tx, core, node, 'time');
    if (++removed === REMOVE_AT_ONCE) return;
  }
}
