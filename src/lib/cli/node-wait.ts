/** Whether a node is in the state that is waited for, decided from events alone: nothing is polled, and a restart of the daemon loses nothing. */
import { PalyraError } from '../base/errors.js';
import type { NodeView } from '../base/model.js';
import type { WatchItem } from '../client/control-plane-client.js';

export const WAIT_STATES = ['online', 'offline', 'paired', 'removed'] as const;
export type WaitState = (typeof WAIT_STATES)[number];

export class NodeWait {
  readonly #wanted: string;
  readonly #state: WaitState;
  #node: NodeView | null = null;

  constructor(nameOrId: string, state: WaitState) {
    this.#wanted = nameOrId;
    this.#state = state;
  }

  /** As it is called now; as it was asked for when it was never seen. */
  get name(): string {
    return this.#node?.name ?? this.#wanted;
  }

  /** True when the wait is over. Throws NODE_NOT_TRUSTED, NODE_NOT_FOUND and NODE_AMBIGUOUS, also for a node that is removed while it is waited for. */
  isMet(item: WatchItem): boolean {
    if (item.type === 'snapshot' || item.type === 'resync') return this.#look(item.nodes);
    if (item.type !== 'node') return false;
    const { node } = item;
    const isIt = this.#node === null ? matches(node, this.#wanted) : node.id === this.#node.id;
    return isIt && this.#judge(node, item.change === 'removed');
  }

  #look(nodes: readonly NodeView[]): boolean {
    const known = this.#node;
    const node = known === null ? find(nodes, this.#wanted) : nodes.find(({ id }) => id === known.id);
    if (node !== undefined) return this.#judge(node);
    if (this.#state === 'removed') return true;
    if (known !== null) throw this.#removed();
    if (this.#state === 'paired') return false;
    throw new PalyraError('NODE_NOT_FOUND', { detail: `"${this.#wanted}"`, details: { node: this.#wanted } });
  }

  /** A node of a list is not removed, but trust in it may have been withdrawn. */
  #judge(node: NodeView, isRemoved = false): boolean {
    this.#node = node;
    const isRevoked = node.trust === 'revoked';
    switch (this.#state) {
      case 'removed':
        return isRemoved;
      case 'offline':
        return isRevoked || ['offline', 'never-seen', 'expired'].includes(node.presence);
      default:
        if (isRemoved) throw this.#removed();
        if (isRevoked) throw new PalyraError('NODE_NOT_TRUSTED', { detail: node.name });
        return this.#state === 'paired' || node.presence === 'online' || node.presence === 'conflict';
    }
  }

  #removed(): PalyraError {
    return new PalyraError('NODE_NOT_FOUND', { detail: `"${this.name}" was removed`, details: { node: this.name } });
  }
}

function matches(node: NodeView, wanted: string): boolean {
  return node.name === wanted || node.id === wanted;
}

/** The daemon's own order: exact name, then id, then a unique part of the id from its start, at least 4 characters. */
function find(nodes: readonly NodeView[], wanted: string): NodeView | undefined {
  const exact = nodes.find(({ name }) => name === wanted) ?? nodes.find(({ id }) => id === wanted);
  const prefix = (wanted.startsWith('nod_') ? wanted : `nod_${wanted}`).toUpperCase();
  if (exact !== undefined || prefix.length < 'nod_'.length + 4) return exact;
  const candidates = nodes.filter(({ id }) => id.toUpperCase().startsWith(prefix));
  if (candidates.length < 2) return candidates[0];
  throw new PalyraError('NODE_AMBIGUOUS', {
    detail: candidates
      .slice(0, 5)
      .map(({ name, id }) => `${name} (${id})`)
      .join(', '),
    details: { candidates: candidates.slice(0, 20).map(({ id }) => id) },
  });
}
