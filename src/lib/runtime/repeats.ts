/**
 * What requests with a key of their own have done, so that it is not done again after a restart: one row a request, written in the very transaction that
 * does it, and later the answer it got. What is in a row is sealed by whoever keeps it here (`daemon/http/kept-answers.ts`); this class reads none of it.
 *
 * The first transaction that a request commits takes the mark along: an async context says which request that is, because what decides knows nothing of HTTP.
 * Nothing is marked for a request that changed nothing, and a mark is taken back when its request was refused after all.
 *
 * Bounded by age, by count and by bytes; the oldest go first.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { RuntimeCore } from './core.js';
import type { RepeatRecord } from './state.js';
import type { Transaction } from './transaction.js';

export const REPEAT_TTL_MS = 86_400_000;
export const MAX_REPEATS = 10_000;
/** Of sealed answers, all together: they are in memory and in every snapshot. */
export const MAX_REPEAT_BYTES = 8 * 1024 * 1024;

/** A request at work. */
interface Pending {
  readonly row: Omit<RepeatRecord, 'at'>;
  marked: boolean;
  /** What it started by the way (timers) runs in its context for ever, and is not it. */
  over: boolean;
}

export class Repeats {
  readonly #core: RuntimeCore;
  readonly #context = new AsyncLocalStorage<Pending>();
  #bytes: number;

  constructor(core: RuntimeCore) {
    this.#core = core;
    this.#bytes = bytesOf(core.tables.repeats.values());
    core.marker = (tx) => this.#mark(tx);
  }

  find(id: string): RepeatRecord | null {
    const row = this.#core.tables.repeats.get(id);
    return row === undefined || row.at + REPEAT_TTL_MS <= this.#core.now().wall ? null : row;
  }

  /** Runs a request; `marked` says that it did something, and that the row is durable with it. Rejects with what `work` rejects with. */
  async around<T>(
    row: Pending['row'],
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly marked: boolean }> {
    const pending: Pending = { row, marked: false, over: false };
    try {
      const result = await this.#context.run(pending, work);
      return { result, marked: pending.marked };
    } catch (error) {
      if (pending.marked) this.#forget(row.id);
      throw error;
    } finally {
      pending.over = true;
    }
  }

  /** The answer of a request that was marked; resolves when it is durable. Throws what the store throws. */
  async keep(id: string, box: string): Promise<void> {
    const tx = this.#core.begin();
    if (!tx.tables.repeats.has(id)) return;
    tx.set('repeats', id, { box });
    this.#bytes += box.length;
    this.#bound(tx);
    await this.#core.commit(tx);
  }

  /** What is too old. Counts anew, too: a write that was refused puts rows back. */
  sweep(tx: Transaction): void {
    const { repeats } = tx.tables;
    this.#bytes = bytesOf(repeats.values());
    for (const { id, at } of repeats.values()) {
      if (at + REPEAT_TTL_MS > tx.now.wall) return;
      this.#drop(tx, id);
    }
  }

  #mark(tx: Transaction): void {
    const pending = this.#context.getStore();
    if (pending === undefined || pending.over || pending.marked || tx.isEmpty) return;
    pending.marked = true;
    // Anew, not over an old one: rows stand in the order of their age.
    if (tx.tables.repeats.has(pending.row.id)) this.#drop(tx, pending.row.id);
    tx.put('repeats', pending.row.id, { ...pending.row, at: tx.now.wall });
    this.#bound(tx);
  }

  #forget(id: string): void {
    const tx = this.#core.begin();
    if (tx.tables.repeats.has(id)) this.#drop(tx, id);
    this.#core.commitInBackground(tx, 'that a request was refused');
  }

  #bound(tx: Transaction): void {
    const { repeats } = tx.tables;
    for (const { id } of repeats.values()) {
      if (repeats.size <= MAX_REPEATS && this.#bytes <= MAX_REPEAT_BYTES) return;
      this.#drop(tx, id);
    }
  }

  #drop(tx: Transaction, id: string): void {
    this.#bytes -= tx.tables.repeats.get(id)?.box?.length ?? 0;
    tx.drop('repeats', id);
  }
}

function bytesOf(rows: Iterable<RepeatRecord>): number {
  let bytes = 0;
  for (const { box } of rows) bytes += box?.length ?? 0;
  return bytes;
}
