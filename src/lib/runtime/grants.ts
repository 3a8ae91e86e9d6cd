/**
 * What a machine may do: announced is not granted.
 *
 *   announced later ──► asked about, one request a node ──approve──► granted ──ungrant──► withheld ──grant──► granted
 *                                     └──reject──► declined: not asked about again until it is another one
 *
 * Always true (test/property/grants.property.ts):
 *   1. What may be used is announced ∩ granted; a registration never widens what is granted.
 *   2. What an operator took away stays away until an operator gives it back, whatever the machine announces and however often.
 *   3. A node has at most one request that waits, and it names exactly what is announced, not granted, not withheld and not declined.
 */
import { callerName } from './caller-name.js';
import type { RuntimeCore } from './core.js';
import type { ChangedNode } from './fleet.js';
import { awaitPerson, assertPending, close } from './pairing.js';
import { offerOf } from './offers.js';
import { byCodePoint } from './registry.js';
import { shortId } from './short-id.js';
import type { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, NodeRecord } from '../base/model.js';
import type { CapabilitiesRecord } from '../base/requests.js';

/** Nothing waits for it: the machine works on with what it has. Asked again at its next registration after that. */
export const GRANT_REQUEST_TTL_MS = 30 * 86_400_000;
/** Names one node can have taken away or declined; the oldest decline is forgotten, and asked about again. */
const MAX_REMEMBERED = 512;

/** Names to ask about, sorted. */
export function wantedOf({ announced, granted, withheld = [], declined = {} }: NodeRecord): string[] {
  return announced
    .filter(({ name }) => !granted.includes(name) && !withheld.includes(name))
    .filter((descriptor) => declined[descriptor.name] !== offerOf(descriptor))
    .map(({ name }) => name)
    .sort(byCodePoint);
}

/** Makes the request of a node say what it wants now; none is left when it wants nothing. */
export function reviewGrants(tx: Transaction, core: RuntimeCore, nodeId: string): void {
  const node = tx.tables.nodes.get(nodeId)!;
  const waiting = core.pending.byNode(tx.tables, nodeId);
  const wants = node.trust === 'paired' && node.removedAt === null ? wantedOf(node) : [];
  const isLive = waiting !== null && waiting.expiresAt > tx.now.wall;
  if (isLive && wants.length > 0) {
    if (wants.join() === waiting.wants.join()) return;
    tx.set('approvals', waiting.id, { wants });
    tx.touchedApprovals.push(waiting.id);
    return;
  }
  if (waiting !== null) {
    close(tx, { pending: core.pending }, waiting, {
      state: isLive ? 'withdrawn' : 'expired',
      by: 'the machine',
      reason: null,
    });
  }
  if (wants.length === 0) return;
  const record: CapabilitiesRecord = {
    id: shortId('req', core.tables.approvals, core.deps.random),
    kind: 'capabilities',
    state: 'pending',
    nodeId,
    wants,
    address: node.address ?? '',
    requestedAt: tx.now.wall,
    expiresAt: tx.now.wall + GRANT_REQUEST_TTL_MS,
    decidedAt: null,
    decidedBy: null,
    rejectReason: null,
  };
  tx.put('approvals', record.id, record);
  awaitPerson(tx, core.pending, record, node.name);
}

/** A person grants all of it, or `only` some; the rest is declined. Throws ALREADY_DECIDED or CAPABILITY_NOT_FOUND. */
export function approveCapabilities(
  tx: Transaction,
  core: RuntimeCore,
  request: CapabilitiesRecord,
  answer: { readonly by: string; readonly only?: readonly string[] | undefined },
): CapabilitiesRecord {
  assertPending(request, tx.now.wall);
  const node = tx.tables.nodes.get(request.nodeId)!;
  const unknown = answer.only?.find((name) => !request.wants.includes(name));
  if (unknown !== undefined) {
    throw new PalyraError('CAPABILITY_NOT_FOUND', { detail: `the request is not about ${unknown}` });
  }
  const names = answer.only ?? request.wants;
  decline(
    tx,
    node,
    request.wants.filter((name) => !names.includes(name)),
  );
  const { granted, declined } = tx.tables.nodes.get(node.id)!;
  tx.set('nodes', node.id, { granted: union(granted, names), declined: without(declined, names) });
  const approved = tx.set('approvals', request.id, {
    state: 'approved',
    wants: [...names],
    decidedAt: tx.now.wall,
    decidedBy: answer.by,
  });
  core.pending.remove(request);
  tx.touchedApprovals.push(request.id);
  tx.events.push({
    type: 'approval.decided',
    approvalId: request.id,
    kind: 'capabilities',
    state: 'approved',
    by: answer.by,
  });
  tx.events.push({ type: 'node.changed', nodeId: node.id, name: node.name });
  return approved as CapabilitiesRecord;
}

/** Remembers that a person said no to these as they are announced now. */
export function decline(tx: Transaction, node: NodeRecord, names: readonly string[]): void {
  if (names.length === 0) return;
  const more = node.announced.filter(({ name }) => names.includes(name)).map((it) => [it.name, offerOf(it)] as const);
  const kept = Object.entries(without(node.declined, names));
  tx.set('nodes', node.id, { declined: Object.fromEntries([...kept, ...more].slice(-MAX_REMEMBERED)) });
}

/** Without duplicates, sorted. */
function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])].sort(byCodePoint);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return union(a, []).join() === union(b, []).join();
}

function without(declined: NodeRecord['declined'], names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(declined ?? {}).filter(([name]) => !names.includes(name)));
}

export class Grants {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /**
   * Gives and takes away, by an operator's word. A name may be given before the machine announces it. What waits for the node and was taken away is
   * cancelled; what runs goes on. Throws NODE_NOT_FOUND, NODE_AMBIGUOUS or REQUEST_INVALID (too many).
   */
  async change(
    caller: Caller,
    nameOrId: string,
    { grant, withhold }: { readonly grant: readonly string[]; readonly withhold: readonly string[] },
  ): Promise<ChangedNode & { readonly by: string }> {
    const core = this.#core;
    const by = callerName(caller);
    const before = core.registry.find(core.tables, nameOrId);
    const granted = union(before.granted, grant).filter((name) => !withhold.includes(name));
    const given = (before.withheld ?? []).filter((name) => !grant.includes(name));
    const withheld = union(given, withhold);
    if (granted.length > MAX_REMEMBERED || withheld.length > MAX_REMEMBERED) {
      throw new PalyraError('REQUEST_INVALID', { detail: `a node has at most ${MAX_REMEMBERED} of them` });
    }
    if (isSame(before.granted, granted) && isSame(before.withheld ?? [], withheld)) {
      return { node: core.nodeView(before), changed: false, by };
    }
    const tx = core.begin();
    const node = tx.set('nodes', before.id, { granted, withheld, declined: without(before.declined, grant) });
    for (const id of [...core.mailbox.index.queueOf(node.id)]) {
      const dispatch = tx.tables.dispatches.get(id)!;
      if (withhold.includes(dispatch.capability)) core.mailbox.cancel(tx, dispatch);
    }
    reviewGrants(tx, core, node.id);
    tx.events.push({ type: 'node.changed', nodeId: node.id, name: node.name });
    await core.commit(tx);
    return { node: core.nodeView(core.tables.nodes.get(node.id)!), changed: true, by };
  }
}
