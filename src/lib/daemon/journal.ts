/**
 * The daemon's state on disk: a snapshot, and a journal of what changed since.
 *
 *   node-runtime.v1.json            the snapshot; names the last journal record it contains
 *   node-runtime.v1.journal         one line per list of changes, continuing the snapshot
 *   node-runtime.v1.previous.json   the snapshot before; for people who have to restore, never read here
 *
 * A snapshot replaces two files, one after the other, each in one atomic step; between any two steps the directory is a valid state:
 *
 *   journal confirmed up to the mark ─► old snapshot linked as previous ─► new snapshot ─► journal without what the snapshot contains
 *                                                                              │
 *                                                     a crash here leaves journal records that the snapshot contains: skipped
 *
 * It refuses to guess. A damaged snapshot or journal is STATE_CORRUPT with file and offset, and nothing is changed; only the end of a journal that a crash
 * cut short is cut off, because nobody was told that it was written.
 */
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { PalyraError } from '../base/errors.js';
import { CHAIN_START, corrupt } from '../base/record-chain.js';
import { RecordLog } from '../base/record-log.js';
import type { LogMark } from '../base/record-log.js';
import { isErrno, removeTemporaryFiles, replaceFile, synced, temporaryName, toStorageError } from '../base/state-fs.js';
import type { StateFs } from '../base/state-fs.js';
import { systemFs } from '../base/system-fs.js';
import { applyChanges, emptyTables } from '../runtime/state.js';
import type { Change, StateStore, StoreStatus, Tables } from '../runtime/state.js';
import { decodeSnapshot, encodeSnapshot } from './snapshot.js';

const BASE_NAME = 'node-runtime.v1';
export const NODE_RUNTIME_STATE_FILE_NAME = `${BASE_NAME}.json`;
export const NODE_RUNTIME_JOURNAL_FILE_NAME = `${BASE_NAME}.journal`;
export const NODE_RUNTIME_PREVIOUS_FILE_NAME = `${BASE_NAME}.previous.json`;

/** A start reads the whole journal: 8 MB take well under a second. */
const MAX_JOURNAL_BYTES = 8_000_000;
const MAX_JOURNAL_AGE_MS = 10 * 60_000;
/** After a snapshot that found no space, so that a full disk is not asked to take one every second. */
const SNAPSHOT_RETRY_MS = 60_000;

export interface FileStateStoreDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly fs?: StateFs;
}

export class FileStateStore implements StateStore {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #fs: StateFs;
  readonly #snapshotPath: string;
  readonly #journalPath: string;
  readonly #previousPath: string;
  #journal: RecordLog | null = null;
  #hasSnapshot = false;
  /** When the records in the journal began to be younger than a snapshot. */
  #generationAt = 0;
  #notBefore = 0;
  #running = 0;
  /** Snapshots are written one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `directory` is private already (`ensurePrivateDirectory`) and locked (`acquireLock`). */
  constructor(deps: FileStateStoreDeps, options: { readonly directory: string }) {
    this.#clock = deps.clock;
    this.#log = deps.log.scope('state');
    this.#fs = deps.fs ?? systemFs;
    this.#snapshotPath = join(options.directory, NODE_RUNTIME_STATE_FILE_NAME);
    this.#journalPath = join(options.directory, NODE_RUNTIME_JOURNAL_FILE_NAME);
    this.#previousPath = join(options.directory, NODE_RUNTIME_PREVIOUS_FILE_NAME);
  }

  /** Throws STATE_CORRUPT, STATE_VERSION_UNSUPPORTED, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED. */
  async load(): Promise<Tables> {
    if (this.#journal !== null) throw new PalyraError('INTERNAL', { cause: new Error('a state store is loaded once') });
    const bytes = await this.#guarded(() => this.#fs.read(this.#snapshotPath));
    const snapshot = bytes === null ? null : decodeSnapshot(bytes, this.#snapshotPath);
    if (snapshot === null) await this.#assertFirstStart();
    const opened = await RecordLog.open(this.#journalPath, {
      fs: this.#fs,
      clock: this.#clock,
      after: snapshot?.link ?? CHAIN_START,
      mustExist: snapshot !== null,
    });
    try {
      const tables = snapshot?.tables ?? emptyTables();
      foldRecords(tables, opened.records, this.#journalPath);
      await this.#guarded(() => removeTemporaryFiles(this.#fs, dirname(this.#snapshotPath), `${BASE_NAME}.`));
      if (opened.truncatedBytes > 0) {
        this.#log.warn('cut off an unfinished write at the end of the journal', {
          file: this.#journalPath,
          offset: opened.log.bytes,
          bytes: opened.truncatedBytes,
        });
      }
      this.#journal = opened.log;
      this.#hasSnapshot = snapshot !== null;
      this.#generationAt = snapshot?.writtenAt ?? this.#clock.now();
      return tables;
    } catch (error) {
      await opened.log.close();
      throw error;
    }
  }

  append(changes: readonly Change[]): Promise<void> {
    return this.#opened().append({ changes });
  }

  flushed(): Promise<void> {
    return this.#opened().flushed();
  }

  wantsSnapshot(now: number): boolean {
    const journal = this.#opened();
    if (this.#running > 0 || journal.records === 0 || this.#clock.monotonic() < this.#notBefore) return false;
    // The distance, so that a clock that was set back does not put snapshots off.
    return journal.bytes > MAX_JOURNAL_BYTES || Math.abs(now - this.#generationAt) > MAX_JOURNAL_AGE_MS;
  }

  /**
   * `tables` hold every change appended so far, confirmed or not, and no other. When one of those is refused nothing is written and the refusal is
   * thrown. STORAGE_FULL leaves everything as it was; STORAGE_FAILED ends the store.
   */
  snapshot(tables: Tables, now: number): Promise<void> {
    const journal = this.#opened();
    const mark = journal.mark();
    const bytes = encodeSnapshot({ tables, link: mark.link, writtenAt: now });
    // Asked now: it is about what is pending now, not about what is pending when it is this snapshot's turn.
    const confirmed = journal.flushed();
    this.#running++;
    const written = Promise.allSettled([this.#turn, confirmed])
      .then(() => confirmed)
      .then(() => this.#write(journal, mark, bytes))
      .then(() => {
        this.#generationAt = now;
      })
      .catch((error: unknown) => {
        this.#notBefore = this.#clock.monotonic() + SNAPSHOT_RETRY_MS;
        throw error;
      })
      .finally(() => {
        this.#running--;
      });
    this.#turn = written.catch(() => undefined);
    return written;
  }

  status(): StoreStatus {
    const journal = this.#opened();
    return { accepting: journal.accepting, journalBytes: journal.bytes, journalRecords: journal.records };
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#journal?.close();
  }

  #opened(): RecordLog {
    if (this.#journal === null)
      throw new PalyraError('INTERNAL', { cause: new Error('the state store is not loaded') });
    return this.#journal;
  }

  async #write(journal: RecordLog, mark: LogMark, bytes: Buffer): Promise<void> {
    if (journal.failure !== null) throw journal.failure;
    try {
      if (this.#hasSnapshot) await this.#keepPrevious();
      const file = await replaceFile(this.#fs, this.#snapshotPath, bytes);
      this.#hasSnapshot = true;
      await file.close();
    } catch (error) {
      const failure = toStorageError(error, this.#snapshotPath);
      if (failure.reason !== 'STORAGE_FULL') journal.fail(failure);
      throw failure;
    }
    await journal.dropUpTo(mark);
  }

  /** A second name for the current snapshot, so that at no time there is none. One that somebody removed meanwhile is no reason to write no other. */
  async #keepPrevious(): Promise<void> {
    const temporary = temporaryName(this.#previousPath);
    try {
      await this.#fs.link(this.#snapshotPath, temporary);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      this.#log.warn('the snapshot was removed while the daemon ran', { file: this.#snapshotPath });
      return;
    }
    await this.#fs.rename(temporary, this.#previousPath);
    await synced(this.#fs.syncDirectory(dirname(this.#previousPath)), this.#previousPath);
  }

  /** Without a snapshot there must not be a previous one: the newest was taken away, and the journal alone is not the state. */
  async #assertFirstStart(): Promise<void> {
    if ((await this.#guarded(() => this.#fs.read(this.#previousPath))) === null) return;
    throw corrupt(this.#snapshotPath, 0, `it is missing, but ${NODE_RUNTIME_PREVIOUS_FILE_NAME} is there`);
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toStorageError(error, dirname(this.#snapshotPath));
    }
  }
}

/** Applies what a journal holds to the tables before it. Throws STATE_CORRUPT for a record that does not fit them. */
export function foldRecords(tables: Tables, records: readonly unknown[], journalPath: string): void {
  for (const [index, record] of records.entries()) {
    try {
      applyChanges(tables, (record as { readonly changes: readonly Change[] }).changes);
    } catch (error) {
      throw new PalyraError('STATE_CORRUPT', {
        detail: `${journalPath}: record ${index + 1} after the snapshot does not fit the tables`,
        details: { file: journalPath, record: index + 1 },
        cause: error,
      });
    }
  }
}
