/**
 * Dispatches need no intent in the audit log: their own record, durable before anything happens, says who asked for what. What a kill can leave is such a
 * record without its entry, from the last moments before it. A start finds those and writes their entries, with the outcome `interrupted`.
 */
import type { NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';
import { readEntry } from '../base/audit-chain.js';

/** An entry is written within milliseconds of its dispatch; this is much longer than any disk takes, and than clocks step. */
const WINDOW_MS = 60_000;
/** Entries that can have been written in that time and are looked at. */
const MAX_ENTRIES = 20_000;

/** Call it before anything listens. Throws STORAGE_FULL or STORAGE_FAILED. Returns how many entries it wrote. */
export async function tellForgottenDispatches(
  auditor: Auditor,
  runtime: Pick<NodeRuntime, 'overview'>,
): Promise<number> {
  const { trail } = auditor;
  const told = new Set<string>();
  let lastAt: string | null = null;
  for await (const line of trail.lines({ after: Math.max(0, trail.head.seq - MAX_ENTRIES) })) {
    const entry = readEntry(line);
    if (typeof entry === 'string') continue;
    lastAt = entry.at;
    if (typeof entry.target['dispatch'] === 'string') told.add(entry.target['dispatch']);
  }
  const since = lastAt === null ? 0 : Date.parse(lastAt) - WINDOW_MS;
  let written = 0;
  for (let cursor: string | undefined; ;) {
    const page = runtime.overview.dispatches({ since, cursor, limit: 1000 });
    for (const { id, capability, node, nodeId, requestedBy, timings } of page.dispatches) {
      if (told.has(id)) continue;
      await auditor.write({
        actor: { kind: 'operator', name: requestedBy, credential: 'not recorded' },
        origin: { listener: 'internal', address: 'not recorded' },
        action: 'dispatches.create',
        target: { dispatch: id, capability, nodeId, name: node, queuedAt: timings.queuedAt },
        outcome: 'interrupted',
        requestId: null,
      });
      written += 1;
    }
    if (page.nextCursor === null) return written;
    cursor = page.nextCursor;
  }
}
