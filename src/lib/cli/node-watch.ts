/** The part of the events that is about the nodes somebody selected. A node that no longer fits is told once more, so that nobody keeps it in a list. */
import type { WatchItem } from '../client/control-plane-client.js';
import type { NodeEvent, Ping, Resync, Snapshot } from '../client/control-plane-client.js';
import type { NodeView } from '../base/model.js';
import { selectNodes, sortNodes, type NodeSelection, type SortKey } from './node-selection.js';

export type NodesLine = Snapshot | Resync | NodeEvent | Ping;

export class NodeWatch {
  readonly #select: (nodes: readonly NodeView[]) => NodeView[];
  readonly #sort: SortKey;
  readonly #shown = new Set<string>();

  /** Throws USAGE_INVALID for a selection that cannot be read. */
  constructor(selection: NodeSelection, sort: SortKey) {
    this.#select = (nodes) => selectNodes(nodes, selection);
    this.#sort = sort;
    this.#select([]);
  }

  /** What to tell, or null when it is about something else. */
  take(item: WatchItem): NodesLine | null {
    switch (item.type) {
      case 'snapshot':
      case 'resync': {
        const nodes = sortNodes(this.#select(item.nodes), this.#sort);
        this.#shown.clear();
        for (const { id } of nodes) this.#shown.add(id);
        return { ...item, nodes: nodes as Snapshot['nodes'] };
      }
      case 'node': {
        const fits = item.change !== 'removed' && this.#select([item.node]).length > 0;
        const wasShown = this.#shown.delete(item.node.id);
        if (fits) this.#shown.add(item.node.id);
        return fits || wasShown || item.change === 'removed' ? item : null;
      }
      case 'ping':
        return item;
      default:
        return null;
    }
  }
}
