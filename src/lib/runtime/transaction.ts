/**
 * One decision of the domain: the rows it changed and what must happen once those changes are durable.
 *
 * The state machines change the tables at once, so that the next decision sees this one, and record here (a) the changes for the journal, (b) what the
 * rows were before, so that a refused write can be undone, and (c) the effects that are held back until the changes are durable.
 */
import { applyChanges } from './state.js';
import type { Change, RowOf, TableName, Tables } from './state.js';
import type { DownMessage } from '../base/link-messages.js';
import type { RuntimeEvent } from './events.js';

/** Wall time for people and persisted deadlines, monotonic time for everything that is measured. Milliseconds. */
export interface Now {
  readonly wall: number;
  readonly mono: number;
}

interface Undo {
  readonly table: TableName;
  readonly key: string;
  readonly row: unknown;
}

export class Transaction {
  readonly changes: Change[] = [];
  readonly messages: { readonly nodeId: string; readonly message: DownMessage }[] = [];
  readonly settledIds: string[] = [];
  readonly events: RuntimeEvent[] = [];
  /** Invites whose view changed; wakes who waits for them. */
  readonly touchedInvites: string[] = [];
  readonly touchedApprovals: string[] = [];
  /** Nodes whose connections must be closed. */
  readonly revokedNodes: string[] = [];
  /** Sessions and tokens that are over: what they opened must end. */
  readonly endedCredentials: string[] = [];
  readonly #undo: Undo[] = [];

  constructor(
    readonly tables: Tables,
    readonly now: Now,
  ) {}

  put<T extends TableName>(table: T, key: string, row: RowOf<T>): void {
    this.#apply({ op: 'put', table, key, row } as Change);
  }

  /** Changes some fields of an existing row and returns the row as it is now. */
  set<T extends TableName>(table: T, key: string, row: Partial<RowOf<T>>): RowOf<T> {
    this.#apply({ op: 'set', table, key, row });
    return this.tables[table].get(key) as RowOf<T>;
  }

  drop(table: TableName, key: string): void {
    this.#apply({ op: 'drop', table, key });
  }

  /** Changes fields in memory only: what a restart reconstructs or may forget. Saved with the next snapshot. */
  setVolatile<T extends TableName>(table: T, key: string, row: Partial<RowOf<T>>): RowOf<T> {
    const rows = this.tables[table] as Map<string, unknown>;
    const next = { ...(rows.get(key) as object), ...row };
    rows.set(key, next);
    return next as RowOf<T>;
  }

  send(nodeId: string, message: DownMessage): void {
    this.messages.push({ nodeId, message });
  }

  get isEmpty(): boolean {
    return this.changes.length === 0;
  }

  /** Puts the rows back as they were. The caller undoes newer transactions first. */
  rollback(): void {
    for (const { table, key, row } of this.#undo.reverse()) {
      const rows = this.tables[table] as Map<string, unknown>;
      if (row === undefined) rows.delete(key);
      else rows.set(key, row);
    }
    this.#undo.length = 0;
  }

  #apply(change: Change): void {
    const row = (this.tables[change.table] as Map<string, unknown>).get(change.key);
    this.#undo.push({ table: change.table, key: change.key, row });
    applyChanges(this.tables, [change]);
    this.changes.push(change);
  }
}
