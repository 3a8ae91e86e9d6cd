/**
 * Durable before visible. A decision has changed the tables already; its effects (messages, answers, events) are released here, in order, once its changes
 * are durable. When a write is refused the decisions that were not durable are undone, newest first, as if they had never been made.
 */
import { PalyraError } from '../base/errors.js';
import type { StateStore } from './state.js';
import type { Transaction } from './transaction.js';

export interface CommitHooks {
  /** Effects of a durable transaction. */
  release(tx: Transaction): void;
  /** The tables went back to what is durable; everything derived from them is to be rebuilt. */
  rolledBack(error: PalyraError): void;
  /** The store cannot go on; the process must exit. */
  fatal(error: PalyraError): void;
}

export class Committer {
  /** Not yet durable, oldest first. */
  #inFlight: Transaction[] = [];
  readonly #voided = new WeakMap<Transaction, PalyraError>();

  constructor(
    private readonly store: StateStore,
    private readonly hooks: CommitHooks,
  ) {}

  /** Resolves after the effects were released. Rejects with STORAGE_FULL or STORAGE_FAILED; the decision is undone then. */
  async commit(tx: Transaction): Promise<void> {
    this.#inFlight.push(tx);
    try {
      await (tx.isEmpty ? this.store.flushed() : this.store.append(tx.changes));
    } catch (error) {
      // The first refused write undoes everything in flight; the others of that group find themselves undone already.
      if (!this.#voided.has(tx)) this.#undo(PalyraError.from(error, 'STORAGE_FAILED'));
    }
    const voided = this.#voided.get(tx);
    if (voided !== undefined) throw voided;
    const index = this.#inFlight.indexOf(tx);
    if (index >= 0) this.#inFlight.splice(index, 1);
    this.hooks.release(tx);
  }

  #undo(error: PalyraError): void {
    if (this.#inFlight.length === 0) return;
    const lost = this.#inFlight;
    this.#inFlight = [];
    for (const tx of lost.reverse()) {
      tx.rollback();
      this.#voided.set(tx, error);
    }
    this.hooks.rolledBack(error);
    if (error.reason !== 'STORAGE_FULL') this.hooks.fatal(error);
  }
}
