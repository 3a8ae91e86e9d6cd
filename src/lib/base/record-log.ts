/**
 * An append-only log on one file, durable before it is confirmed. The text form is `record-chain.ts`.
 *
 *   append ─► pending ─► one write, one fsync for all of them ─► confirmed, in order
 *                             │
 *                             ├─ no space: cut back to what is confirmed, everything pending is refused (STORAGE_FULL), tried again after a second
 *                             └─ anything else: failed for good (STORAGE_FAILED), nothing more is written
 *
 * Always true (test/fault/journal-crash.test.ts):
 *   1. What a crash leaves is a prefix of what was appended, and holds every confirmed record.
 *   2. A record refused with STORAGE_FULL is never read back; neither is one that was appended behind it before the refusal was known.
 *   3. After a failed fsync nothing is written again. Records refused with STORAGE_FAILED may or may not be there at the next start.
 */
import { systemClock } from './clock.js';
import type { Clock } from './clock.js';
import { PalyraError } from './errors.js';
import { Deferred, endOfTurn } from './lifecycle.js';
import { CHAIN_START, encodeRecord } from './record-chain.js';
import type { ChainLink } from './record-chain.js';
import { openLogFile } from './record-log-file.js';
import { appendAll, replaceFile, synced, toStorageError } from './state-fs.js';
import type { StateFile, StateFs } from './state-fs.js';
import { systemFs } from './system-fs.js';

export interface RecordLogOptions {
  readonly fs?: StateFs;
  /** Measures the pause after a full disk. */
  readonly clock?: Clock;
  /** What the log continues, from a snapshot; records up to it are checked and skipped. Default: the beginning. */
  readonly after?: ChainLink;
  /** True: a missing file is STATE_CORRUPT, not a new log. */
  readonly mustExist?: boolean;
}

export interface OpenedLog<T = unknown> {
  readonly log: RecordLog;
  /** In order, without those up to `after`. */
  readonly records: T[];
  /** Length of the torn write that was cut off; 0 after a clean stop. */
  readonly truncatedBytes: number;
}

/** A place between two records, for `dropUpTo`. */
export interface LogMark {
  readonly link: ChainLink;
  /** Bytes and records appended before it since the log was opened, dropped ones included. */
  readonly position: number;
  readonly records: number;
}

interface Pending {
  readonly line: Buffer;
  readonly link: ChainLink;
  readonly done: Deferred<void>;
}

/** A disk that cannot keep up fills memory instead: beyond this appends are refused with STORAGE_FULL. Room for 64 results of 1 MiB. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** How often a full disk is tried again. */
const FULL_RETRY_MS = 1_000;

export class RecordLog {
  readonly #fs: StateFs;
  readonly #clock: Clock;
  readonly #path: string;
  #file: StateFile;
  /** Confirmed: the last record, the length of the file, the records in it. */
  #confirmed: ChainLink;
  #bytes: number;
  #records: number;
  /** What was dropped from the front since the log was opened. */
  #dropped = { bytes: 0, records: 0 };
  /** The last record given out, confirmed or not. */
  #head: ChainLink;
  #pending: Pending[] = [];
  /** Everything not yet confirmed, the batch being written included. */
  #unconfirmed = { bytes: 0, records: 0 };
  #last: Deferred<void> | null = null;
  #flushScheduled = false;
  /** The file has one user at a time; this is the end of the queue. */
  #turn: Promise<unknown> = Promise.resolve();
  #fullSince: number | null = null;
  #overloaded = false;
  #failure: PalyraError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(
    path: string,
    file: StateFile,
    fs: StateFs,
    clock: Clock,
    state: { head: ChainLink; bytes: number; records: number },
  ) {
    this.#path = path;
    this.#file = file;
    this.#fs = fs;
    this.#clock = clock;
    this.#head = this.#confirmed = state.head;
    this.#bytes = state.bytes;
    this.#records = state.records;
  }

  /**
   * Reads the log, or makes an empty one, and cuts off a torn write at its end. What it returns is durable.
   * Throws STATE_CORRUPT with file and offset, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED.
   */
  static async open(path: string, options: RecordLogOptions = {}): Promise<OpenedLog> {
    const fs = options.fs ?? systemFs;
    const { file, scan, truncatedBytes } = await openLogFile(
      fs,
      path,
      options.after ?? CHAIN_START,
      options.mustExist ?? false,
    );
    const state = { head: scan.head, bytes: scan.goodBytes, records: scan.lines };
    const log = new RecordLog(path, file, fs, options.clock ?? systemClock, state);
    return { log, records: scan.values, truncatedBytes };
  }

  /** Length of the file, confirmed records only. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Confirmed records in the file. */
  get records(): number {
    return this.#records;
  }

  /** False while appends are refused: the disk is full or too slow and its next trial is not due, or the log failed. */
  get accepting(): boolean {
    return this.#failure === null && !this.#isPaused() && this.#unconfirmed.bytes < MAX_PENDING_BYTES;
  }

  /** Why the log ended, or null. */
  get failure(): PalyraError | null {
    return this.#failure;
  }

  /**
   * Resolves when the record is durable; records become durable in call order. The record is encoded at once and may be changed afterwards.
   * A refusal comes after every earlier append was settled, and the second after it is a pause: nothing that was decided on top of a refused record
   * can slip in before the caller knows.
   */
  append(record: unknown): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#unconfirmed.bytes >= MAX_PENDING_BYTES) this.#overload();
    if (this.#isPaused()) return this.#refuseLater();
    const { line, link } = encodeRecord(record, this.#head);
    const done = new Deferred<void>();
    this.#head = link;
    this.#last = done;
    this.#pending.push({ line, link, done });
    this.#unconfirmed.bytes += line.length;
    this.#unconfirmed.records += 1;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      // Everything appended in one turn of the event loop shares one fsync.
      void this.#inTurn(async () => {
        await endOfTurn();
        await this.#flush();
      });
    }
    return done.promise;
  }

  /** Resolves when everything appended so far is durable, at once when nothing is pending; rejects when the last of it was refused. */
  flushed(): Promise<void> {
    return this.#unconfirmed.records === 0 || this.#last === null ? Promise.resolve() : this.#last.promise;
  }

  /** The place after everything appended so far, confirmed or not. */
  mark(): LogMark {
    return {
      link: this.#head,
      position: this.#dropped.bytes + this.#bytes + this.#unconfirmed.bytes,
      records: this.#dropped.records + this.#records + this.#unconfirmed.records,
    };
  }

  /**
   * Forgets the records up to `mark` by putting a file with the rest in the place of the log. The caller has made them redundant, durably, and has seen
   * `flushed` resolve after it took the mark. Appends go on meanwhile. Throws STORAGE_FULL with the log as before, or STORAGE_FAILED, which ends the log.
   */
  dropUpTo(mark: LogMark): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#failure !== null) throw this.#failure;
      const offset = mark.position - this.#dropped.bytes;
      if (offset <= 0) return;
      try {
        const rest = await this.#file.read(offset, this.#bytes - offset);
        const old = this.#file;
        this.#file = await replaceFile(this.#fs, this.#path, rest);
        this.#bytes = rest.length;
        this.#records -= mark.records - this.#dropped.records;
        this.#dropped = { bytes: mark.position, records: mark.records };
        await old.close().catch(() => undefined);
      } catch (error) {
        const failure = toStorageError(error, this.#path);
        if (failure.reason !== 'STORAGE_FULL') this.fail(failure);
        throw failure;
      }
    });
  }

  /** Ends the log: the disk under it cannot be trusted any more. Everything pending is rejected with `error`, and so is every later append. */
  fail(error: PalyraError): void {
    this.#failure ??= error;
    this.#refuse([], this.#failure);
  }

  /** Waits for what is pending and closes the file. Later appends are rejected. Safe to call more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#inTurn(async () => {
      await this.#flush();
      this.#failure ??= new PalyraError('STORAGE_FAILED', { detail: `${this.#path} is closed` });
      await this.#file.close();
    });
    return this.#closing;
  }

  #isPaused(): boolean {
    return this.#overloaded || (this.#fullSince !== null && this.#clock.monotonic() - this.#fullSince < FULL_RETRY_MS);
  }

  /** Too much is pending: nothing more until all of that is settled, and then the pause of a full disk. */
  #overload(): void {
    if (this.#overloaded) return;
    this.#overloaded = true;
    void this.flushed()
      .catch(() => undefined)
      .then(() => {
        this.#overloaded = false;
        this.#fullSince = this.#clock.monotonic();
      });
  }

  async #refuseLater(): Promise<never> {
    await this.flushed().catch(() => undefined);
    throw this.#failure ?? new PalyraError('STORAGE_FULL', { detail: this.#path });
  }

  /** Runs `work` when everything before it is done with the file. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Writes until nothing is pending. Never throws. */
  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      await this.#commit(batch);
    }
    this.#flushScheduled = false;
  }

  async #commit(batch: readonly Pending[]): Promise<void> {
    const data = batch.length === 1 ? (batch[0] as Pending).line : Buffer.concat(batch.map((entry) => entry.line));
    try {
      await appendAll(this.#file, data);
      await synced(this.#file.sync(), this.#path);
    } catch (error) {
      await this.#recover(batch, toStorageError(error, this.#path));
      return;
    }
    this.#fullSince = null;
    this.#confirmed = (batch.at(-1) as Pending).link;
    this.#bytes += data.length;
    this.#records += batch.length;
    this.#unconfirmed.bytes -= data.length;
    this.#unconfirmed.records -= batch.length;
    for (const { done } of batch) done.resolve();
  }

  /** After a failed write: back to what is confirmed when the disk is full, else the end. */
  async #recover(batch: readonly Pending[], error: PalyraError): Promise<void> {
    let reason = error;
    if (error.reason === 'STORAGE_FULL' && this.#failure === null) {
      // Paused until the clean-up is over: a record encoded now would continue one that is about to be refused.
      this.#fullSince = Infinity;
      try {
        await this.#file.truncate(this.#bytes);
        await synced(this.#file.sync(), this.#path);
        this.#fullSince = this.#clock.monotonic();
      } catch (cause) {
        reason = new PalyraError('STORAGE_FAILED', {
          detail: `${this.#path}: cutting off a failed write failed`,
          cause,
        });
      }
    }
    if (reason.reason !== 'STORAGE_FULL') this.#failure ??= reason;
    this.#refuse(batch, this.#failure ?? reason);
  }

  /** Rejects `batch` and everything behind it: later records may build on refused ones. */
  #refuse(batch: readonly Pending[], error: PalyraError): void {
    const refused = [...batch, ...this.#pending];
    this.#pending = [];
    for (const { line } of refused) this.#unconfirmed.bytes -= line.length;
    this.#unconfirmed.records -= refused.length;
    this.#head = this.#confirmed;
    for (const { done } of refused) done.reject(error);
  }
}
