/**
 * What the mailbox keeps in memory beside the dispatch rows: queues, flights, links and timers. All of it is rebuilt from the rows at start.
 *
 * Always true: an open dispatch is in exactly one place, the queue of its node or the node's in-flight set; a settled one is in neither.
 */
import { TimerHeap } from './timer-heap.js';
import type { Now } from './transaction.js';
import type { Tables } from './state.js';
import { TERMINAL_STATES } from '../base/model.js';
import type { DispatchRecord, TerminalState } from '../base/model.js';

/** An open link of a node whose Hello was reconciled. */
export interface MailboxLink {
  readonly epoch: number;
  readonly bootId: string;
  readonly storeId: string;
  /** How many dispatches the node takes at once. */
  readonly credit: number;
  /** How often the node was asked to beat. */
  readonly heartbeatMs: number;
  /** Silent for so long about a dispatch that it was given, the node is in doubt. */
  readonly leaseMs: number;
}

/** Timers of one open dispatch. Monotonic milliseconds; Infinity when it does not apply. */
export interface Flight {
  /** The attempt a report must carry: the last offer's, or an older one the node still holds the result of. */
  acceptAttempt: number;
  deadlineAt: number;
  queueExpiresAt: number;
  notBefore: number;
  leaseUntil: number;
  runUntil: number;
  cancelUntil: number;
  /** Earliest entry of this dispatch in the heap. */
  scheduledAt: number;
}

export function isTerminal(state: DispatchRecord['state']): state is TerminalState {
  return (TERMINAL_STATES as readonly string[]).includes(state);
}

export class MailboxIndex {
  /** Ids waiting for a node, oldest first. */
  readonly queues = new Map<string, string[]>();
  /** Ids given to a node and not settled. */
  readonly inFlight = new Map<string, Set<string>>();
  readonly flights = new Map<string, Flight>();
  readonly links = new Map<string, MailboxLink>();
  readonly timers = new TimerHeap();
  /** Settled ids, oldest first; retention reads it from the front. */
  readonly settledOrder: string[] = [];
  /** `nodeId`, caller and idempotency key to dispatch id. */
  readonly byIdempotencyKey = new Map<string, string>();
  /** Characters of input held by open dispatches. */
  openInputBytes = 0;
  /** Characters of input and output held by settled ones. */
  settledBytes = 0;

  get openCount(): number {
    return this.flights.size;
  }

  queueOf(nodeId: string): string[] {
    let queue = this.queues.get(nodeId);
    if (queue === undefined) this.queues.set(nodeId, (queue = []));
    return queue;
  }

  inFlightOf(nodeId: string): Set<string> {
    let flight = this.inFlight.get(nodeId);
    if (flight === undefined) this.inFlight.set(nodeId, (flight = new Set()));
    return flight;
  }

  /** Begins to track an open dispatch; the caller puts it into a queue or the in-flight set. */
  open(record: DispatchRecord, now: Now): Flight {
    // Restarted after the wall clock was set back, a dispatch gets what it was given in the first place, never more.
    const remaining = (until: number) => Math.min(Math.max(0, until - now.wall), until - record.queuedAt);
    const flight: Flight = {
      acceptAttempt: record.attempt,
      deadlineAt: now.mono + remaining(record.deadlineAt),
      queueExpiresAt: now.mono + remaining(record.queueExpiresAt),
      notBefore: now.mono + Math.min(Math.max(0, record.notBefore - now.wall), MAX_BACKOFF_MS),
      leaseUntil: Infinity,
      runUntil: Infinity,
      cancelUntil: Infinity,
      scheduledAt: Infinity,
    };
    this.flights.set(record.id, flight);
    this.openInputBytes += record.inputJson.length;
    return flight;
  }

  /** Forgets an open dispatch that has just been settled. */
  close(record: DispatchRecord): void {
    if (!this.flights.delete(record.id)) return;
    this.openInputBytes -= record.inputJson.length;
    this.inFlight.get(record.nodeId)?.delete(record.id);
    this.#removeFromQueue(record);
    this.#addSettled(record);
  }

  toFlight(record: DispatchRecord): void {
    this.#removeFromQueue(record);
    this.inFlightOf(record.nodeId).add(record.id);
  }

  toQueue(record: DispatchRecord): void {
    this.inFlight.get(record.nodeId)?.delete(record.id);
    const queue = this.queueOf(record.nodeId);
    if (!queue.includes(record.id)) queue.push(record.id);
  }

  /** Makes sure that the dispatch is looked at when the first of its timers is due. */
  schedule(record: DispatchRecord, now: Now): void {
    const flight = this.flights.get(record.id);
    if (flight === undefined) return;
    const at = Math.min(
      flight.deadlineAt,
      record.state === 'queued' ? flight.queueExpiresAt : Infinity,
      record.state === 'queued' && flight.notBefore > now.mono ? flight.notBefore : Infinity,
      flight.leaseUntil,
      flight.runUntil,
      flight.cancelUntil,
    );
    if (at >= flight.scheduledAt) return;
    flight.scheduledAt = at;
    this.timers.push(at, record.id);
  }

  /** Rebuilds everything from the rows; no link survives. */
  rebuild(tables: Tables, now: Now): void {
    this.queues.clear();
    this.inFlight.clear();
    this.flights.clear();
    this.links.clear();
    this.timers.clear();
    this.settledOrder.length = 0;
    this.byIdempotencyKey.clear();
    this.openInputBytes = 0;
    this.settledBytes = 0;
    const settled: DispatchRecord[] = [];
    for (const record of tables.dispatches.values()) {
      if (record.idempotencyKey !== null) this.byIdempotencyKey.set(idempotencyIndexKey(record), record.id);
      if (isTerminal(record.state)) {
        settled.push(record);
        continue;
      }
      const flight = this.open(record, now);
      if (record.state === 'queued') this.queueOf(record.nodeId).push(record.id);
      else {
        this.inFlightOf(record.nodeId).add(record.id);
        // Whoever held the lease is unknown now: a cancelling one ends by its grace, any other waits for the node's Hello or the deadline.
        if (record.state === 'cancelling') flight.cancelUntil = now.mono + CANCEL_GRACE_MS;
        else tables.dispatches.set(record.id, { ...record, state: 'suspect' });
      }
      this.schedule(tables.dispatches.get(record.id)!, now);
    }
    settled.sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0));
    for (const record of settled) this.#addSettled(record);
    for (const queue of this.queues.values()) {
      queue.sort((a, b) => tables.dispatches.get(a)!.queuedAt - tables.dispatches.get(b)!.queuedAt || (a < b ? -1 : 1));
    }
  }

  #addSettled(record: DispatchRecord): void {
    this.settledOrder.push(record.id);
    this.settledBytes += bytesOf(record);
  }

  #removeFromQueue(record: DispatchRecord): void {
    const queue = this.queues.get(record.nodeId);
    const index = queue?.indexOf(record.id) ?? -1;
    if (index >= 0) queue!.splice(index, 1);
  }
}

/** The longest back-off before a dispatch is offered again. */
export const MAX_BACKOFF_MS = 8_000;
/** How long a node has to confirm a cancel before it is recorded without confirmation. */
export const CANCEL_GRACE_MS = 10_000;

/** What a settled dispatch holds in memory, about. */
export function bytesOf(record: DispatchRecord): number {
  return record.inputJson.length + (record.outputJson?.length ?? 0);
}

export function idempotencyIndexKey(record: Pick<DispatchRecord, 'nodeId' | 'requestedBy' | 'idempotencyKey'>): string {
  return JSON.stringify([record.nodeId, record.requestedBy, record.idempotencyKey]);
}
