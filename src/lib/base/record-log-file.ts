/** How a log is found at a start: read, checked, freed of a torn write, and durable before anybody sees what it says. */
import { dirname } from 'node:path';
import { corrupt, scanRecords } from './record-chain.js';
import type { ChainLink, ScannedLog } from './record-chain.js';
import { synced, toStorageError } from './state-fs.js';
import type { StateFile, StateFs } from './state-fs.js';

export interface OpenedLogFile {
  /** Open for appending, ending after the last whole record. The caller closes it. */
  readonly file: StateFile;
  readonly scan: ScannedLog;
  readonly truncatedBytes: number;
}

/** Makes an empty log when there is none, unless it must exist. Throws STATE_CORRUPT, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED. */
export async function openLogFile(
  fs: StateFs,
  path: string,
  after: ChainLink,
  mustExist: boolean,
): Promise<OpenedLogFile> {
  let file: StateFile | null = null;
  try {
    file = await fs.open(path);
    if (file === null && mustExist) throw corrupt(path, 0, `it is missing, but record ${after.seq} was confirmed`);
    file ??= await fs.create(path);
    const bytes = await file.read(0, await file.size());
    const scan = scanRecords(bytes, path, after);
    if (scan.goodBytes < bytes.length) await file.truncate(scan.goodBytes);
    // Also when nothing was cut: a process that was killed may have written whole records and never synced them.
    await synced(file.sync(), path);
    await synced(fs.syncDirectory(dirname(path)), path);
    return { file, scan, truncatedBytes: bytes.length - scan.goodBytes };
  } catch (error) {
    await file?.close().catch(() => undefined);
    throw toStorageError(error, path);
  }
}
