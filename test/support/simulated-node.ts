/**
 * A node as `reliability` §7.4 describes it, without sockets: its journal survives a crash, its handlers and queues do not. It counts every start of a
 * handler, which is what the delivery promises are about. A test decides when a message is delivered and when a handler ends.
 */
import type { DownMessage, Fence, Hello, Offer, UpMessage } from '../../src/lib/base/link-messages.js';
import type { LinkSession } from '../../src/lib/runtime/runtime.js';

interface Entry {
  attempt: number;
  state: 'received' | 'started' | 'done';
  result: 'succeeded' | 'failed' | 'cancelled' | null;
}

export class SimulatedNode {
  /** The sink of the present connection. */
  connection: object | null = null;
  session: LinkSession | null = null;
  readonly inbox: DownMessage[] = [];
  readonly outbox: UpMessage[] = [];
  /** What its journal holds. */
  readonly journal = new Map<string, Entry>();
  readonly alive = new Set<string>();
  /** How often a handler was started, by dispatch; outlives everything. */
  readonly executions = new Map<string, number>();
  /** Dispatches whose start happened after the node was told to drop or cancel them. */
  readonly startedAfterCancel: string[] = [];
  readonly #forbidden = new Set<string>();
  revoked = false;
  epoch = 0;
  #boot = 1;
  #store = 1;
  #welcomed = false;

  constructor(readonly id: string) {}

  get hello(): Hello {
    return {
      kind: 'hello',
      bootId: `boot-${this.#boot}`,
      storeId: `store-${this.#store}`,
      protocol: { min: 1, max: 1 },
      version: '0.1.0',
      credit: 2,
      lastEpoch: this.epoch,
      known: [...this.journal].map(([id, { attempt, state }]) => ({ id, attempt, state, alive: this.alive.has(id) })),
    };
  }

  close(reason: string): void {
    if (reason === 'revoked') this.revoked = true;
    this.disconnected();
  }

  /** The connection is gone: nothing in the pipes survives, handlers go on. */
  disconnected(): void {
    this.session = null;
    this.connection = null;
    this.inbox.length = 0;
    this.outbox.length = 0;
    this.#welcomed = false;
  }

  crash(): void {
    this.disconnected();
    this.alive.clear();
    this.#boot++;
    for (const [id, entry] of this.journal) if (entry.state === 'received') this.journal.delete(id);
  }

  wipe(): void {
    this.crash();
    this.journal.clear();
    this.#store++;
  }

  /** Takes the next message from the daemon. */
  deliver(): void {
    const message = this.inbox.shift();
    if (message === undefined) return;
    switch (message.kind) {
      case 'welcome':
        this.#welcomed = true;
        this.epoch = message.epoch;
        for (const id of message.drop) this.#forget(id);
        for (const { id } of message.cancel) this.#cancel(id);
        for (const id of message.wantResults) this.#sendResult(id);
        return;
      case 'offer':
        if (this.#welcomed) this.#offered(message);
        return;
      case 'cancel':
        this.#cancel(message.id);
        return;
      case 'result_ack':
      case 'stale':
        this.#forget(message.id);
        return;
      case 'revoked':
        this.revoked = true;
        return;
      default:
    }
  }

  /** A running handler ends. */
  finish(nth: number, result: 'succeeded' | 'failed'): void {
    const id = [...this.alive][nth % Math.max(1, this.alive.size)];
    if (id === undefined) return;
    const entry = this.journal.get(id)!;
    this.alive.delete(id);
    entry.state = 'done';
    entry.result = result;
    if (this.#welcomed) this.#sendResult(id);
  }

  beat(): void {
    this.outbox.push({
      kind: 'heartbeat',
      active: [...this.alive].map((id) => ({ id, attempt: this.journal.get(id)!.attempt })),
    });
  }

  #offered(offer: Offer): void {
    const known = this.journal.get(offer.id);
    if (known?.state === 'done') {
      known.attempt = offer.attempt;
      this.#sendResult(offer.id);
      return;
    }
    if (known?.state === 'started' && this.alive.has(offer.id)) {
      known.attempt = offer.attempt;
      this.outbox.push({ kind: 'started', ...this.#fence(offer.id) });
      return;
    }
    this.journal.set(offer.id, { attempt: offer.attempt, state: 'started', result: null });
    this.alive.add(offer.id);
    this.executions.set(offer.id, (this.executions.get(offer.id) ?? 0) + 1);
    if (this.#forbidden.has(offer.id)) this.startedAfterCancel.push(offer.id);
    this.outbox.push({ kind: 'received', ...this.#fence(offer.id) }, { kind: 'started', ...this.#fence(offer.id) });
  }

  #cancel(id: string): void {
    this.#forbidden.add(id);
    const entry = this.journal.get(id);
    if (entry === undefined || entry.state === 'done') return;
    this.alive.delete(id);
    // A cancelled run is an outcome like any other: kept until the daemon has it.
    entry.state = 'done';
    entry.result = 'cancelled';
    this.#sendResult(id);
  }

  #forget(id: string): void {
    this.alive.delete(id);
    this.journal.delete(id);
  }

  #sendResult(id: string): void {
    const entry = this.journal.get(id);
    if (entry?.state !== 'done') return;
    if (entry.result === 'cancelled') {
      this.outbox.push({ kind: 'cancelled', started: true, ...this.#fence(id) });
      return;
    }
    this.outbox.push({
      kind: 'result',
      ...this.#fence(id),
      state: entry.result ?? 'failed',
      outputJson: entry.result === 'succeeded' ? '{"ok":true}' : null,
      error: entry.result === 'succeeded' ? null : { code: 'OUT_OF_PAPER', message: 'the printer is out of paper' },
      executionMs: 1,
    });
  }

  #fence(id: string): Fence {
    return { id, attempt: this.journal.get(id)!.attempt, epoch: this.epoch };
  }
}
