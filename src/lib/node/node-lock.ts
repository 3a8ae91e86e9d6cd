/** One process per node: whoever pairs or runs holds the lock of the node's state directory. */
import { PalyraError } from '../base/errors.js';
import { acquireLock } from '../base/lock.js';

/** Throws NODE_ALREADY_RUNNING, with `details.pid` when it is known. */
export async function lockNode(stateDirectory: string): Promise<() => Promise<void>> {
  try {
    return await acquireLock(stateDirectory);
  } catch (error) {
    const refused = PalyraError.from(error);
    if (refused.reason !== 'STATE_LOCKED') throw refused;
    const { pid } = refused.details;
    throw new PalyraError('NODE_ALREADY_RUNNING', {
      ...(typeof pid === 'number' ? { detail: `process ${pid}` } : {}),
      details: refused.details,
      cause: error,
    });
  }
}
