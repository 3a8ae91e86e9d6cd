/**
 * The records of the outbox folded into what they mean. No file, no clock: the same records always give the same table, so the journal is the state.
 */
import { PalyraError } from '../base/errors.js';
import type { KnownDispatch } from '../base/link-messages.js';
import type { Outcome } from './executor.js';

/** Version of the record format; a newer one is refused. */
const FORMAT = 1;
/** Longer than the longest deadline (24 h) and everything that may delay a message about it. */
const TOMBSTONE_MS = 7 * 24 * 3_600_000;
/** The daemon keeps at most a few hundred dispatches open per node; older tombstones than these cannot be asked about. */
const MAX_TOMBSTONES = 20_000;
/** What a Hello may list. The daemon has at most 16 in flight; more are leftovers that it has settled already. */
const MAX_KNOWN = 1_000;

export type OutboxRecord =
  | {
      readonly t: 'store';
      readonly format: number;
      readonly storeId: string;
      readonly daemon: string;
      readonly epoch: number;
    }
  | { readonly t: 'epoch'; readonly epoch: number }
  | ({ readonly t: 'received' | 'started'; readonly at: number } & EntryFacts)
  | ({ readonly t: 'done'; readonly at: number; readonly outcome: Outcome } & EntryFacts)
  | { readonly t: 'gone'; readonly id: string; readonly attempt: number; readonly again: boolean; readonly at: number };

interface EntryFacts {
  readonly id: string;
  readonly attempt: number;
  readonly capability: string;
  readonly idempotent: boolean;
}

export interface OutboxEntry extends EntryFacts {
  readonly phase: 'received' | 'started' | 'done';
  readonly at: number;
  /** Set when done. */
  readonly outcome: Outcome | null;
}

export interface Tombstone {
  readonly attempt: number;
  /** Whether a later attempt may run. */
  readonly again: boolean;
  readonly at: number;
}

export class OutboxTable {
  /** Oldest first. */
  readonly entries = new Map<string, OutboxEntry>();
  /** Oldest first. */
  readonly tombstones = new Map<string, Tombstone>();
  storeId: string | null = null;
  /** The daemon all this is about: the pin of its CA. */
  daemon: string | null = null;
  lastEpoch = 0;

  /** Throws on a record that does not follow from the ones before it: the journal is not ours. */
  apply(record: OutboxRecord): void {
    if (record.t === 'store') {
      if (record.format > FORMAT)
        throw new PalyraError('STATE_VERSION_UNSUPPORTED', { detail: 'the outbox of the node' });
      this.storeId = record.storeId;
      this.daemon = record.daemon;
      this.lastEpoch = record.epoch;
      return;
    }
    if (this.storeId === null) throw new Error('the first record does not name the store');
    switch (record.t) {
      case 'epoch':
        this.lastEpoch = Math.max(this.lastEpoch, record.epoch);
        return;
      case 'received':
      case 'started':
      case 'done': {
        // Each says everything: when the disk was full, the record before it may be missing.
        const { t, id, attempt, capability, idempotent, at } = record;
        const outcome = record.t === 'done' ? record.outcome : null;
        this.tombstones.delete(id);
        this.entries.set(id, { id, attempt, capability, idempotent, phase: t, at, outcome });
        return;
      }
      case 'gone':
        this.entries.delete(record.id);
        this.tombstones.set(record.id, { attempt: record.attempt, again: record.again, at: record.at });
        if (this.tombstones.size > MAX_TOMBSTONES) {
          for (const oldest of this.tombstones.keys()) {
            this.tombstones.delete(oldest);
            break;
          }
        }
        return;
      default:
        throw new Error(`unknown kind of record ${JSON.stringify((record as { t: unknown }).t)}`);
    }
  }

  adopt(id: string, attempt: number): void {
    const entry = this.entries.get(id);
    if (entry !== undefined && attempt > entry.attempt) this.entries.set(id, { ...entry, attempt });
  }

  known(alive: (id: string) => boolean): KnownDispatch[] {
    return [...this.entries.values()]
      .slice(-MAX_KNOWN)
      .map(({ id, attempt, phase }) => ({ id, attempt, state: phase, alive: alive(id) }));
  }

  expire(now: number): void {
    for (const [id, { at }] of this.tombstones) if (at + TOMBSTONE_MS < now) this.tombstones.delete(id);
  }

  /** The shortest journal that folds into this table. */
  toRecords(): OutboxRecord[] {
    const records: OutboxRecord[] = [storeRecord(this.storeId!, this.daemon!, this.lastEpoch)];
    for (const [id, tombstone] of this.tombstones) records.push({ t: 'gone', id, ...tombstone });
    for (const { outcome, phase, ...facts } of this.entries.values()) {
      records.push(phase === 'done' ? { t: phase, ...facts, outcome: outcome! } : { t: phase, ...facts });
    }
    return records;
  }
}

export function storeRecord(storeId: string, daemon: string, epoch: number): OutboxRecord {
  return { t: 'store', format: FORMAT, storeId, daemon, epoch };
}
