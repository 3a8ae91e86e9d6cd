/**
 * Files written together: all of them, or after `undo` none. A file that is already as wanted is not touched, one that was there before comes back as it
 * was, and directories that were made for it go again when they are empty.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { toStorageError } from '../../base/state-fs.js';
import type { ServiceFile } from './supervisor.js';

interface Before {
  readonly path: string;
  readonly text: Buffer | null;
  readonly mode: number;
  /** Made for this file, outermost first. */
  readonly directories: readonly string[];
}

const HAS_MODES = process.platform !== 'win32';

/** Whether it is there with that text. */
export function isWritten({ path, text }: ServiceFile): boolean {
  return existsSync(path) && readFileSync(path).equals(Buffer.from(text as string));
}

export class FileChanges {
  readonly #before: Before[] = [];

  /** The files that differed, in order. */
  get written(): readonly string[] {
    return this.#before.map(({ path }) => path);
  }

  /** Replaces the file as a whole. Throws STORAGE_FULL or STORAGE_FAILED. */
  write(file: ServiceFile): void {
    const { path, mode } = file;
    const wanted = Buffer.from(file.text as string);
    const text = existsSync(path) ? readFileSync(path) : null;
    const oldMode = text === null ? mode : statSync(path).mode & 0o777;
    if (text?.equals(wanted) === true && (!HAS_MODES || oldMode === mode)) return;
    const directories = missingAbove(path);
    this.#before.push({ path, text, mode: oldMode, directories });
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      replace(path, wanted, mode);
    } catch (error) {
      throw toStorageError(error, path);
    }
  }

  /** Newest first. What cannot be undone is left, and the error that led here is the one to tell. */
  undo(): void {
    for (const { path, text, mode, directories } of this.#before.splice(0).reverse()) {
      try {
        if (text === null) removeFile(path, directories);
        else replace(path, text, mode);
      } catch {
        // Best effort.
      }
    }
  }
}

/** Removes a file and then each of the directories that is empty, innermost first. */
export function removeFile(path: string, directories: readonly string[]): void {
  rmSync(path, { force: true });
  for (const directory of [...directories].reverse()) {
    try {
      rmdirSync(directory);
    } catch {
      return;
    }
  }
}

function missingAbove(path: string): string[] {
  const missing: string[] = [];
  for (let directory = dirname(path); !existsSync(directory); directory = dirname(directory))
    missing.unshift(directory);
  return missing;
}

function replace(path: string, text: Buffer, mode: number): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode });
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
