/**
 * Binds the local socket: mode 0600 in a directory of mode 0700, because whoever can open it is the owner.
 *
 * A socket file left by a daemon that was killed is removed, but only by the holder of the state lock and only if nobody answers on it.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';

/** `sun_path` less its final zero. A longer path would be cut silently. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/** Call it while holding the state lock. Throws SOCKET_PATH_TOO_LONG, STATE_NOT_OWNED and STATE_LOCKED (another daemon answers there). */
export async function listenOnLocalSocket(server: Server, path: string): Promise<void> {
  const isPipe = path.startsWith('\\\\');
  if (!isPipe) {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      throw new PalyraError('SOCKET_PATH_TOO_LONG', { detail: `${path} has more than ${MAX_PATH_BYTES} bytes` });
    }
    await ensurePrivateDirectory(dirname(path));
    await removeStale(path);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  if (!isPipe) await chmod(path, 0o600);
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isSocket()) throw new PalyraError('STATE_NOT_OWNED', { detail: `${path} is not a socket` });
  if (await somebodyAnswers(path))
    throw new PalyraError('STATE_LOCKED', { detail: `another daemon answers on ${path}` });
  await unlink(path);
}

function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => end(true));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
