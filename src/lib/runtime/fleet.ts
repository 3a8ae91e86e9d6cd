/**
 * What an owner says about the machines of the fleet: their names and labels. A machine reports facts about itself, never these; a report does not touch
 * them. Decided and durable like every other decision; reads are projections of the rows as they are now.
 */
import { callerName } from './caller-name.js';
import type { RuntimeCore } from './core.js';
import { byCodePoint } from './registry.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, NodeView } from '../base/model.js';

/** Labels of one node. The same bound holds for the labels of an invite. */
const MAX_LABELS = 32;

export interface LabelChange {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface ChangedNode {
  readonly node: NodeView;
  /** False when it was already so. */
  readonly changed: boolean;
}

export class Fleet {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Every node that is not removed, by name. */
  views(): NodeView[] {
    const { registry, tables } = this.#core;
    return registry.names.map((name) => this.#core.nodeView(registry.byName(tables, name)!));
  }

  /** A node, removed ones included until they are forgotten; null after that. */
  view(nodeId: string): NodeView | null {
    const node = this.#core.tables.nodes.get(nodeId);
    return node === undefined ? null : this.#core.nodeView(node);
  }

  /** Gives a node another name; the old one is free at once. Throws NODE_NOT_FOUND, NODE_AMBIGUOUS or NAME_TAKEN. */
  async rename(caller: Caller, nameOrId: string, name: string): Promise<ChangedNode> {
    const core = this.#core;
    const node = core.registry.find(core.tables, nameOrId);
    if (node.name === name) return { node: core.nodeView(node), changed: false };
    const tx = core.begin();
    const renamed = core.registry.rename(tx, node, name);
    tx.events.push({ type: 'node.renamed', nodeId: node.id, name, from: node.name, by: callerName(caller) });
    await core.commit(tx);
    return { node: core.nodeView(renamed), changed: true };
  }

  /** Sets some labels and takes others away; one that is not there is no error. Throws NODE_NOT_FOUND, NODE_AMBIGUOUS or REQUEST_INVALID (too many). */
  async label(caller: Caller, nameOrId: string, change: LabelChange): Promise<ChangedNode> {
    const core = this.#core;
    const node = core.registry.find(core.tables, nameOrId);
    const labels = relabelled(node.labels, change);
    if (Object.keys(labels).length > MAX_LABELS) {
      throw new PalyraError('REQUEST_INVALID', { detail: `a node has at most ${MAX_LABELS} labels` });
    }
    if (isSame(node.labels, labels)) return { node: core.nodeView(node), changed: false };
    const tx = core.begin();
    const next = tx.set('nodes', node.id, { labels });
    tx.events.push({ type: 'node.labelled', nodeId: node.id, name: node.name, by: callerName(caller) });
    await core.commit(tx);
    return { node: core.nodeView(next), changed: true };
  }
}

/** Sorted by name, so that the same labels are always the same text. Own properties only: a label may be called `__proto__`. */
function relabelled(present: Readonly<Record<string, string>>, { set, remove }: LabelChange): Record<string, string> {
  const next = new Map(Object.entries(present));
  for (const name of remove) next.delete(name);
  for (const [name, value] of Object.entries(set)) next.set(name, value);
  return Object.fromEntries([...next].sort(([a], [b]) => byCodePoint(a, b)));
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
