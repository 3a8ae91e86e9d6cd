/** Capabilities of plugins that nobody has switched on at this machine yet, for those who look before, or without, a node that runs. */
import { readPairing } from './join.js';
import { NodePolicy } from './policy.js';

/**
 * Of these names of capabilities of plugins, those that are not announced until somebody switches them on. None on a machine that is not paired: what it
 * has when it is paired is shown to whoever lets it in. Throws STATE_NOT_OWNED or STATE_CORRUPT.
 */
export async function waitingAt(stateDirectory: string, names: readonly string[]): Promise<string[]> {
  const pairing = await readPairing(stateDirectory);
  if (pairing === null || pairing.revoked) return [];
  const policy = await NodePolicy.open(stateDirectory);
  return names.filter((name) => policy.isWaiting(name));
}
