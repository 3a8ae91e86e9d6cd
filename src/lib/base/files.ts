/**
 * Private files and directories: keys, identities and state. Directories are 0700, files 0600, both owned by this user; symbolic links are refused, and
 * what belongs to somebody else is never repaired, only named. Writing replaces a file as a whole or not at all.
 */
import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isErrno, replaceFile, toStorageError } from './state-fs.js';
import { assertOwner, notOwned, systemFs } from './system-fs.js';

const PRIVATE_DIRECTORY_MODE = 0o700;
const HAS_MODES = process.platform !== 'win32';

/**
 * Makes sure `path` is a directory that only this user can enter; makes it, and its parents, when missing.
 * Wider permissions are narrowed to 0700 through the opened directory, so that a swapped name cannot redirect it.
 * Throws STATE_NOT_OWNED for a symbolic link, another kind of file, another owner, or permissions that cannot be narrowed.
 */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  // Resolved because a trailing slash would follow a link in spite of O_NOFOLLOW.
  const directory = resolve(path);
  try {
    await mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
  } catch (error) {
    // EEXIST: something else has this name; opening it says what.
    if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM') || isErrno(error, 'ENOTDIR')) {
      throw notOwned(directory, 'cannot be created by this user', error);
    }
    if (!isErrno(error, 'EEXIST') && !isErrno(error, 'ENOENT')) throw toStorageError(error, directory);
  }
  if (!HAS_MODES) return;
  const handle = await openDirectory(directory);
  try {
    const stats = await handle.stat();
    assertOwner(directory, stats);
    if ((stats.mode & 0o777) === PRIVATE_DIRECTORY_MODE) return;
    await handle.chmod(PRIVATE_DIRECTORY_MODE).catch(() => undefined);
    const { mode } = await handle.stat();
    if ((mode & 0o077) !== 0) {
      throw notOwned(
        directory,
        `can be entered by others (mode ${(mode & 0o777).toString(8)}) and that cannot be changed`,
      );
    }
  } finally {
    await handle.close();
  }
}

async function openDirectory(directory: string): Promise<FileHandle> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  try {
    return await open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    // Linux answers ENOTDIR for a link when both flags are given, others ELOOP.
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ELOOP') || isErrno(error, 'ENOENT')) {
      throw notOwned(directory, 'is a symbolic link or not a directory', error);
    }
    throw notOwned(directory, 'cannot be opened by this user', error);
  }
}

/** The whole file, or null when there is none. Throws STATE_NOT_OWNED when others could have written or can read it, or when it is no regular file. */
export function readPrivateFile(path: string): Promise<Buffer | null> {
  return systemFs.read(path);
}

/**
 * Replaces `path` with `data`, mode 0600, durable when it resolves. A reader sees the old content or the new one. A link in the place of `path` is
 * replaced, never followed. Two writers of one path at a time are safe: the last rename wins. Throws STORAGE_FULL or STORAGE_FAILED.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const file = await replaceFile(systemFs, path, typeof data === 'string' ? Buffer.from(data) : data);
  await file.close();
}
