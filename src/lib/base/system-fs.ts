/**
 * The machine's files behind the `StateFs` port, with the owner's checks: a file is used only when it is a regular file, reached without a symbolic
 * link, that belongs to this user and that nobody else can read or write. What fails a check is refused with STATE_NOT_OWNED naming the path, and left
 * as it is. Windows has no such modes: there the user's profile directory is the protection.
 */
import { constants, fdatasync, writeSync } from 'node:fs';
import { link, open, readdir, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { PalyraError } from './errors.js';
import { isErrno, toStorageError } from './state-fs.js';
import type { StateFile, StateFs } from './state-fs.js';

const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL } = constants;
/** Without O_NONBLOCK a FIFO in the place of a file would hold `open` for ever. Neither flag exists on Windows. */
const SAFE = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const HAS_MODES = process.platform !== 'win32';

export const PRIVATE_FILE_MODE = 0o600;

export function notOwned(path: string, problem: string, cause?: unknown): PalyraError {
  return new PalyraError('STATE_NOT_OWNED', { detail: `${path} ${problem}`, details: { path }, cause });
}

/** Refuses what belongs to another user. */
export function assertOwner(path: string, stats: Stats): void {
  const user = process.geteuid?.();
  if (user !== undefined && stats.uid !== user)
    throw notOwned(path, `belongs to another user (uid ${stats.uid}, not ${user})`);
}

/** Opens a file that must pass the checks, or returns null when there is none. The caller closes it. */
export async function openPrivate(path: string, flags: number): Promise<FileHandle | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, flags | SAFE, PRIVATE_FILE_MODE);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    if (isErrno(error, 'ELOOP')) throw notOwned(path, 'is a symbolic link', error);
    if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM'))
      throw notOwned(path, 'cannot be opened by this user', error);
    if (isErrno(error, 'EISDIR') || isErrno(error, 'ENXIO')) throw notOwned(path, 'is not a regular file', error);
    throw toStorageError(error, path);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notOwned(path, 'is not a regular file');
    assertOwner(path, stats);
    if (HAS_MODES && (stats.mode & 0o077) !== 0) {
      throw notOwned(path, `can be used by others (mode ${(stats.mode & 0o777).toString(8)}, not 600)`);
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Up to this a write is done at once. */
const SMALL_WRITE_BYTES = 64 * 1024;

class SystemFile implements StateFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * A small write only copies into the page cache: a few microseconds, where handing it to another thread and back costs tens. Waiting for the disk is
   * what `sync` does, in another thread.
   */
  async append(data: Uint8Array): Promise<number> {
    if (data.length <= SMALL_WRITE_BYTES) return writeSync(this.#handle.fd, data);
    return (await this.#handle.write(data)).bytesWritten;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(buffer, done, length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  /** fdatasync also writes the new length, without which the data could not be read back (POSIX, "synchronized I/O data integrity"). */
  sync(): Promise<void> {
    // The plain call: the one of the handle costs the loop twice as much, and this is what a busy daemon does most.
    return new Promise((resolve, reject) => {
      fdatasync(this.#handle.fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

export const systemFs: StateFs = {
  async read(path) {
    const handle = await openPrivate(path, O_RDONLY);
    if (handle === null) return null;
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  },

  async open(path) {
    const handle = await openPrivate(path, O_RDWR | O_APPEND);
    if (handle === null) return null;
    // A second name would let another place change what is appended to here.
    if ((await handle.stat()).nlink > 1) {
      await handle.close();
      throw notOwned(path, 'has more than one name (hard links)');
    }
    return new SystemFile(handle);
  },

  async create(path) {
    const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | SAFE, PRIVATE_FILE_MODE);
    // The umask can only take bits away; the owner needs both.
    if (HAS_MODES) await handle.chmod(PRIVATE_FILE_MODE);
    return new SystemFile(handle);
  },

  rename,
  link,

  async remove(path) {
    await unlink(path).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
    });
  },

  list: (directory) => readdir(directory),

  async syncDirectory(directory) {
    // Windows cannot open a directory; NTFS journals names itself.
    if (!HAS_MODES) return;
    const handle = await open(directory, O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
