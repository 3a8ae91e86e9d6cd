/**
 * What a node's Hello settles. The node made `received` and `started` durable before it acted, so its answer to "what do you know about this dispatch?"
 * is exact as long as its store is the one that was offered it:
 *
 *   nothing known, same store    never started       back to the queue, both classes (unless it had reported the start: then it counts as cut)
 *   received                     never started       goes on when its process lives, else back to the queue
 *   started, alive               running             goes on
 *   started, not alive           cut                 idempotent: again, at most 5 attempts; effectful: unknown
 *   done                         has the result      it is asked for
 *   store is another one         nobody can say      idempotent: again; effectful: unknown
 *
 * A dispatch that is queued stays queued: it got there with proof that nothing of it runs.
 */
import type { Hello, KnownDispatch } from '../base/link-messages.js';
import type { DispatchRecord } from '../base/model.js';
import type { MailboxIndex } from './mailbox-index.js';
import { requeueDelayMs } from './reports.js';
import type { Transaction } from './transaction.js';
import { MAX_ATTEMPTS, RUN_TIMEOUT_MARGIN_MS, requeue, settle, unknownError } from './transitions.js';

export interface Reconciliation {
  readonly keep: readonly string[];
  readonly drop: readonly string[];
  readonly wantResults: readonly string[];
  readonly cancel: readonly { readonly id: string; readonly attempt: number }[];
}

export function reconcile(
  index: MailboxIndex,
  tx: Transaction,
  nodeId: string,
  hello: Hello,
  leaseMs: number,
): Reconciliation {
  const known = new Map(hello.known.map((entry) => [entry.id, entry]));
  const keep: string[] = [];
  const wantResults: string[] = [];
  const cancel: { id: string; attempt: number }[] = [];
  const wanted = new Set<string>();

  for (const id of [...index.inFlightOf(nodeId)]) {
    const record = tx.tables.dispatches.get(id)!;
    const sameStore = record.storeId === hello.storeId;
    const entry = sameStore ? known.get(id) : undefined;
    const verdict = judge(record, entry, sameStore);
    switch (verdict) {
      case 'want-result':
        wantResults.push(id);
        wanted.add(id);
        resume(index, tx, record, entry!, record.state === 'cancelling' ? 'cancelling' : 'running', leaseMs);
        break;
      case 'keep-running':
      case 'keep-received':
        keep.push(id);
        wanted.add(id);
        resume(index, tx, record, entry!, verdict === 'keep-running' ? 'running' : 'offered', leaseMs);
        break;
      case 'cancel':
        cancel.push({ id, attempt: entry!.attempt });
        wanted.add(id);
        index.flights.get(id)!.acceptAttempt = entry!.attempt;
        break;
      case 'again':
        requeue(index, tx, record, { delayMs: 0, started: sameStore ? false : null });
        break;
      case 'again-later':
        requeue(index, tx, record, { delayMs: requeueDelayMs(record.attempt), started: true });
        break;
      case 'exhausted':
        settle(index, tx, record, {
          state: 'failed',
          started: true,
          error: { code: 'ATTEMPTS_EXHAUSTED', message: `It was cut ${MAX_ATTEMPTS} times and is not tried again` },
        });
        break;
      case 'unknown':
        settle(index, tx, record, { state: 'unknown', started: sameStore ? true : null, error: unknownError });
        break;
      case 'cancelled-not-started':
        settle(index, tx, record, { state: 'cancelled', started: false });
        break;
      case 'cancelled-started':
        settle(index, tx, record, { state: 'cancelled', started: true });
        break;
      case 'cancelled-unconfirmed':
        settle(index, tx, record, { state: 'cancelled', started: null });
        break;
    }
  }
  return { keep, drop: hello.known.map((entry) => entry.id).filter((id) => !wanted.has(id)), wantResults, cancel };
}

type Verdict =
  | 'want-result'
  | 'keep-running'
  | 'keep-received'
  | 'cancel'
  | 'again'
  | 'again-later'
  | 'exhausted'
  | 'unknown'
  | 'cancelled-not-started'
  | 'cancelled-started'
  | 'cancelled-unconfirmed';

function judge(record: DispatchRecord, entry: KnownDispatch | undefined, sameStore: boolean): Verdict {
  if (record.state === 'cancelling') {
    if (!sameStore) return 'cancelled-unconfirmed';
    if (entry === undefined) return 'cancelled-not-started';
    if (entry.state === 'done') return 'want-result';
    if (entry.alive) return 'cancel';
    return entry.state === 'started' ? 'cancelled-started' : 'cancelled-not-started';
  }
  if (!sameStore) return record.idempotent ? 'again' : 'unknown';
  if (entry === undefined) return record.phase === 'running' ? cut(record) : 'again';
  if (entry.state === 'done') return 'want-result';
  if (entry.state === 'received') return entry.alive && entry.attempt === record.attempt ? 'keep-received' : 'again';
  return entry.alive ? 'keep-running' : cut(record);
}

/** It started and does not run any more. */
function cut(record: DispatchRecord): Verdict {
  if (!record.idempotent) return 'unknown';
  return record.attempt >= MAX_ATTEMPTS ? 'exhausted' : 'again-later';
}

/** Back in the hands of the node, over the new link. Memory only: another restart asks the node again. */
function resume(
  index: MailboxIndex,
  tx: Transaction,
  record: DispatchRecord,
  entry: KnownDispatch,
  state: 'offered' | 'running' | 'cancelling',
  leaseMs: number,
): void {
  const flight = index.flights.get(record.id)!;
  flight.acceptAttempt = entry.attempt;
  if (state === 'cancelling') return;
  const phase = state === 'offered' && record.phase === 'mediation' ? 'mediation' : state;
  const resumed = tx.setVolatile('dispatches', record.id, { state: phase, phase });
  flight.leaseUntil = tx.now.mono + leaseMs;
  // What is left of the run's time is not known here; the node enforces its own timer and the deadline caps both.
  if (state === 'running') flight.runUntil = tx.now.mono + record.runTimeoutMs + RUN_TIMEOUT_MARGIN_MS;
  index.schedule(resumed, tx.now);
}
