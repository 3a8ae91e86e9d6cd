/**
 * The arrows of the mailbox's state machine, each in one place. They change rows through the transaction and keep the index in step.
 *
 *   queued ──offer──► offered ──► mediation ──► running ──settle──► succeeded | failed | denied | timed-out | cancelled | unknown
 *     ▲  └─ expire / cancel        │      │        │
 *     └────── requeue ──────── suspect (link lost; waits for Hello or the deadline)        cancelling (asked; waits 10 s)
 */
import { CANCEL_GRACE_MS, isTerminal } from './mailbox-index.js';
import type { MailboxIndex } from './mailbox-index.js';
import type { Transaction } from './transaction.js';
import type { DispatchError, DispatchRecord, DispatchStateName, TerminalState } from '../base/model.js';

/** How often an idempotent dispatch whose run was cut is started before it fails. */
export const MAX_ATTEMPTS = 5;
/** The node stops a run at its time-out by itself; the daemon's own timer is this much later, so that the node's word comes first. */
export const RUN_TIMEOUT_MARGIN_MS = 2_000;

export const timedOutError: DispatchError = {
  code: 'TIMED_OUT',
  message: 'It did not finish in the time it was given',
};
export const unconfirmedError: DispatchError = {
  code: 'CANCEL_UNCONFIRMED',
  message: 'The node did not confirm the cancel in time',
};
export const unknownError: DispatchError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'It was delivered and the node cannot say how it ended; it may have run',
};

export interface Outcome {
  readonly state: TerminalState;
  readonly outputJson?: string | null;
  readonly error?: DispatchError | null;
  /** Whether the handler started; null: nobody can say. */
  readonly started: boolean | null;
  readonly startedAt?: number;
}

export function stateName(record: DispatchRecord): DispatchStateName {
  switch (record.state) {
    case 'offered':
      return 'delivered';
    case 'mediation':
      return 'awaiting-approval';
    case 'suspect':
    case 'cancelling':
      return record.phase === 'running' ? 'running' : record.phase === 'mediation' ? 'awaiting-approval' : 'delivered';
    default:
      return record.state;
  }
}

/** The one way into a terminal state. A settled dispatch never changes again: calling it on one is a defect and throws. */
export function settle(index: MailboxIndex, tx: Transaction, record: DispatchRecord, outcome: Outcome): DispatchRecord {
  if (isTerminal(record.state)) throw new Error(`dispatch ${record.id} is already ${record.state}`);
  const settled = tx.set('dispatches', record.id, {
    state: outcome.state,
    outputJson: outcome.outputJson ?? null,
    error: outcome.error ?? null,
    started: outcome.started,
    finishedAt: tx.now.wall,
    ...(outcome.startedAt === undefined ? {} : { startedAt: outcome.startedAt }),
  });
  index.close(settled);
  tx.settledIds.push(settled.id);
  announce(tx, settled);
  return settled;
}

/** Gives waiting dispatches to the node while it has credit. Only ever called for a link whose Hello was reconciled. */
export function offerNext(index: MailboxIndex, tx: Transaction, nodeId: string, leaseMs: number): void {
  const link = index.links.get(nodeId);
  if (link === undefined) return;
  const inFlight = index.inFlightOf(nodeId);
  const queue = index.queueOf(nodeId);
  if (queue.length === 0 || inFlight.size >= link.credit) return;
  for (const id of [...queue]) {
    if (inFlight.size >= link.credit) return;
    const record = tx.tables.dispatches.get(id)!;
    const flight = index.flights.get(id)!;
    if (flight.notBefore > tx.now.mono || flight.deadlineAt <= tx.now.mono) continue;
    const offered = tx.set('dispatches', id, {
      state: 'offered',
      phase: 'offered',
      attempt: record.attempt + 1,
      epoch: link.epoch,
      storeId: link.storeId,
      deliveredAt: record.deliveredAt ?? tx.now.wall,
    });
    flight.acceptAttempt = offered.attempt;
    flight.leaseUntil = tx.now.mono + leaseMs;
    flight.runUntil = Infinity;
    index.toFlight(offered);
    index.schedule(offered, tx.now);
    tx.send(nodeId, {
      kind: 'offer',
      id,
      attempt: offered.attempt,
      epoch: link.epoch,
      capability: offered.capability,
      inputJson: offered.inputJson,
      runTimeoutMs: offered.runTimeoutMs,
      deadlineInMs: Math.max(1, Math.round(flight.deadlineAt - tx.now.mono)),
      requestedBy: offered.requestedBy,
    });
    announce(tx, offered);
  }
}

/**
 * Back into the queue. `delayMs` is the back-off before the next offer; `started` is what is known of the runs so far: false with proof that none began,
 * null when nobody can say.
 */
export function requeue(
  index: MailboxIndex,
  tx: Transaction,
  record: DispatchRecord,
  { delayMs, started }: { readonly delayMs: number; readonly started: boolean | null },
): DispatchRecord {
  const queued = tx.set('dispatches', record.id, {
    state: 'queued',
    phase: null,
    started: record.started === false ? started : record.started,
    notBefore: tx.now.wall + delayMs,
  });
  const flight = index.flights.get(record.id)!;
  flight.notBefore = tx.now.mono + delayMs;
  flight.leaseUntil = Infinity;
  flight.runUntil = Infinity;
  flight.cancelUntil = Infinity;
  index.toQueue(queued);
  index.schedule(queued, tx.now);
  announce(tx, queued);
  return queued;
}

/** The link or the lease is gone. Memory only: after a restart every dispatch in flight is suspect anyway. */
export function suspect(index: MailboxIndex, tx: Transaction, record: DispatchRecord): void {
  tx.setVolatile('dispatches', record.id, { state: 'suspect' });
  const flight = index.flights.get(record.id)!;
  flight.leaseUntil = Infinity;
  flight.runUntil = Infinity;
  index.schedule(record, tx.now);
}

/** Durably: the handler is running, or a person is being asked. */
export function advance(
  index: MailboxIndex,
  tx: Transaction,
  record: DispatchRecord,
  phase: 'mediation' | 'running',
  leaseMs: number,
): void {
  const next = tx.set('dispatches', record.id, {
    ...(record.state === 'cancelling' ? {} : { state: phase }),
    phase,
    ...(phase === 'running' ? { started: true, startedAt: record.startedAt ?? tx.now.wall } : {}),
  });
  const flight = index.flights.get(record.id)!;
  flight.leaseUntil = tx.now.mono + leaseMs;
  if (phase === 'running') flight.runUntil = tx.now.mono + record.runTimeoutMs + RUN_TIMEOUT_MARGIN_MS;
  index.schedule(next, tx.now);
  announce(tx, next);
}

/** Asks the node to stop; the caller has checked that the dispatch may have started. */
export function requestCancel(index: MailboxIndex, tx: Transaction, record: DispatchRecord): DispatchRecord {
  const cancelling = tx.set('dispatches', record.id, { state: 'cancelling', cancelRequestedAt: tx.now.wall });
  const flight = index.flights.get(record.id)!;
  flight.leaseUntil = Infinity;
  flight.runUntil = Infinity;
  flight.cancelUntil = tx.now.mono + CANCEL_GRACE_MS;
  index.schedule(cancelling, tx.now);
  if (index.links.has(record.nodeId))
    tx.send(record.nodeId, { kind: 'cancel', id: record.id, attempt: record.attempt });
  announce(tx, cancelling);
  return cancelling;
}

export function announce(tx: Transaction, record: DispatchRecord): void {
  tx.events.push({
    type: 'dispatch.changed',
    dispatchId: record.id,
    nodeId: record.nodeId,
    capability: record.capability,
    state: stateName(record),
    totalMs: record.finishedAt === null ? null : record.finishedAt - record.queuedAt,
    by: record.requestedBy,
  });
}
