/**
 * The daemon's whole state as tables of records, the changes that move it, and the port through which changes become durable.
 *
 * A change is one of three verbs on one row; a list of changes is atomic: one journal record, applied whole or not at all. Folding the same changes over
 * the same tables always gives the same tables, so snapshot + journal = state. This module holds no clock, no file and no policy.
 */
import type { Downtime } from './downtime.js';
import type { OperatorRecord, SessionRecord, TokenRecord } from '../base/access.js';
import type { DispatchRecord, InviteRecord, NodeRecord } from '../base/model.js';
import type { ApprovalRecord } from '../base/requests.js';

/** Facts about the daemon itself; one row with the key `daemon`. */
export interface DaemonRecord {
  /** Incremented and made durable before the daemon listens; part of every session epoch. */
  readonly bootEpoch: number;
  /** OS user name of whoever started it first. */
  readonly ownerName: string;
  readonly createdAt: number;
  /** Memory while running, saved with snapshots: the last moment it is known to have run. Absent in rows of older versions. */
  readonly aliveAt?: number;
  /** When it did not run; see `downtime.ts`. */
  readonly downtimes?: readonly Downtime[];
}

/** Remembers that a settled dispatch was removed, so that a late result is still recognised. */
export interface TombstoneRecord {
  readonly id: string;
  readonly at: number;
}

/** Wrong codes, to bound guessing across restarts. One row per source address and one with the key `*` for all. */
export interface PairingFailureRecord {
  readonly key: string;
  readonly windowStartedAt: number;
  readonly count: number;
  /** Set when the cap was reached: invites made before it are not evaluated until the window ends. */
  readonly cappedAt: number | null;
}

/** Tries to log in, to bound guessing across restarts: a bucket of `runtime/login-throttle.ts`, as the one number that says all of it. */
export interface LoginTryRecord {
  readonly key: string;
  /** Wall time at which the bucket is full again; the row may go then. */
  readonly fullAt: number;
}

/** A request with an Idempotency-Key that did something; see `repeats.ts`. Nothing in it can be read without that key. */
export interface RepeatRecord {
  /** SHA-256 of who asked and the key; hex. */
  readonly id: string;
  readonly at: number;
  /** Base 64. */
  readonly salt: string;
  /** Tells whether another request is the same; null: it cannot be told. Base 64. */
  readonly check: string | null;
  /** The sealed answer; null: not kept. Base 64. */
  readonly box: string | null;
}

export interface Tables {
  daemon: Map<string, DaemonRecord>;
  nodes: Map<string, NodeRecord>;
  invites: Map<string, InviteRecord>;
  approvals: Map<string, ApprovalRecord>;
  dispatches: Map<string, DispatchRecord>;
  tombstones: Map<string, TombstoneRecord>;
  pairingFailures: Map<string, PairingFailureRecord>;
  operators: Map<string, OperatorRecord>;
  sessions: Map<string, SessionRecord>;
  tokens: Map<string, TokenRecord>;
  loginTries: Map<string, LoginTryRecord>;
  repeats: Map<string, RepeatRecord>;
}

export type TableName = keyof Tables;
export type RowOf<T extends TableName> = Tables[T] extends Map<string, infer Row> ? Row : never;

export const TABLE_NAMES: readonly TableName[] = [
  'daemon',
  'nodes',
  'invites',
  'approvals',
  'dispatches',
  'tombstones',
  'pairingFailures',
  'operators',
  'sessions',
  'tokens',
  'loginTries',
  'repeats',
];

/** `put` writes a whole row, `set` changes some fields of an existing row, `drop` removes it. */
export type Change = {
  [T in TableName]:
    | { readonly op: 'put'; readonly table: T; readonly key: string; readonly row: RowOf<T> }
    | { readonly op: 'set'; readonly table: T; readonly key: string; readonly row: Partial<RowOf<T>> }
    | { readonly op: 'drop'; readonly table: T; readonly key: string };
}[TableName];

/** A snapshot's body: every table as an object, readable with jq. */
export type TablesJson = { readonly [T in TableName]: { readonly [key: string]: RowOf<T> } };

export function emptyTables(): Tables {
  return {
    daemon: new Map(),
    nodes: new Map(),
    invites: new Map(),
    approvals: new Map(),
    dispatches: new Map(),
    tombstones: new Map(),
    pairingFailures: new Map(),
    operators: new Map(),
    sessions: new Map(),
    tokens: new Map(),
    loginTries: new Map(),
    repeats: new Map(),
  };
}

/** Applies changes in place. Throws a plain Error on a `set` of a missing row: the journal that holds it is not ours. */
export function applyChanges(tables: Tables, changes: readonly Change[]): void {
  for (const change of changes) {
    const table = tables[change.table] as Map<string, unknown>;
    if (change.op === 'put') table.set(change.key, change.row);
    else if (change.op === 'drop') table.delete(change.key);
    else {
      const row = table.get(change.key);
      if (row === undefined) throw new Error(`set of a missing row ${change.table}/${change.key}`);
      table.set(change.key, { ...(row as object), ...change.row });
    }
  }
}

export function tablesToJson(tables: Tables): TablesJson {
  const json: Record<string, unknown> = {};
  for (const name of TABLE_NAMES) json[name] = Object.fromEntries(tables[name] as Map<string, unknown>);
  return json as TablesJson;
}

/** Tables missing in an older snapshot start empty. */
export function tablesFromJson(json: Partial<TablesJson>): Tables {
  const tables = emptyTables();
  for (const name of TABLE_NAMES) {
    const rows = json[name];
    if (rows === undefined) continue;
    const table = tables[name] as Map<string, unknown>;
    for (const [key, row] of Object.entries(rows)) table.set(key, row);
  }
  return tables;
}

export interface StoreStatus {
  /** False while the disk is full: appends are refused, reads go on. */
  readonly accepting: boolean;
  readonly journalBytes: number;
  readonly journalRecords: number;
}

/**
 * Where changes become durable. The contract suite (`test/contract/state-store.ts`) runs on every implementation and on the fake.
 *
 * - `append` resolves when the record survives `kill -9` and power loss; appends become durable in call order, grouped.
 * - A record refused with STORAGE_FULL is never read back, nor is anything appended behind it before the refusal was known. One refused with
 *   STORAGE_FAILED may be there at the next start.
 * - `append` rejects with STORAGE_FULL (disk full; later appends may work) or STORAGE_FAILED (fatal: the process must exit).
 */
export interface StateStore {
  /** Reads what is durable. Called once, before anything else. */
  load(): Promise<Tables>;
  append(changes: readonly Change[]): Promise<void>;
  /** Resolves when everything appended so far is durable; at once when nothing is pending. */
  flushed(): Promise<void>;
  /** True when size or age of the journal asks for a snapshot. Cheap. */
  wantsSnapshot(now: number): boolean;
  /** Writes the tables as a new generation. The tables must not change until the returned promise's first await: they are serialised at once. */
  snapshot(tables: Tables, now: number): Promise<void>;
  status(): StoreStatus;
  close(): Promise<void>;
}
