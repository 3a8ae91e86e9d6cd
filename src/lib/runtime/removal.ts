/** Withdrawing trust from a node: registry, mailbox, connections and the fact itself, in one transaction. */
import type { RuntimeCore } from './core.js';
import { reviewGrants } from './grants.js';
import type { Transaction } from './transaction.js';
import type { NodeRecord } from '../base/model.js';

/**
 * What is open on it fails, its name is free at once, and its connections end when this is durable. `replacedBy`: the id of the node that comes in its
 * place.
 */
export function removeNode(
  tx: Transaction,
  core: RuntimeCore,
  node: NodeRecord,
  by: string,
  replacedBy?: string,
): NodeRecord {
  const removed = core.registry.remove(tx, node);
  core.mailbox.revoke(tx, node.id);
  reviewGrants(tx, core, node.id);
  tx.revokedNodes.push(node.id);
  tx.events.push({
    type: 'node.removed',
    nodeId: node.id,
    name: node.name,
    by,
    ...(replacedBy === undefined ? {} : { replacedBy }),
  });
  return removed;
}
