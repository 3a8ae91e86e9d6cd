/**
 * The fake of `StateStore`: durable for as long as the object lives. It passes the contract suite of the real one, refusals included.
 * `restart()` gives what the next process would open.
 */
import { PalyraError } from '../../src/lib/base/errors.js';
import { applyChanges, tablesFromJson, tablesToJson, emptyTables } from '../../src/lib/runtime/state.js';
import type { Change, StateStore, StoreStatus, Tables } from '../../src/lib/runtime/state.js';

interface Pending {
  readonly changes: readonly Change[];
  readonly resolve: () => void;
  readonly reject: (error: PalyraError) => void;
}

export class MemoryStateStore implements StateStore {
  #durable: Tables;
  #pending: Pending[] = [];
  #scheduled: Promise<unknown> | null = null;
  #records = 0;
  #failure: PalyraError | null = null;
  /** Set it to refuse appends with STORAGE_FULL, clear it when there is space again. */
  diskFull = false;
  /** Set it to make the next write fail for good with STORAGE_FAILED. */
  broken = false;
  /** Lists of changes that became durable, oldest first. */
  readonly committed: (readonly Change[])[] = [];

  constructor(durable: Tables = emptyTables()) {
    this.#durable = durable;
  }

  /** A store with what is durable now; unconfirmed appends are lost. */
  restart(): MemoryStateStore {
    return new MemoryStateStore(copy(this.#durable));
  }

  async load(): Promise<Tables> {
    return copy(this.#durable);
  }

  append(changes: readonly Change[]): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    // Through JSON, like a file: what comes back shares nothing with what was given.
    const copied = JSON.parse(JSON.stringify(changes)) as Change[];
    return new Promise((resolve, reject) => {
      this.#pending.push({ changes: copied, resolve, reject });
      this.#scheduled ??= Promise.resolve().then(() => this.#flush());
    });
  }

  async flushed(): Promise<void> {
    if (this.#scheduled === null) return;
    const refusal = this.#flush();
    if (refusal !== null) throw refusal;
  }

  wantsSnapshot(): boolean {
    return false;
  }

  async snapshot(tables: Tables): Promise<void> {
    const refusal = this.#flush();
    if (refusal !== null) throw refusal;
    this.#durable = copy(tables);
    this.#records = 0;
  }

  status(): StoreStatus {
    return { accepting: this.#failure === null && !this.diskFull, journalBytes: 0, journalRecords: this.#records };
  }

  async close(): Promise<void> {
    await this.#scheduled;
    this.#failure ??= new PalyraError('STORAGE_FAILED', { detail: 'the store is closed' });
  }

  /** Settles everything pending; returns why it was refused, or would have been. */
  #flush(): PalyraError | null {
    const batch = this.#pending;
    this.#pending = [];
    this.#scheduled = null;
    if (this.broken) this.#failure ??= new PalyraError('STORAGE_FAILED');
    const refusal = this.#failure ?? (this.diskFull ? new PalyraError('STORAGE_FULL') : null);
    for (const { changes, resolve, reject } of batch) {
      if (refusal !== null) {
        reject(refusal);
        continue;
      }
      applyChanges(this.#durable, changes);
      this.committed.push(changes);
      this.#records++;
      resolve();
    }
    return refusal;
  }
}

function copy(tables: Tables): Tables {
  return tablesFromJson(JSON.parse(JSON.stringify(tablesToJson(tables))) as ReturnType<typeof tablesToJson>);
}
