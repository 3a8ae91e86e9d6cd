/**
 * What this node remembers of its dispatches, durably: the reason why its answer to "what do you know about this id?" is exact after any crash.
 *
 *   (unknown) ──► received ──► started ──► done ──► tombstone        unknown and received: provably not started
 *                     └────────────────────────────────┘             started: may have run; done: here is the outcome
 *
 * Memory changes at the call, the disk follows in the same order. The two records that something may have to wait for return a promise; what to wait for is
 * the worker's business. A record that cannot be written is reported once, to `onFailed`.
 * Always true:
 *   1. The store id is made with the journal and changes only when the journal was lost.
 *   2. A tombstone outlives every deadline (24 h) by days, so a late offer of a finished dispatch is recognised.
 *   3. At every instant one file on disk holds everything that was confirmed, also while the journal is rewritten.
 */
import { dirname, join } from 'node:path';

import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { KnownDispatch } from '../base/link-messages.js';
import type { Log } from '../base/log.js';
import type { Random } from '../base/random.js';
import { RecordLog } from '../base/record-log.js';
import { synced, toStorageError, type StateFs } from '../base/state-fs.js';
import { systemFs } from '../base/system-fs.js';
import type { Outcome } from './executor.js';
import { NextGeneration } from './outbox-generation.js';
import { OutboxTable, storeRecord, type OutboxEntry, type OutboxRecord, type Tombstone } from './outbox-table.js';

export const OUTBOX_FILE_NAME = 'outbox.journal';

/** A rewrite costs one pass over what is alive; below this size it is not worth it. */
const COMPACT_ABOVE_BYTES = 4 * 1024 * 1024;

export interface OutboxDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A record is not on disk: STORAGE_FULL, which may pass, or STORAGE_FAILED, which does not. Memory holds it all the same. */
  readonly onFailed: (error: PalyraError) => void;
}

export interface OutboxOptions {
  /** Pin of the daemon's CA. */
  readonly daemon: string;
  readonly compactAboveBytes?: number;
  readonly fs?: StateFs;
}

export class Outbox {
  readonly #deps: OutboxDeps;
  readonly #path: string;
  readonly #fs: StateFs;
  readonly #table: OutboxTable;
  readonly #compactAbove: number;
  #journal: RecordLog;
  /** The next generation while the journal is being rewritten: every record goes to both. */
  #next: NextGeneration | null = null;
  #compacting: Promise<void> = Promise.resolve();
  #compactAt: number;
  #closing = false;

  private constructor(deps: OutboxDeps, path: string, opened: LoadedJournal, options: OutboxOptions) {
    this.#deps = deps;
    this.#path = path;
    this.#fs = options.fs ?? systemFs;
    this.#journal = opened.journal;
    this.#table = opened.table;
    this.#compactAbove = options.compactAboveBytes ?? COMPACT_ABOVE_BYTES;
    this.#compactAt = this.#compactAbove;
  }

  /**
   * Opens or makes the journal in a private directory. What was kept for another daemon is of no use to this one: it is dropped, and the store is new.
   * Throws STATE_CORRUPT, STATE_VERSION_UNSUPPORTED or STORAGE_*.
   */
  static async open(directory: string, deps: OutboxDeps, options: OutboxOptions): Promise<Outbox> {
    const { fs = systemFs, daemon } = options;
    const path = join(directory, OUTBOX_FILE_NAME);
    await remove(fs, nextOf(path));
    let opened = await load(path, fs, deps.log);
    if (opened.table.daemon !== null && opened.table.daemon !== daemon) {
      deps.log.info('the outbox belongs to another daemon and is begun anew', { path });
      await opened.journal.close();
      await remove(fs, path);
      opened = await load(path, fs, deps.log);
    }
    try {
      const outbox = new Outbox(deps, path, opened, options);
      if (opened.table.storeId === null) {
        await outbox.#append(storeRecord(deps.random.bytes(16).toString('hex'), daemon, 0));
      }
      opened.table.expire(deps.clock.now());
      return outbox;
    } catch (error) {
      await opened.journal.close();
      throw error;
    }
  }

  /** Identity of this memory; a daemon that sees another one knows that everything was forgotten. */
  get storeId(): string {
    return this.#table.storeId!;
  }

  /** Highest session epoch ever seen. */
  get lastEpoch(): number {
    return this.#table.lastEpoch;
  }

  get(id: string): OutboxEntry | undefined {
    return this.#table.entries.get(id);
  }

  tombstone(id: string): Tombstone | undefined {
    return this.#table.tombstones.get(id);
  }

  entries(): IterableIterator<OutboxEntry> {
    return this.#table.entries.values();
  }

  /** For a Hello, newest last. `alive` says whether this process still works on it. */
  known(alive: (id: string) => boolean): KnownDispatch[] {
    return this.#table.known(alive);
  }

  sawEpoch(epoch: number): void {
    if (epoch > this.#table.lastEpoch) this.#note({ t: 'epoch', epoch });
  }

  received(entry: NewEntry): Promise<void> {
    return this.#append({ t: 'received', ...facts(entry), at: this.#deps.clock.now() });
  }

  /** Also for a dispatch that starts at once: one record says both. */
  started(entry: NewEntry): Promise<void> {
    return this.#append({ t: 'started', ...facts(entry), at: this.#deps.clock.now() });
  }

  /** The outcome is kept until the daemon confirms that it has it. Nothing happens when the dispatch was forgotten meanwhile. */
  done(id: string, outcome: Outcome): void {
    const entry = this.#table.entries.get(id);
    if (entry !== undefined) this.#note({ t: 'done', ...facts(entry), at: entry.at, outcome });
  }

  /** A later attempt of the same dispatch took over what is known. Memory only: after a crash the daemon names the attempt again. */
  adopt(id: string, attempt: number): void {
    this.#table.adopt(id, attempt);
  }

  /**
   * The daemon needs nothing more of it. `settled`: it has the outcome, so that no attempt may ever run again; otherwise a later attempt may, where running
   * twice is harmless or it never started.
   */
  forget(id: string, settled: boolean): void {
    const entry = this.#table.entries.get(id);
    if (entry === undefined) return;
    const again = !settled && (entry.idempotent || !hasStarted(entry));
    this.#note({ t: 'gone', id, attempt: entry.attempt, again, at: this.#deps.clock.now() });
  }

  /** The record could not be written and nothing happened: as if the offer had never come. */
  discard(id: string): void {
    const entry = this.#table.entries.get(id);
    if (entry === undefined) return;
    this.#table.entries.delete(id);
    // A rewrite has two files: the one may hold what the other refused, and either may be the one that stays.
    const gone = { t: 'gone', id, attempt: entry.attempt, again: true, at: this.#deps.clock.now() } as const;
    for (const told of [this.#journal.append(gone), this.#next?.mirror(gone)]) told?.catch(() => undefined);
  }

  /** Resolves when everything told so far is on disk; rejects when the last of it cannot be written. */
  flushed(): Promise<void> {
    return this.#journal.flushed();
  }

  /** What abandoned handlers still tell after this is not written, and nobody's failure. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#compacting;
    await this.#journal.close();
  }

  /** For records that nothing waits for. */
  #note(record: OutboxRecord): void {
    this.#append(record).catch(() => undefined);
  }

  async #append(record: OutboxRecord): Promise<void> {
    this.#table.apply(record);
    const written = this.#journal.append(record);
    const mirrored = this.#next?.mirror(record);
    if (this.#next === null && this.#journal.bytes > this.#compactAt) this.#compacting = this.#compact();
    try {
      await Promise.all([written, mirrored]);
    } catch (error) {
      const failure = PalyraError.from(error, 'STORAGE_FAILED');
      if (!this.#closing) this.#deps.onFailed(failure);
      throw failure;
    }
  }

  /** Writes what is alive into a new file while both are appended to, then puts it in the place of the old one. Never rejects. */
  async #compact(): Promise<void> {
    const nextPath = nextOf(this.#path);
    this.#compactAt = Infinity;
    let next: NextGeneration | null = null;
    try {
      next = new NextGeneration((await RecordLog.open(nextPath, { fs: this.#fs })).log);
      // From here to the assignment nothing is awaited: the copy and the records that follow it have no gap.
      this.#table.expire(this.#deps.clock.now());
      const copied = Promise.all(this.#table.toRecords().map((record) => next!.mirror(record)));
      this.#next = next;
      await copied;
      await next.journal.flushed();
      next.takeOver();
      await this.#fs.rename(nextPath, this.#path);
    } catch (error) {
      this.#next = null;
      this.#compactAt = this.#journal.bytes + this.#compactAbove;
      this.#deps.log.warn('the outbox could not be rewritten; it goes on growing', { err: error });
      await next?.journal.close().catch(() => undefined);
      await remove(this.#fs, nextPath).catch(() => undefined);
      return;
    }
    const old = this.#journal;
    try {
      await synced(this.#fs.syncDirectory(dirname(this.#path)), this.#path);
    } catch (error) {
      // A crash may bring the old file back: nothing that only the new one holds may be confirmed.
      const failure = toStorageError(error, this.#path);
      next.journal.fail(failure);
      this.#deps.onFailed(failure);
    }
    this.#journal = next.journal;
    this.#next = null;
    // What is alive may itself be large: the next rewrite waits until as much again was written.
    this.#compactAt = Math.max(this.#compactAbove, this.#journal.bytes * 2);
    await old.close().catch(() => undefined);
  }
}

interface LoadedJournal {
  readonly journal: RecordLog;
  readonly table: OutboxTable;
}

export interface NewEntry {
  readonly id: string;
  readonly attempt: number;
  readonly capability: string;
  readonly idempotent: boolean;
}

function facts({ id, attempt, capability, idempotent }: NewEntry): NewEntry {
  return { id, attempt, capability, idempotent };
}

function hasStarted(entry: OutboxEntry): boolean {
  if (entry.outcome?.kind === 'cancelled') return entry.outcome.started;
  if (entry.outcome?.kind === 'result') return entry.outcome.state !== 'denied';
  return entry.phase !== 'received';
}

async function load(path: string, fs: StateFs, log: Log): Promise<LoadedJournal> {
  const { log: journal, records, truncatedBytes } = await RecordLog.open(path, { fs });
  if (truncatedBytes > 0) log.warn('the end of the outbox was torn and was cut', { path, truncatedBytes });
  const table = new OutboxTable();
  try {
    for (const record of records) table.apply(record as OutboxRecord);
    return { journal, table };
  } catch (error) {
    await journal.close();
    if (error instanceof PalyraError) throw error;
    throw new PalyraError('STATE_CORRUPT', { detail: path, details: { file: path }, cause: error });
  }
}

async function remove(fs: StateFs, path: string): Promise<void> {
  await fs.remove(path).catch((error: unknown) => {
    throw toStorageError(error, path);
  });
}

function nextOf(path: string): string {
  return `${path}.next`;
}
