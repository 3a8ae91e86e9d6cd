/**
 * Where an operator's question meets a node's answer.
 *
 *   queued ──take──► delivered ──start──► running ──settle──► settled
 *      └───────────────── expire / cancel ─────────────────────┘
 *
 * This module decides; it never waits. It reads no clock, opens no socket and writes no file.
 * Always true (test/property/mailbox.property.test.ts):
 *   1. A dispatch is settled exactly once, whatever arrives and in any order.
 *   2. A dispatch is in exactly one place: a queue, in flight, or settled.
 *   3. Only the node that was given a dispatch may answer it, and only with the current attempt.
 *   4. An effectful dispatch is offered again only with proof that it never started.
 */
import { createHash } from 'node:crypto';
import { PalyraError } from '../base/errors.js';
import { MAX_QUEUE_PER_NODE } from '../base/link-limits.js';
import type { Hello, UpMessage, Welcome } from '../base/link-messages.js';
import type { DispatchError, DispatchRecord } from '../base/model.js';
import { MailboxIndex, idempotencyIndexKey, isTerminal } from './mailbox-index.js';
import type { MailboxLink } from './mailbox-index.js';
import { reconcile } from './reconcile.js';
import { report } from './reports.js';
import type { Tables } from './state.js';
import type { Now, Transaction } from './transaction.js';
import {
  announce,
  offerNext,
  requestCancel,
  settle,
  suspect,
  timedOutError,
  unconfirmedError,
  unknownError,
} from './transitions.js';

/** Input held by all open dispatches together; bounds the daemon's memory. 64 MiB. */
export const MAX_OPEN_INPUT_BYTES = 64 * 1024 * 1024;

export interface NewDispatch {
  readonly id: string;
  readonly nodeId: string;
  readonly capability: string;
  readonly inputJson: string;
  readonly idempotent: boolean;
  readonly sideEffects: DispatchRecord['sideEffects'];
  readonly requestedBy: string;
  readonly requestedWith?: string | undefined;
  readonly idempotencyKey: string | null;
  readonly runTimeoutMs: number;
  /** From now until it must be over. */
  readonly timeoutMs: number;
  /** From now until it may be offered for the first time; null refuses an offline node at once. */
  readonly queueMs: number | null;
}

export class Mailbox {
  readonly index = new MailboxIndex();

  /** `leaseMs`: for a node without a link. */
  constructor(private readonly options: { readonly leaseMs: number }) {}

  /** Rebuilds the memory side from the rows, at start and after a refused write. */
  rebuild(tables: Tables, now: Now): void {
    this.index.rebuild(tables, now);
  }

  /**
   * Accepts a dispatch, and offers it in the same transaction when the node has credit. With a known idempotency key it returns the earlier dispatch.
   * Throws NODE_OFFLINE, QUEUE_FULL or IDEMPOTENCY_CONFLICT; nothing is changed then.
   */
  enqueue(tx: Transaction, request: NewDispatch): DispatchRecord {
    const requestHash = createHash('sha256')
      .update(request.capability)
      .update('\0')
      .update(request.inputJson)
      .digest('hex');
    if (request.idempotencyKey !== null) {
      const known = this.index.byIdempotencyKey.get(idempotencyIndexKey(request));
      const earlier = known === undefined ? undefined : tx.tables.dispatches.get(known);
      if (earlier !== undefined) {
        if (earlier.requestHash === requestHash) return earlier;
        throw new PalyraError('IDEMPOTENCY_CONFLICT', { details: { dispatch: earlier.id } });
      }
    }
    if (request.queueMs === null && !this.index.links.has(request.nodeId)) throw new PalyraError('NODE_OFFLINE');
    if (this.index.queueOf(request.nodeId).length >= MAX_QUEUE_PER_NODE) {
      throw new PalyraError('QUEUE_FULL', { detail: `${MAX_QUEUE_PER_NODE} dispatches wait already` });
    }
    if (this.index.openInputBytes + request.inputJson.length > MAX_OPEN_INPUT_BYTES) {
      throw new PalyraError('QUEUE_FULL', { detail: 'the inputs of open dispatches take 64 MiB already' });
    }
    const { wall } = tx.now;
    const record: DispatchRecord = {
      id: request.id,
      nodeId: request.nodeId,
      capability: request.capability,
      inputJson: request.inputJson,
      idempotent: request.idempotent,
      sideEffects: request.sideEffects,
      state: 'queued',
      attempt: 0,
      epoch: 0,
      storeId: null,
      phase: null,
      requestedBy: request.requestedBy,
      ...(request.requestedWith === undefined ? {} : { requestedWith: request.requestedWith }),
      idempotencyKey: request.idempotencyKey,
      requestHash,
      queuedAt: wall,
      notBefore: wall,
      queueExpiresAt: wall + Math.min(request.queueMs ?? request.timeoutMs, request.timeoutMs),
      deadlineAt: wall + request.timeoutMs,
      runTimeoutMs: request.runTimeoutMs,
      deliveredAt: null,
      startedAt: null,
      cancelRequestedAt: null,
      finishedAt: null,
      started: false,
      outputJson: null,
      error: null,
    };
    tx.put('dispatches', record.id, record);
    this.index.open(record, tx.now);
    this.index.toQueue(record);
    if (record.idempotencyKey !== null) this.index.byIdempotencyKey.set(idempotencyIndexKey(record), record.id);
    announce(tx, record);
    this.index.schedule(record, tx.now);
    offerNext(this.index, tx, record.nodeId, this.#leaseMs(record.nodeId));
    return tx.tables.dispatches.get(record.id)!;
  }

  /** A node's link is up: settles what its Hello answers, sends the Welcome, then offers what waits. */
  connect(tx: Transaction, nodeId: string, link: MailboxLink, hello: Hello): void {
    this.disconnect(tx, nodeId);
    const decision = reconcile(this.index, tx, nodeId, hello, link.leaseMs);
    const welcome: Welcome = {
      kind: 'welcome',
      epoch: link.epoch,
      heartbeatMs: link.heartbeatMs,
      leaseMs: link.leaseMs,
      ...decision,
    };
    tx.send(nodeId, welcome);
    this.index.links.set(nodeId, link);
    offerNext(this.index, tx, nodeId, this.#leaseMs(nodeId));
  }

  /** The link is gone: what was in flight waits for the next Hello or its deadline. */
  disconnect(tx: Transaction, nodeId: string): void {
    this.index.links.delete(nodeId);
    for (const id of this.index.inFlightOf(nodeId)) {
      const record = tx.tables.dispatches.get(id)!;
      if (record.state === 'offered' || record.state === 'mediation' || record.state === 'running') {
        suspect(this.index, tx, record);
      }
    }
  }

  /** A message of the node about its dispatches. Anything that does not match its fence is answered with `stale` and changes nothing. */
  report(tx: Transaction, nodeId: string, message: Exclude<UpMessage, Hello>): void {
    report(this.index, tx, nodeId, message, this.#leaseMs(nodeId));
    offerNext(this.index, tx, nodeId, this.#leaseMs(nodeId));
  }

  /** Ends a dispatch that provably never started; asks the node otherwise. Throws DISPATCH_SETTLED when it is over. */
  cancel(tx: Transaction, record: DispatchRecord): DispatchRecord {
    if (isTerminal(record.state)) throw new PalyraError('DISPATCH_SETTLED', { detail: `it is ${record.state}` });
    if (record.state === 'cancelling') return record;
    if (record.state === 'queued')
      return settle(this.index, tx, record, { state: 'cancelled', started: record.started });
    return requestCancel(this.index, tx, record);
  }

  /** Every open dispatch of a revoked node fails once, in the transaction that revokes it. */
  revoke(tx: Transaction, nodeId: string): void {
    this.index.links.delete(nodeId);
    for (const id of [...this.index.queueOf(nodeId), ...this.index.inFlightOf(nodeId)]) {
      const record = tx.tables.dispatches.get(id)!;
      settle(this.index, tx, record, {
        state: 'failed',
        started: record.state === 'queued' ? record.started : record.phase === 'running' ? true : null,
        error: { code: 'NODE_REVOKED', message: 'The node was removed before it answered' },
      });
    }
    this.index.queues.delete(nodeId);
    this.index.inFlight.delete(nodeId);
  }

  /** When `expire` has something to do next, monotonic milliseconds; null when nothing is open. */
  nextDeadline(): number | null {
    return this.index.timers.next();
  }

  /** Applies every timer that is due, at most `limit` of them. */
  expire(tx: Transaction, limit = 1000): void {
    const nodes = new Set<string>();
    for (let count = 0; count < limit; count++) {
      const due = this.index.timers.popDue(tx.now.mono);
      if (due === null) break;
      const flight = this.index.flights.get(due.id);
      const record = tx.tables.dispatches.get(due.id);
      if (flight === undefined || record === undefined) continue;
      flight.scheduledAt = Infinity;
      this.#expireOne(tx, record);
      nodes.add(record.nodeId);
      const after = tx.tables.dispatches.get(due.id)!;
      if (!isTerminal(after.state)) this.index.schedule(after, tx.now);
    }
    for (const nodeId of nodes) offerNext(this.index, tx, nodeId, this.#leaseMs(nodeId));
  }

  #expireOne(tx: Transaction, record: DispatchRecord): void {
    const flight = this.index.flights.get(record.id)!;
    const { mono } = tx.now;
    const late = flight.deadlineAt <= mono;
    switch (record.state) {
      case 'queued':
        if (record.started === false && (late || flight.queueExpiresAt <= mono)) {
          settle(this.index, tx, record, { state: 'expired', started: false, error: expiredError(record) });
        } else if (late)
          settle(this.index, tx, record, { state: 'timed-out', started: record.started, error: timedOutError });
        else if (flight.queueExpiresAt <= mono) flight.queueExpiresAt = Infinity;
        return;
      case 'cancelling':
        if (late || flight.cancelUntil <= mono) {
          settle(this.index, tx, record, { state: 'cancelled', started: null, error: unconfirmedError });
        }
        return;
      case 'suspect':
        if (late) this.#giveUp(tx, record);
        return;
      case 'running':
        if (late || flight.runUntil <= mono) {
          this.#stop(tx, record);
          settle(this.index, tx, record, { state: 'timed-out', started: true, error: timedOutError });
        } else if (flight.leaseUntil <= mono) suspect(this.index, tx, record);
        return;
      case 'mediation':
        if (late) {
          this.#stop(tx, record);
          settle(this.index, tx, record, { state: 'timed-out', started: false, error: timedOutError });
        } else if (flight.leaseUntil <= mono) suspect(this.index, tx, record);
        return;
      case 'offered':
        if (late) {
          this.#stop(tx, record);
          this.#giveUp(tx, record);
        } else if (flight.leaseUntil <= mono) suspect(this.index, tx, record);
        return;
      default:
        return;
    }
  }

  #leaseMs(nodeId: string): number {
    return this.index.links.get(nodeId)?.leaseMs ?? this.options.leaseMs;
  }

  /** Offered, and nobody can say whether it started. */
  #giveUp(tx: Transaction, record: DispatchRecord): void {
    settle(
      this.index,
      tx,
      record,
      record.idempotent
        ? { state: 'timed-out', started: null, error: timedOutError }
        : { state: 'unknown', started: null, error: unknownError },
    );
  }

  #stop(tx: Transaction, record: DispatchRecord): void {
    if (this.index.links.has(record.nodeId))
      tx.send(record.nodeId, { kind: 'cancel', id: record.id, attempt: record.attempt });
  }
}

function expiredError(record: DispatchRecord): DispatchError {
  return record.attempt === 0
    ? { code: 'EXPIRED', message: 'The node did not take it in time; nothing was delivered' }
    : { code: 'EXPIRED', message: 'It was not started in time' };
}
