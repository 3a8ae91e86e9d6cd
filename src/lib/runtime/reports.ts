/**
 * What a node says about its dispatches while its link is up, and what follows. Every message is checked against its fence first: the node must own the
 * dispatch, the attempt must be the one that is accepted, the epoch must be the one of the link it came over.
 */
import type { Fence, Hello, UpMessage } from '../base/link-messages.js';
import type { DispatchRecord } from '../base/model.js';
import { MAX_BACKOFF_MS, isTerminal } from './mailbox-index.js';
import type { MailboxIndex } from './mailbox-index.js';
import type { Transaction } from './transaction.js';
import { advance, requeue, settle } from './transitions.js';

/** Back-off before a dispatch that the node refused for now is offered again: 1, 2, 4, 8 s. */
export function requeueDelayMs(attempt: number): number {
  return Math.min(1000 * 2 ** Math.max(attempt - 1, 0), MAX_BACKOFF_MS);
}

export function report(
  index: MailboxIndex,
  tx: Transaction,
  nodeId: string,
  message: Exclude<UpMessage, Hello>,
  leaseMs: number,
): void {
  switch (message.kind) {
    case 'heartbeat':
      for (const { id, attempt } of message.active) extendLease(index, tx, nodeId, id, attempt, leaseMs);
      return;
    case 'stopping':
      return;
    default:
  }
  const record = matching(index, tx, nodeId, message);
  if (record === null) return;
  switch (message.kind) {
    case 'received':
      extendLease(index, tx, nodeId, record.id, message.attempt, leaseMs);
      return;
    case 'mediation':
      if (record.phase !== 'running') awaiting(index, tx, record, message, leaseMs);
      return;
    case 'started':
      if (record.phase !== 'running') advance(index, tx, record, 'running', leaseMs);
      else extendLease(index, tx, nodeId, record.id, message.attempt, leaseMs);
      return;
    case 'progress':
      extendLease(index, tx, nodeId, record.id, message.attempt, leaseMs);
      return;
    case 'result':
      settle(index, tx, record, {
        state: message.state,
        outputJson: message.outputJson,
        error: message.error,
        started: message.state !== 'denied',
        ...(record.startedAt === null && message.state !== 'denied'
          ? { startedAt: Math.max(record.queuedAt, tx.now.wall - message.executionMs) }
          : {}),
      });
      tx.send(nodeId, { kind: 'result_ack', id: record.id, attempt: message.attempt });
      return;
    case 'rejected':
      rejected(index, tx, record, message);
      return;
    case 'cancelled':
      if (record.state === 'cancelling' || message.started) {
        settle(index, tx, record, { state: 'cancelled', started: message.started });
      } else requeue(index, tx, record, { delayMs: requeueDelayMs(record.attempt), started: false });
      tx.send(nodeId, { kind: 'result_ack', id: record.id, attempt: message.attempt });
      return;
    default:
  }
}

/** A person is asked. Their time is written as an instant of ours: the two clocks need not agree. */
function awaiting(
  index: MailboxIndex,
  tx: Transaction,
  record: DispatchRecord,
  { asking }: Extract<UpMessage, { kind: 'mediation' }>,
  leaseMs: number,
): void {
  if (asking !== undefined) {
    const until = Math.min(tx.now.wall + asking.timeLeftMs, record.deadlineAt);
    tx.set('dispatches', record.id, { asked: { channel: asking.channel, at: record.asked?.at ?? tx.now.wall, until } });
  }
  advance(index, tx, tx.tables.dispatches.get(record.id)!, 'mediation', leaseMs);
}

function rejected(
  index: MailboxIndex,
  tx: Transaction,
  record: DispatchRecord,
  message: Extract<UpMessage, { kind: 'rejected' }>,
): void {
  // A refusal proves that this attempt never started.
  if (record.state === 'cancelling') {
    settle(index, tx, record, { state: 'cancelled', started: record.started });
    return;
  }
  switch (message.cause) {
    case 'busy':
    case 'stopping':
      requeue(index, tx, record, { delayMs: requeueDelayMs(record.attempt), started: false });
      return;
    case 'past-deadline':
      settle(index, tx, record, {
        state: 'expired',
        started: record.started,
        error: { code: 'EXPIRED', message: 'It reached the node after its deadline; it was not started' },
      });
      return;
    case 'unknown-capability':
    case 'invalid-input':
      settle(index, tx, record, {
        state: 'failed',
        started: false,
        error: {
          code: message.cause === 'invalid-input' ? 'INPUT_INVALID' : 'CAPABILITY_NOT_FOUND',
          message: message.message,
        },
      });
      return;
  }
}

/**
 * The open dispatch the fence names, or null after answering. A late word about a settled dispatch never changes it: a result is acknowledged when it is
 * the one that settled it, so that the node can forget it, and called stale otherwise.
 */
function matching(
  index: MailboxIndex,
  tx: Transaction,
  nodeId: string,
  message: Fence & { readonly kind: string; readonly state?: string },
): DispatchRecord | null {
  const record = tx.tables.dispatches.get(message.id);
  const link = index.links.get(nodeId);
  if (record === undefined || record.nodeId !== nodeId) {
    tx.send(nodeId, { kind: 'stale', id: message.id, reason: 'unknown dispatch' });
    return null;
  }
  if (isTerminal(record.state)) {
    const repeated = message.kind === 'result' && record.attempt === message.attempt && record.state === message.state;
    if (repeated) tx.send(nodeId, { kind: 'result_ack', id: record.id, attempt: message.attempt });
    else {
      if (message.kind === 'result') tx.events.push({ type: 'dispatch.late-result', dispatchId: record.id, nodeId });
      tx.send(nodeId, { kind: 'stale', id: record.id, reason: `already ${record.state}` });
    }
    return null;
  }
  const flight = index.flights.get(record.id)!;
  if (link === undefined || message.epoch !== link.epoch) {
    tx.send(nodeId, { kind: 'stale', id: record.id, reason: 'another session' });
    return null;
  }
  if (record.state === 'queued' || message.attempt !== flight.acceptAttempt) {
    tx.send(nodeId, { kind: 'stale', id: record.id, reason: 'another attempt' });
    return null;
  }
  return record;
}

/** The node still works on it. A lease that ran out on a link that is still up is taken up again. */
function extendLease(
  index: MailboxIndex,
  tx: Transaction,
  nodeId: string,
  id: string,
  attempt: number,
  leaseMs: number,
): void {
  const record = tx.tables.dispatches.get(id);
  const flight = index.flights.get(id);
  if (record === undefined || flight === undefined || record.nodeId !== nodeId) {
    tx.send(nodeId, {
      kind: 'stale',
      id,
      reason: record === undefined ? 'unknown dispatch' : `already ${record.state}`,
    });
    return;
  }
  if (record.state === 'queued' || attempt !== flight.acceptAttempt || record.state === 'cancelling') return;
  if (record.state === 'suspect') {
    tx.setVolatile('dispatches', id, { state: record.phase ?? 'offered' });
    if (record.phase === 'running') flight.runUntil = tx.now.mono + record.runTimeoutMs;
  }
  flight.leaseUntil = tx.now.mono + leaseMs;
  index.schedule(tx.tables.dispatches.get(id)!, tx.now);
}
