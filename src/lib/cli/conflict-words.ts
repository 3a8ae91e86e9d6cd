/** Two machines with one identity, in the words that every surface uses: what is so, and what to do where. */
import type { NodeView } from '../base/model.js';

/** What ends it. Nobody but a person knows which of the two is the copy. */
export const END_OF_CONFLICT = 'on the copy: palyra node reset --new-identity, then pair it as a node of its own';

/** Null when there is no conflict. The address is absent in the answer of an older daemon. */
export function conflictWords({ presence, rival }: Pick<NodeView, 'presence'> & Partial<NodeView>): string | null {
  if (presence !== 'conflict') return null;
  const where = (rival ?? null) === null ? '' : ` at ${rival!.address}, since ${rival!.since.slice(11, 16)} UTC`;
  return `another machine uses its identity too${where}; ${END_OF_CONFLICT}`;
}
