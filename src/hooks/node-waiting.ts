/**
 * The oclif hook `node:waiting`: which capabilities of plugins nobody has switched on at this machine. Commands about plugins load nothing of the node
 * themselves, so they ask here.
 */
import { waitingAt } from '../lib/node/waiting.js';

interface Asked {
  readonly stateDirectory: string;
  readonly names: readonly string[];
}

const hook = async ({ stateDirectory, names }: Asked): Promise<string[]> => waitingAt(stateDirectory, names);

export default hook;
