/**
 * The working parts the domain shares: tables, indexes, links, waits, and the one way a decision becomes durable and visible.
 *
 * begin() gives a transaction with the present time; the rules decide in it; commit() makes it durable and releases its effects in order. One timer stands on
 * the mailbox's earliest deadline; nothing is polled. Only `runtime/` uses this class.
 */
import { Absences } from './absences.js';
import { Committer } from './committer.js';
import { Clones } from './clones.js';
import type { Downtime } from './downtime.js';
import { EventLog } from './events.js';
import { leaseMsFor } from './heartbeats.js';
import { Links } from './links.js';
import type { OpenLink } from './links.js';
import { Mailbox } from './mailbox.js';
import { PendingRequests } from './pairing-context.js';
import type { CertificateIssuer, NodeRemoval, PairingContext } from './pairing-context.js';
import { Registry } from './registry.js';
import { removeNode } from './removal.js';
import type { StateStore, Tables } from './state.js';
import { Transaction } from './transaction.js';
import type { Now } from './transaction.js';
import { toNodeView } from './views.js';
import { Waiters } from './waiters.js';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { NodeRecord, NodeView } from '../base/model.js';
import type { Random } from '../base/random.js';

export interface RuntimeDeps {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly issuer: CertificateIssuer;
}

export interface RuntimeOptions {
  readonly ownerName: string;
  readonly version: string;
  /** How often nodes are asked to beat, at most: a large fleet beats more slowly (`heartbeats.ts`). */
  readonly heartbeatMs?: number;
}

/** One beat in 15 s is enough to call a node late after 30 s and lost after a minute. */
export const DEFAULT_HEARTBEAT_MS = 15_000;

export class RuntimeCore {
  readonly events = new EventLog();
  readonly registry = new Registry();
  readonly pending = new PendingRequests();
  readonly links = new Links();
  readonly clones = new Clones();
  readonly absences = new Absences(this);
  readonly mailbox: Mailbox;
  readonly waiters: Waiters;
  /** As configured; a link has its own. */
  readonly heartbeatMs: number;
  readonly revokedListeners = new Set<(nodeId: string) => void>();
  readonly endedListeners = new Set<(credentials: ReadonlySet<string>) => void>();
  readonly fatalListeners = new Set<(error: PalyraError) => void>();
  /** Adds to what is committed; see `repeats.ts`. */
  marker: (tx: Transaction) => void = () => undefined;
  /** What every link is told after its welcome; null while the CA was never replaced. */
  trustBundle: readonly string[] | null = null;
  readonly #committer: Committer;
  /** The link each message is meant for: the one open when it was decided, not one that takes over before it is released. */
  readonly #addressees = new WeakMap<object, OpenLink | null>();
  #wakeAt = Infinity;
  #cancelWake: () => void = () => undefined;

  constructor(
    readonly deps: RuntimeDeps,
    readonly options: RuntimeOptions,
    readonly tables: Tables,
  ) {
    this.heartbeatMs = options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
    this.mailbox = new Mailbox({ leaseMs: leaseMsFor(this.heartbeatMs) });
    this.waiters = new Waiters(deps.clock);
    this.#committer = new Committer(deps.store, {
      release: (tx) => this.#release(tx),
      rolledBack: (error) => this.#rolledBack(error),
      fatal: (error) => this.fatalListeners.forEach((listener) => listener(error)),
    });
    this.#rebuild();
  }

  now(): Now {
    return { wall: this.deps.clock.now(), mono: this.deps.clock.monotonic() };
  }

  begin(): Transaction {
    return new Transaction(this.tables, this.now());
  }

  /** Resolves when the decision is durable and its effects are released. Rejects with a storage reason when it is undone. */
  commit(tx: Transaction): Promise<void> {
    this.marker(tx);
    for (const entry of tx.messages) this.#addressees.set(entry, this.links.get(entry.nodeId));
    this.#arm();
    return this.#committer.commit(tx);
  }

  /** Commits where nobody waits for the answer. */
  commitInBackground(tx: Transaction, what: string): void {
    if (tx.isEmpty && tx.messages.length === 0 && tx.events.length === 0) return;
    this.commit(tx).catch((error: unknown) => this.deps.log.error(`${what} could not be stored`, { err: error }));
  }

  /** Applies every timer that is due. */
  expire(): void {
    this.#cancelWake();
    this.#wakeAt = Infinity;
    const tx = this.begin();
    this.mailbox.expire(tx);
    this.#arm();
    this.commitInBackground(tx, 'deadlines');
  }

  /** Stops the timer. */
  stopTimer(): void {
    this.#cancelWake();
  }

  /** When the daemon did not run, as far as it knows. */
  downtimes(): readonly Downtime[] {
    return this.tables.daemon.get('daemon')?.downtimes ?? [];
  }

  pairing(): PairingContext {
    const removal: NodeRemoval = {
      describe: (node) => {
        const { presence } = this.nodeView(node);
        return { nodeId: node.id, name: node.name, presence, lastSeenAt: node.lastSeenAt };
      },
      remove: (tx, node, by, replacedBy) => void removeNode(tx, this, node, by, replacedBy),
    };
    return { registry: this.registry, pending: this.pending, issuer: this.deps.issuer, removal };
  }

  /** Throws NODE_NOT_FOUND. */
  node(id: string): NodeRecord {
    const node = this.tables.nodes.get(id);
    if (node === undefined) throw new PalyraError('NODE_NOT_FOUND', { detail: id });
    return node;
  }

  nodeView(node: NodeRecord): NodeView {
    const { index } = this.mailbox;
    const link = this.links.get(node.id);
    return toNodeView(node, {
      now: this.now(),
      version: this.options.version,
      link,
      transport: link?.sink.transport ?? null,
      waiting: index.queues.get(node.id)?.length ?? 0,
      running: index.inFlight.get(node.id)?.size ?? 0,
    });
  }

  #release(tx: Transaction): void {
    for (const entry of tx.messages) {
      const link = this.#addressees.get(entry) ?? null;
      if (link !== null && this.links.get(link.nodeId) === link) link.sink.send(entry.message);
    }
    for (const nodeId of tx.revokedNodes) this.#endRevoked(nodeId);
    if (tx.endedCredentials.length > 0) {
      const ended = new Set(tx.endedCredentials);
      for (const listener of this.endedListeners) listener(ended);
    }
    for (const event of tx.events) this.events.publish(event, tx.now.wall);
    for (const id of tx.settledIds) this.waiters.wake(`dispatch:${id}`);
    for (const id of tx.touchedInvites) this.waiters.wake(`invite:${id}`);
    for (const id of tx.touchedApprovals) this.waiters.wake(`approval:${id}`);
  }

  #endRevoked(nodeId: string): void {
    const link = this.links.get(nodeId);
    if (link !== null) {
      const name = this.tables.nodes.get(nodeId)?.name ?? nodeId;
      link.sink.send({ kind: 'revoked', message: `"${name}" is no longer trusted by the daemon` });
      this.links.release(link);
      this.absences.closed(link, 'revoked', this.now());
      link.sink.close('revoked');
    }
    for (const listener of this.revokedListeners) listener(nodeId);
  }

  #rolledBack(error: PalyraError): void {
    this.deps.log.error('a write was refused; what was not durable is undone', { err: error });
    // Links carry decisions that no longer stand: nodes connect again and are reconciled against what is durable.
    this.links.closeAll('protocol');
    this.#rebuild();
  }

  #rebuild(): void {
    this.registry.rebuild(this.tables);
    this.pending.rebuild(this.tables);
    this.mailbox.rebuild(this.tables, this.now());
    this.#arm();
  }

  /** Keeps one timer on the earliest deadline of the mailbox. */
  #arm(): void {
    const next = this.mailbox.nextDeadline();
    if (next === null || next >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = next;
    this.#cancelWake = this.deps.clock.schedule(Math.max(0, next - this.deps.clock.monotonic()), () => this.expire());
  }
}
