/**
 * Whether a daemon that has stopped wrote its last snapshot, seen from outside: a snapshot is always a new file under the old name, so its identity tells,
 * and nothing has to be read. A daemon that could not write it has lost nothing that it accepted, which is in the journal; but something is wrong with its disk.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/state-fs.js';
import { NODE_RUNTIME_JOURNAL_FILE_NAME, NODE_RUNTIME_STATE_FILE_NAME } from './journal.js';

/** Take it before the daemon is asked to stop. The function says when it is gone: true, false, or null when that cannot be known from here. */
export async function watchLastSnapshot(stateDirectory: string): Promise<() => Promise<boolean | null>> {
  const before = await markOf(stateDirectory);
  return async () => {
    const after = await markOf(stateDirectory);
    return before === null || after === null ? null : after !== before;
  };
}

/** Another one after each snapshot. Null when the files cannot be looked at by this user, or lie elsewhere: in a container. */
async function markOf(directory: string): Promise<string | null> {
  try {
    await stat(join(directory, NODE_RUNTIME_JOURNAL_FILE_NAME));
    const { ino, mtimeMs } = await stat(join(directory, NODE_RUNTIME_STATE_FILE_NAME));
    return `${ino} ${mtimeMs}`;
  } catch (error) {
    const { path } = error as NodeJS.ErrnoException;
    // Until its first snapshot a daemon has a journal alone.
    return isErrno(error, 'ENOENT') && path?.endsWith(NODE_RUNTIME_STATE_FILE_NAME) === true ? 'none' : null;
  }
}
