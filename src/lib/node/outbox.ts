/**
 * What this node remembers of its dispatches, durably: the reason why its answer to "what do you know about this id?" is exact after any crash.
 *
 *   (unknown) ──► received ──► started ──► done ──► tombstone        unknown and received: provably not started
 *                     └────────────────────────────────┘             started: may have run; done: here is the outcome
 *
 * Memory changes at the call; the returned promise says when the disk agrees. Who waits for it, and before doing what, is the worker's business.
 * Always true:
 *   1. The store id is made with the journal and changes only when the journal was lost.
 *   2. A tombstone outlives every deadline (24 h) by days, so a late offer of a finished dispatch is recognised.
 *   3. At every instant one file on disk holds everything that was confirmed, also while the journal is rewritten.
 */
import { open as openFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { KnownDispatch } from '../base/link-messages.js';
import type { Log } from '../base/log.js';
import type { Random } from '../base/random.js';
import { RecordLog } from '../base/record-log.js';
import type { Outcome } from './executor.js';
import { OutboxTable, storeRecord, type OutboxEntry, type OutboxRecord, type Tombstone } from './outbox-table.js';

export const OUTBOX_FILE_NAME = 'outbox.journal';

/** A rewrite costs one pass over what is alive; below this size it is not worth it. */
const COMPACT_ABOVE_BYTES = 4 * 1024 * 1024;

export interface OutboxDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface OutboxOptions {
  /** Pin of the daemon's CA. */
  readonly daemon: string;
  readonly compactAboveBytes?: number;
}

export class Outbox {
  readonly #deps: OutboxDeps;
  readonly #path: string;
  readonly #table: OutboxTable;
  readonly #compactAbove: number;
  #journal: RecordLog;
  /** The next generation while the journal is being rewritten: every record goes to both. */
  #next: RecordLog | null = null;
  #compacting: Promise<void> = Promise.resolve();
  #compactAt: number;

  private constructor(deps: OutboxDeps, path: string, journal: RecordLog, table: OutboxTable, compactAbove: number) {
    this.#deps = deps;
    this.#path = path;
    this.#journal = journal;
    this.#table = table;
    this.#compactAbove = compactAbove;
    this.#compactAt = compactAbove;
  }

  /**
   * Opens or makes the journal in a private directory. What was kept for another daemon is of no use to this one: it is dropped, and the store is new.
   * Throws STATE_CORRUPT, STATE_VERSION_UNSUPPORTED or STORAGE_*.
   */
  static async open(directory: string, deps: OutboxDeps, options: OutboxOptions): Promise<Outbox> {
    const path = join(directory, OUTBOX_FILE_NAME);
    await rm(nextOf(path), { force: true });
    let { journal, table } = await load(path, deps.log);
    if (table.daemon !== null && table.daemon !== options.daemon) {
      deps.log.info('the outbox belongs to another daemon and is begun anew', { path });
      await journal.close();
      await rm(path);
      ({ journal, table } = await load(path, deps.log));
    }
    const outbox = new Outbox(deps, path, journal, table, options.compactAboveBytes ?? COMPACT_ABOVE_BYTES);
    try {
      if (table.storeId === null) {
        await outbox.#append(storeRecord(deps.random.bytes(16).toString('hex'), options.daemon, 0));
      }
      table.expire(deps.clock.now());
      return outbox;
    } catch (error) {
      await journal.close();
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

  sawEpoch(epoch: number): Promise<void> {
    if (epoch <= this.#table.lastEpoch) return Promise.resolve();
    return this.#append({ t: 'epoch', epoch });
  }

  received(entry: NewEntry): Promise<void> {
    return this.#append({ t: 'received', ...facts(entry), at: this.#deps.clock.now() });
  }

  /** Also for a dispatch that starts at once: one record says both. */
  started(entry: NewEntry): Promise<void> {
    return this.#append({ t: 'started', ...facts(entry), at: this.#deps.clock.now() });
  }

  /** The outcome is kept until the daemon confirms that it has it. Nothing happens when the dispatch was forgotten meanwhile. */
  done(id: string, outcome: Outcome): Promise<void> {
    const entry = this.#table.entries.get(id);
    if (entry === undefined) return Promise.resolve();
    return this.#append({ t: 'done', ...facts(entry), at: entry.at, outcome });
  }

  /** A later attempt of the same dispatch took over what is known. Memory only: after a crash the daemon names the attempt again. */
  adopt(id: string, attempt: number): void {
    this.#table.adopt(id, attempt);
  }

  /**
   * The daemon needs nothing more of it. `settled`: it has the outcome, so that no attempt may ever run again; otherwise a later attempt may, where running
   * twice is harmless or it never started.
   */
  forget(id: string, settled: boolean): Promise<void> {
    const entry = this.#table.entries.get(id);
    if (entry === undefined) return Promise.resolve();
    const again = !settled && (entry.idempotent || !hasStarted(entry));
    return this.#append({ t: 'gone', id, attempt: entry.attempt, again, at: this.#deps.clock.now() });
  }

  /** The record could not be written and nothing happened: as if the offer had never come. */
  discard(id: string): void {
    this.#table.entries.delete(id);
  }

  async close(): Promise<void> {
    await this.#compacting;
    await this.#journal.close();
  }

  #append(record: OutboxRecord): Promise<void> {
    this.#table.apply(record);
    const written = this.#journal.append(record);
    // A failed write to the next generation only ends the rewrite; the current one still holds everything.
    const mirrored = this.#next?.append(record).catch(() => undefined);
    if (this.#next === null && this.#journal.bytes > this.#compactAt) this.#compacting = this.#compact();
    return mirrored === undefined ? written : Promise.all([written, mirrored]).then(() => undefined);
  }

  /** Writes what is alive into a new file while both are appended to, then puts it in the place of the old one. Never rejects. */
  async #compact(): Promise<void> {
    const nextPath = nextOf(this.#path);
    this.#compactAt = Infinity;
    let next: RecordLog | null = null;
    try {
      next = (await RecordLog.open(nextPath)).log;
      // From here to the assignment nothing is awaited: the copy and the records that follow it have no gap.
      this.#table.expire(this.#deps.clock.now());
      const copied = this.#table.toRecords().map((record) => next!.append(record));
      this.#next = next;
      await Promise.all(copied);
      await next.flushed();
      await rename(nextPath, this.#path);
      await syncDirectory(join(this.#path, '..'));
      const old = this.#journal;
      this.#journal = next;
      this.#next = null;
      // What is alive may itself be large: the next rewrite waits until as much again was written.
      this.#compactAt = Math.max(this.#compactAbove, this.#journal.bytes * 2);
      await old.close().catch(() => undefined);
    } catch (error) {
      this.#next = null;
      this.#compactAt = this.#journal.bytes + this.#compactAbove;
      this.#deps.log.warn('the outbox could not be rewritten; it goes on growing', { err: error });
      await next?.close().catch(() => undefined);
      await rm(nextPath, { force: true }).catch(() => undefined);
    }
  }
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

async function load(path: string, log: Log): Promise<{ journal: RecordLog; table: OutboxTable }> {
  const { log: journal, records, truncatedBytes } = await RecordLog.open(path);
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

function nextOf(path: string): string {
  return `${path}.next`;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await openFile(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
