/**
 * Trust in a machine: withdrawn, given back, and the machines that are forgotten because nobody has seen them for long.
 *
 *   paired ──revoke──► revoked (the record stays, under its name) ──remove──► removed (the name is free; told why for 30 days)
 *      ▲────restore─────────┘                                                   │
 *      └────restore within 24 h─────────────────────────────────────────────────┘
 *
 * Always true: a revoked machine is refused by its certificate at once and its connections are closed when that is durable; restoring puts back exactly the
 * certificates that were accepted before, never a new one.
 */
import { absenceOf, type Absence } from './absence.js';
import { removeNode } from './removal.js';
import { callerName } from './caller-name.js';
import type { RuntimeCore } from './core.js';
import { reviewGrants } from './grants.js';
import type { ChangedNode } from './fleet.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, NodeRecord, NodeView } from '../base/model.js';

/** Until then taking trust away can be undone. */
export const RESTORE_MS = 86_400_000;

export interface PruneRequest {
  readonly notSeenForMs: number;
  /** False: only tells which ones. */
  readonly apply: boolean;
  /** Ids: of those that qualify, only these. */
  readonly only?: readonly string[] | undefined;
}

export interface PruneCandidate extends Absence {
  readonly node: NodeView;
}

export class Trust {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Refuses the machine from now on and keeps its record. What is open on it fails. Throws NODE_NOT_FOUND or NODE_AMBIGUOUS. */
  async revoke(caller: Caller, nameOrId: string): Promise<ChangedNode> {
    const core = this.#core;
    const node = core.registry.find(core.tables, nameOrId);
    if (node.trust === 'revoked') return { node: core.nodeView(node), changed: false };
    const tx = core.begin();
    const revoked = core.registry.revoke(tx, node);
    core.mailbox.revoke(tx, node.id);
    reviewGrants(tx, core, node.id);
    tx.revokedNodes.push(node.id);
    tx.events.push({ type: 'node.revoked', nodeId: node.id, name: node.name, by: callerName(caller) });
    await core.commit(tx);
    return { node: core.nodeView(revoked), changed: true };
  }

  /**
   * Undoes `revoke` or `remove` within a day: the same id, certificates, grants and labels, under its name or another. What had failed stays failed.
   * Throws NODE_NOT_FOUND, NODE_AMBIGUOUS, NAME_TAKEN or RESTORE_NOT_POSSIBLE (too late, or the machine was paired again meanwhile).
   */
  async restore(caller: Caller, nameOrId: string, name?: string): Promise<ChangedNode> {
    const core = this.#core;
    const node = this.#withdrawn(nameOrId);
    if (node.trust === 'paired') return { node: core.nodeView(node), changed: false };
    const tx = core.begin();
    if (!isRestorable(node, tx.now.wall)) {
      throw new PalyraError('RESTORE_NOT_POSSIBLE', { detail: `"${node.name}" lost its trust more than a day ago` });
    }
    const again = core.registry.byKey(core.tables, node.keyFingerprint);
    if (again !== null) {
      throw new PalyraError('RESTORE_NOT_POSSIBLE', { detail: `the machine was paired again as "${again.name}"` });
    }
    const restored = core.registry.restore(tx, node, name ?? node.name);
    const event = { nodeId: node.id, name: restored.name, by: callerName(caller) };
    tx.events.push({ type: 'node.restored', ...event });
    await core.commit(tx);
    return { node: core.nodeView(restored), changed: true };
  }

  /** Machines that were not seen for so long, longest first, and removes them when told to: all of them in one durable step. */
  async prune(caller: Caller, request: PruneRequest): Promise<{ candidates: PruneCandidate[]; removed: boolean }> {
    const core = this.#core;
    const tx = core.begin();
    const only = request.only === undefined ? null : new Set(request.only);
    const found = core.registry.names
      .map((name) => core.registry.byName(core.tables, name)!)
      .filter((node) => only === null || only.has(node.id))
      .flatMap((node) => {
        const absence = absenceOf(core, node, tx.now);
        return absence === null ? [] : [{ node, ...absence }];
      })
      .filter(({ unseenMs }) => unseenMs >= request.notSeenForMs)
      .sort((a, b) => b.unseenMs - a.unseenMs);
    const candidates = found.map(({ node, ...times }) => ({ node: core.nodeView(node), ...times }));
    if (!request.apply || found.length === 0) return { candidates, removed: false };
    for (const { node } of found) removeNode(tx, core, node, callerName(caller));
    await core.commit(tx);
    return { candidates, removed: true };
  }

  /** A node by name or id, removed ones included; of several removed ones of a name the id must be given. */
  #withdrawn(nameOrId: string): NodeRecord {
    const { registry, tables } = this.#core;
    const removed = [...tables.nodes.values()].filter(
      (node) => node.removedAt !== null && (node.name === nameOrId || node.id === nameOrId),
    );
    const listed = registry.byName(tables, nameOrId);
    // Who was removed is meant before a newer node that took over the name: that one has nothing to be restored.
    if (listed?.trust === 'revoked' || removed.length === 0) return registry.find(tables, nameOrId);
    if (removed.length === 1) return removed[0]!;
    throw new PalyraError('NODE_AMBIGUOUS', {
      detail: removed
        .slice(0, 5)
        .map(({ name, id }) => `${name} (${id})`)
        .join(', '),
      details: { candidates: removed.slice(0, 20).map(({ id }) => id) },
    });
  }
}

/** Whether trust in it was withdrawn less than a day ago. */
export function isRestorable(node: NodeRecord, wall: number): boolean {
  const at = node.removedAt ?? node.revokedAt ?? null;
  return node.trust === 'revoked' && at !== null && wall - at <= RESTORE_MS;
}
