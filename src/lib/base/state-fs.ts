/**
 * The few file operations that durable state is made of, as a port: the machine's own (`system-fs.ts`) and a disk in memory that crashes, fills and
 * fails on command (`test/support/fault-fs.ts`). Nothing here decides what is stored.
 *
 * What an implementation promises:
 *   1. Bytes are durable after `sync`; a created, renamed, linked or removed name is durable after `syncDirectory`.
 *   2. `rename` is atomic: the target is the old file or the new one, never neither.
 *   3. Everything created is private to the user (0600), and nothing is opened through a symbolic link.
 */
import { dirname, join } from 'node:path';
import { PalyraError } from './errors.js';

export interface StateFile {
  /** Writes at the end. May write less than it was given; returns how much. */
  append(data: Uint8Array): Promise<number>;
  size(): Promise<number>;
  /** `length` bytes from `position`, or fewer at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
  truncate(length: number): Promise<void>;
  /** Resolves when content and length are on the disk. A failure must never be retried: the kernel may have dropped the pages. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface StateFs {
  /** The whole file, or null when there is none. */
  read(path: string): Promise<Buffer | null>;
  /** An existing file for appending, or null when there is none. */
  open(path: string): Promise<StateFile | null>;
  /** A new file for appending; fails when the name exists. */
  create(path: string): Promise<StateFile>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for the same file; fails when the name exists. */
  link(from: string, to: string): Promise<void>;
  /** Harmless when there is no such file. */
  remove(path: string): Promise<void>;
  /** Names in a directory, unsorted. */
  list(directory: string): Promise<string[]>;
  syncDirectory(directory: string): Promise<void>;
}

/** What a crash in the middle of a replacement leaves behind. `removeTemporaryFiles` clears it away. */
export const TEMPORARY_SUFFIX = '.tmp';

/** A name beside `path` that nobody else uses. */
export function temporaryName(path: string): string {
  // Loaded here: most commands write no file, and all of them read one.
  const { randomBytes } = process.getBuiltinModule('node:crypto');
  return `${path}.${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`;
}

/** Removes what crashed replacements of `prefix…` left in the directory. Only while no replacement is running. */
export async function removeTemporaryFiles(fs: StateFs, directory: string, prefix: string): Promise<void> {
  for (const name of await fs.list(directory)) {
    if (name.startsWith(prefix) && name.endsWith(TEMPORARY_SUFFIX)) await fs.remove(join(directory, name));
  }
}

/** Writes all of it, however short the single writes are. */
export async function appendAll(file: StateFile, data: Uint8Array): Promise<void> {
  let done = 0;
  while (done < data.length) {
    const written = await file.append(data.subarray(done));
    if (written === 0) throw Object.assign(new Error('the disk took no bytes'), { code: 'EIO' });
    done += written;
  }
}

/**
 * Puts `data` in the place of `path`, all or nothing, durable when it resolves: temporary file, fsync, rename, fsync of the directory.
 * Returns the new file, open for appending; the caller closes it. Throws STORAGE_FULL before anything was replaced, and may be tried again later, or
 * STORAGE_FAILED, after which what is on the disk is uncertain.
 */
export async function replaceFile(fs: StateFs, path: string, data: Uint8Array): Promise<StateFile> {
  const temporary = temporaryName(path);
  let file: StateFile | null = null;
  try {
    file = await fs.create(temporary);
    await appendAll(file, data);
    await synced(file.sync(), path);
    await fs.rename(temporary, path);
    await synced(fs.syncDirectory(dirname(path)), path);
    return file;
  } catch (error) {
    // Best effort: the first error is the one that counts, and the next start removes leftovers.
    await file?.close().catch(() => undefined);
    await fs.remove(temporary).catch(() => undefined);
    throw toStorageError(error, path);
  }
}

/** A failed fsync is STORAGE_FAILED whatever its errno says: even "no space" then means that confirmed pages may be gone. */
export async function synced(sync: Promise<void>, path: string): Promise<void> {
  try {
    await sync;
  } catch (error) {
    throw new PalyraError('STORAGE_FAILED', { detail: `${path}: fsync failed${errnoSuffix(error)}`, cause: error });
  }
}

/** STORAGE_FULL for "no space" and "over quota", STORAGE_FAILED for the rest; a PalyraError stays what it is. */
export function toStorageError(error: unknown, path: string): PalyraError {
  if (error instanceof PalyraError) return error;
  const full = isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT');
  return new PalyraError(full ? 'STORAGE_FULL' : 'STORAGE_FAILED', {
    detail: `${path}${errnoSuffix(error)}`,
    cause: error,
  });
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

function errnoSuffix(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === undefined ? '' : ` (${code})`;
}
