/**
 * The domain behind one door: registry, pairing, mailbox and approvals over one set of tables, made durable by the store port.
 *
 * The rules themselves never wait (registry.ts, pairing.ts, mailbox.ts). This class gives them `now`, commits what they decided, releases effects when they
 * are durable, and lets callers wait. It opens no socket, reads no file and has no clock of its own. All listeners see only this class.
 */
import { monotonicFactory } from 'ulid';
import type { AbsenceView } from '../base/absences.js';
import { Access } from './access.js';
import { Authorities } from './authorities.js';
import { callerName, credentialOf } from './caller-name.js';
import { Approvals } from './approvals.js';
import { RuntimeCore } from './core.js';
import type { RuntimeDeps, RuntimeOptions } from './core.js';
import { downtimesAt } from './downtime.js';
import { describeOffline, planDispatch } from './dispatch-request.js';
import type { DispatchRequest } from './dispatch-request.js';
import type { EventLog } from './events.js';
import { Fleet } from './fleet.js';
import { Grants } from './grants.js';
import { openLink, registerNode } from './link-sessions.js';
import type { DeviceCaller, LinkSession, NodeReport, RegisteredNode } from './link-sessions.js';
import type { LinkSink } from './links.js';
import { Logins } from './logins.js';
import { isTerminal } from './mailbox-index.js';
import { InviteBook } from './invite-book.js';
import { Inventory } from './inventory.js';
import { Overview } from './overview.js';
import { requestPairing } from './pairing.js';
import type { PairingRequest } from './pairing.js';
import { removeNode } from './removal.js';
import { Renewals } from './renewals.js';
import { Repeats } from './repeats.js';
import { shortId } from './short-id.js';
import type { StoreStatus } from './state.js';
import { dispatchSummary, nodePage, nodeSummary } from './summaries.js';
import type { DispatchSummary, NodeSummary } from './summaries.js';
import { Upkeep } from './upkeep.js';
import type { WaitOptions } from './waiters.js';
import { Trust } from './trust.js';
import { toDispatchView } from './views.js';
import { PalyraError } from '../base/errors.js';
import { pooledFractions } from '../base/random.js';
import type { Hello } from '../base/link-messages.js';
import type { Caller, CapabilityDescriptor, DispatchView, NodeView } from '../base/model.js';
import type { JoinRecord } from '../base/requests.js';

export class NodeRuntime {
  /** Permissions to join. */
  readonly invites: InviteBook;
  /** Lists across the fleet. */
  readonly overview: Overview;
  /** Names and labels. */
  readonly fleet: Fleet;
  /** What machines may do. */
  readonly grants: Grants;
  /** Trust withdrawn, given back, and machines that nobody sees any more. */
  readonly trust: Trust;
  /** New certificates for paired machines. */
  readonly renewals: Renewals;
  /** Who has what of the daemon's CA while it is replaced. */
  readonly authorities: Authorities;
  /** Every device in one list, with what can be done about it. */
  readonly inventory: Inventory;
  /** Requests with a key, over restarts. */
  readonly repeats: Repeats;
  /** Operators, their sessions and tokens. */
  readonly access: Access;
  readonly #core: RuntimeCore;
  readonly #ulid: () => string;
  #bootEpoch = 0;
  #sessions = 0;
  #draining: string | null = null;
  /** What waits for a person, and the answers. */
  readonly approvals: Approvals;
  /** Programs that wait for a person's yes. */
  readonly logins: Logins;
  readonly #upkeep: Upkeep;

  private constructor(core: RuntimeCore) {
    this.#core = core;
    this.overview = new Overview(core);
    this.invites = new InviteBook(core);
    this.fleet = new Fleet(core);
    this.grants = new Grants(core);
    this.access = new Access(core);
    this.trust = new Trust(core);
    this.renewals = new Renewals(core);
    this.authorities = new Authorities(core);
    this.inventory = new Inventory(core);
    this.repeats = new Repeats(core);
    this.#upkeep = new Upkeep(core, this.access, this.repeats);
    this.#ulid = monotonicFactory(pooledFractions(core.deps.random));
    this.approvals = new Approvals(core, () => `nod_${this.#ulid()}`);
    this.logins = new Logins(core);
  }

  /** Reads the state and makes a new boot epoch durable. Throws what the store throws. */
  static async open(deps: RuntimeDeps, options: RuntimeOptions): Promise<NodeRuntime> {
    const runtime = new NodeRuntime(new RuntimeCore(deps, options, await deps.store.load()));
    const tx = runtime.#core.begin();
    const row = runtime.#core.tables.daemon.get('daemon');
    runtime.#bootEpoch = (row?.bootEpoch ?? 0) + 1;
    tx.put('daemon', 'daemon', {
      bootEpoch: runtime.#bootEpoch,
      ownerName: row?.ownerName ?? options.ownerName,
      createdAt: row?.createdAt ?? tx.now.wall,
      ...downtimesAt(row, tx.now.wall),
    });
    runtime.#core.absences.atStart(tx, row?.aliveAt);
    runtime.access.begin(tx);
    await runtime.#core.commit(tx);
    return runtime;
  }

  get events(): EventLog {
    return this.#core.events;
  }

  get bootEpoch(): number {
    return this.#bootEpoch;
  }

  /** Resolves when everything decided so far is durable. Readers await it, so that nothing is shown that a crash could take back. */
  durable(): Promise<void> {
    return this.#core.deps.store.flushed();
  }

  storeStatus(): StoreStatus {
    return this.#core.deps.store.status();
  }

  // ── Nodes ──────────────────────────────────────────────────────────────────

  listNodes(page: { cursor?: string | undefined; limit?: number | undefined } = {}): {
    nodes: NodeView[];
    summary: NodeSummary;
    nextCursor: string | null;
  } {
    const { names, nextCursor } = nodePage(this.#core.registry.names, page);
    const nodes = names.map((name) => this.#core.nodeView(this.#core.registry.byName(this.#core.tables, name)!));
    return { nodes, summary: this.#nodeSummary(), nextCursor };
  }

  nodeDetails(nameOrId: string): {
    node: NodeView;
    capabilities: (CapabilityDescriptor & { granted: boolean })[];
    recentDispatches: DispatchView[];
    absences: AbsenceView[];
  } {
    const node = this.#core.registry.find(this.#core.tables, nameOrId);
    const recent = this.#core.mailbox.index.settledOrder
      .slice(-500)
      .map((id) => this.#core.tables.dispatches.get(id)!)
      .filter((record) => record.nodeId === node.id)
      .slice(-10)
      .reverse();
    return {
      node: this.#core.nodeView(node),
      capabilities: node.announced.map((descriptor) => ({
        ...descriptor,
        granted: node.granted.includes(descriptor.name),
      })),
      recentDispatches: recent.map((record) => toDispatchView(record, node.name)),
      absences: this.#core.absences.view(node),
    };
  }

  /** Withdraws trust, fails what is open on the node and ends its connections. Throws NODE_NOT_FOUND. */
  async removeNode(caller: Caller, nameOrId: string): Promise<{ node: NodeView; changed: boolean }> {
    const node = this.#core.registry.find(this.#core.tables, nameOrId);
    const tx = this.#core.begin();
    const removed = removeNode(tx, this.#core, node, callerName(caller));
    await this.#core.commit(tx);
    return { node: this.#core.nodeView(removed), changed: true };
  }

  summary(): { nodes: NodeSummary; approvals: { pending: number }; dispatches: DispatchSummary } {
    return {
      nodes: this.#nodeSummary(),
      approvals: { pending: this.#core.pending.count },
      dispatches: dispatchSummary(this.#core.tables, this.#core.mailbox.index, this.#core.deps.clock.now()),
    };
  }

  // ── Devices ────────────────────────────────────────────────────────────────

  /** The caller behind a certificate, by the allow list. Throws CERTIFICATE_REVOKED or NODE_REVOKED. */
  authenticateDevice(peer: {
    readonly deviceId: string;
    readonly serial: string;
    readonly address: string;
  }): DeviceCaller {
    this.#core.registry.authenticate(this.#core.tables, peer.deviceId, peer.serial, this.#core.deps.clock.now());
    return { kind: 'device', nodeId: peer.deviceId, serial: peer.serial, address: peer.address };
  }

  /** Takes what the machine reports about itself. Throws PROTOCOL_UNSUPPORTED. */
  registerNode(caller: DeviceCaller, report: NodeReport): Promise<RegisteredNode> {
    return registerNode(this.#core, caller, report);
  }

  /**
   * A node's link is up. Its Hello is reconciled durably, then the Welcome and waiting offers go through `sink`; an older link of the device is superseded.
   * Throws PROTOCOL_UNSUPPORTED, NODE_REVOKED or a storage reason.
   */
  openLink(caller: DeviceCaller, hello: Hello, sink: LinkSink): Promise<LinkSession> {
    return openLink(this.#core, this.#bootEpoch * 2 ** 32 + ++this.#sessions, caller, hello, sink);
  }

  /** Calls `listener` when a device's connections must be closed; the returned function ends that. */
  onRevoked(listener: (nodeId: string) => void): () => void {
    this.#core.revokedListeners.add(listener);
    return () => this.#core.revokedListeners.delete(listener);
  }

  // ── Pairing ────────────────────────────────────────────────────

  /** Consumes the invite and decides by its policy, in one durable step. Proofs have been verified. Throws INVITE_REFUSED, NAME_TAKEN or PAIRING_BUSY. */
  async requestPairing(request: PairingRequest): Promise<JoinRecord> {
    const tx = this.#core.begin();
    const ids = {
      requestId: shortId('req', this.#core.tables.approvals, this.#core.deps.random),
      deviceId: `nod_${this.#ulid()}`,
    };
    const approval = requestPairing(tx, this.#core.pairing(), ids, request);
    await this.#core.commit(tx);
    return approval;
  }

  /** A request to join; throws APPROVAL_NOT_FOUND, also for a login. */
  approval(id: string): JoinRecord {
    const approval = this.#core.tables.approvals.get(id);
    if (approval?.kind !== 'join') throw new PalyraError('APPROVAL_NOT_FOUND', { detail: id });
    return approval;
  }

  /** The request once it is decided, or as it is at the time-out. */
  async awaitApproval(id: string, options: WaitOptions): Promise<JoinRecord> {
    if (this.approval(id).state === 'pending') await this.#core.waiters.wait(`approval:${id}`, options);
    await this.durable();
    return this.approval(id);
  }

  /** The name of a node, removed ones included; its id when it is not known. */
  nodeName(nodeId: string): string {
    return this.#core.tables.nodes.get(nodeId)?.name ?? nodeId;
  }

  // ── Dispatches ─────────────────────────────────────────────────────────────

  /**
   * Accepts a dispatch; durable when it resolves. Throws NODE_NOT_FOUND, CAPABILITY_NOT_FOUND, CAPABILITY_NOT_GRANTED, INPUT_INVALID, NODE_OFFLINE,
   * QUEUE_FULL, IDEMPOTENCY_CONFLICT, DAEMON_STOPPING or a storage reason; nothing was accepted then.
   */
  async requestDispatch(caller: Caller, request: DispatchRequest): Promise<DispatchView> {
    if (this.#draining !== null) throw new PalyraError('DAEMON_STOPPING');
    const node = this.#core.registry.find(this.#core.tables, request.node);
    const plan = planDispatch(node, request);
    const tx = this.#core.begin();
    let record;
    try {
      const by = { requestedBy: callerName(caller), requestedWith: credentialOf(caller) };
      record = this.#core.mailbox.enqueue(tx, { ...plan, id: `dsp_${this.#ulid()}`, ...by });
    } catch (error) {
      if (!(error instanceof PalyraError) || error.reason !== 'NODE_OFFLINE') throw error;
      throw describeOffline(this.#core.nodeView(node), tx.now.wall);
    }
    await this.#core.commit(tx);
    return toDispatchView(this.#core.tables.dispatches.get(record.id) ?? record, node.name);
  }

  /** Throws DISPATCH_NOT_FOUND for what was asked for with another credential: who may only see their own does not learn what else there is. */
  assertRequestedWith(caller: Caller, id: string): void {
    const credential = credentialOf(caller);
    if (credential === undefined || this.#core.tables.dispatches.get(id)?.requestedWith !== credential) {
      throw new PalyraError('DISPATCH_NOT_FOUND', { detail: id });
    }
  }

  /** Throws DISPATCH_NOT_FOUND. */
  dispatchView(id: string): DispatchView {
    const record = this.#core.tables.dispatches.get(id);
    if (record === undefined) throw new PalyraError('DISPATCH_NOT_FOUND', { detail: id });
    return toDispatchView(record, this.nodeName(record.nodeId));
  }

  /** Ends it at once when it never started, asks the node otherwise. Over already: `changed` is false. */
  async cancelDispatch(_caller: Caller, id: string): Promise<{ dispatch: DispatchView; changed: boolean }> {
    const before = this.#core.tables.dispatches.get(id);
    if (before === undefined || isTerminal(before.state)) return { dispatch: this.dispatchView(id), changed: false };
    const tx = this.#core.begin();
    this.#core.mailbox.cancel(tx, before);
    await this.#core.commit(tx);
    return { dispatch: this.dispatchView(id), changed: true };
  }

  /** The dispatch once it is settled, or as it is at the time-out. */
  async awaitSettled(id: string, options: WaitOptions): Promise<DispatchView> {
    const record = this.#core.tables.dispatches.get(id);
    if (record !== undefined && !isTerminal(record.state)) await this.#core.waiters.wait(`dispatch:${id}`, options);
    await this.durable();
    return this.dispatchView(id);
  }

  openDispatchCount(): number {
    return this.#core.mailbox.index.openCount;
  }

  // ── Upkeep ─────────────────────────────────────────────────────────────────

  /** Applies timers, forgets what has ended, writes a snapshot when the journal asks for one. Call it about once a second. */
  tick(): Promise<void> {
    return this.#upkeep.tick();
  }

  /** Tells every node that the daemon is about to stop and refuses new dispatches with DAEMON_STOPPING. */
  drain(reason: string): void {
    this.#draining = reason;
    for (const link of this.#core.links.all()) link.sink.send({ kind: 'drain', reason });
  }

  get isDraining(): boolean {
    return this.#draining !== null;
  }

  /** Ends links and waits, saves what is only in memory (who was seen when) and closes the store. */
  close(): Promise<void> {
    return this.#upkeep.close();
  }

  /** Calls `listener` when the store failed for good: the process must exit. */
  onFatal(listener: (error: PalyraError) => void): void {
    this.#core.fatalListeners.add(listener);
  }

  // ── Inside ─────────────────────────────────────────────────────────────────

  #nodeSummary(): NodeSummary {
    return nodeSummary(this.#core.tables, {
      now: this.#core.now(),
      linkOf: (nodeId) => this.#core.links.get(nodeId),
      asking: this.#core.pending.joins(this.#core.tables),
    });
  }
}

export type { Holding } from './authorities.js';
export type { WaitOptions } from './waiters.js';
export type { RuntimeDeps, RuntimeOptions } from './core.js';
export type { LinkSession } from './link-sessions.js';
export type { LinkSink } from './links.js';
export type { PairingRequest } from './pairing.js';
export type { CertificateIssuer, IssuedCertificate } from './pairing-context.js';
