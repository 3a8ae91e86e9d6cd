/**
 * One durable write for everything that asked for one meanwhile. Items are written in the order they came; whoever waits is answered once their item is on
 * the disk, or with why it is not. What "written" means is the caller's: it gets a batch, and a batch fails or holds as a whole.
 */
import { PalyraError } from './errors.js';
import { Deferred, endOfTurn } from './lifecycle.js';
import { appendAll, synced, toStorageError } from './state-fs.js';
import type { StateFile } from './state-fs.js';

/** A disk that cannot keep up fills memory instead: beyond this many items more are refused with STORAGE_FULL. */
const MAX_PENDING = 10_000;

export class GroupCommit<T> {
  readonly #write: (items: readonly T[]) => Promise<void>;
  #pending: { readonly item: T; readonly done: Deferred<void> }[] = [];
  #running: Promise<void> | null = null;

  /** `write` throws to refuse its whole batch; it is never called while an earlier call is under way. */
  constructor(write: (items: readonly T[]) => Promise<void>) {
    this.#write = write;
  }

  add(item: T): Promise<void> {
    if (this.#pending.length >= MAX_PENDING) return Promise.reject(new PalyraError('STORAGE_FULL'));
    const done = new Deferred<void>();
    this.#pending.push({ item, done });
    // Everything added in one turn of the event loop shares one write.
    this.#running ??= endOfTurn().then(() => this.#run());
    return done.promise;
  }

  /** Resolves when nothing is pending. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch.map(({ item }) => item));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#running = null;
  }
}

/**
 * Appends behind the first `good` bytes, durable when it resolves. Throws STORAGE_FULL with the file as it was, or STORAGE_FAILED, after which what is on
 * the disk is uncertain and nothing may be written again.
 */
export async function appendDurably(file: StateFile, path: string, good: number, data: Uint8Array): Promise<void> {
  try {
    await appendAll(file, data);
    await synced(file.sync(), path);
  } catch (error) {
    const failure = toStorageError(error, path);
    if (failure.reason !== 'STORAGE_FULL') throw failure;
    try {
      await file.truncate(good);
      await synced(file.sync(), path);
    } catch (cause) {
      throw new PalyraError('STORAGE_FAILED', { detail: `${path}: cutting off a failed write failed`, cause });
    }
    throw failure;
  }
}
