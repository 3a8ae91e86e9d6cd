/**
 * A paired machine reports in and keeps a link open. The caller is the device of the certificate; what the machine says about itself is stored as a claim.
 */
import type { RuntimeCore } from './core.js';
import { reviewGrants } from './grants.js';
import { heartbeatMsFor, leaseMsFor } from './heartbeats.js';
import type { LinkSink, OpenLink } from './links.js';
import { usableCapabilities } from './registry.js';
import { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { Hello, UpMessage } from '../base/link-messages.js';
import { NODE_PROTOCOL } from '../base/model.js';
import type { Caller, MachineFacts } from '../base/model.js';

export type DeviceCaller = Extract<Caller, { kind: 'device' }>;

export interface LinkSession {
  /** Takes a message of the node. Throws PalyraError when it breaks the protocol; the carrier then ends the link with it. */
  receive(message: UpMessage): void;
  /** The carrier's connection ended. Calling it twice is harmless. */
  closed(reason: 'stopped' | 'lost'): void;
}

/** How many dispatches a node may take at once, whatever it asks for. */
const MAX_CREDIT = 16;

export interface NodeReport {
  readonly facts: MachineFacts;
  readonly protocol: { readonly min: number; readonly max: number };
}

export interface RegisteredNode {
  readonly deviceId: string;
  readonly name: string;
  readonly protocol: number;
  readonly grantedCapabilities: string[];
}

/** Takes what the machine reports about itself. Throws PROTOCOL_UNSUPPORTED. */
export async function registerNode(
  core: RuntimeCore,
  caller: DeviceCaller,
  report: NodeReport,
): Promise<RegisteredNode> {
  const protocol = accepted(core, caller, report.protocol);
  const tx = core.begin();
  const node = core.registry.register(tx, core.node(caller.nodeId), report.facts);
  reviewGrants(tx, core, node.id);
  await core.commit(tx);
  return { name: node.name, deviceId: node.id, protocol, grantedCapabilities: usableCapabilities(node) };
}

/** Reconciles the Hello durably, then sends the Welcome and waiting offers. `epoch` must be larger than any before. */
export async function openLink(
  core: RuntimeCore,
  epoch: number,
  caller: DeviceCaller,
  hello: Hello,
  sink: LinkSink,
): Promise<LinkSession> {
  accepted(core, caller, hello.protocol);
  const tx = core.begin();
  const known = core.registry.authenticate(core.tables, caller.nodeId, caller.serial, tx.now.wall);
  const { bootId, storeId } = hello;
  if (core.clones.holds(core.links.get(known.id), { bootId, storeId, address: caller.address }, tx.now)) {
    throw new PalyraError('NODE_CONFLICT', { detail: `"${known.name}" is connected from another machine or process` });
  }
  const node = core.registry.used(tx, known, caller.serial);
  const link: OpenLink = {
    nodeId: node.id,
    epoch,
    bootId,
    storeId,
    sink,
    address: caller.address,
    get uncarriedSince() {
      return sink.uncarriedSince ?? null;
    },
    heartbeatMs: heartbeatMsFor(core.registry.pairedCount, core.heartbeatMs, core.deps.random),
    lastHeardAt: tx.now.mono,
    saidGoodbye: false,
    rival: null,
  };
  core.absences.opened(node, hello, core.links.get(node.id), tx.now);
  core.links.take(link);
  tx.setVolatile('nodes', node.id, {
    bootId: hello.bootId,
    storeId: hello.storeId,
    address: caller.address,
    connectedAt: tx.now.wall,
    lastSeenAt: tx.now.wall,
    disconnectedAt: null,
    disconnectReason: null,
  });
  const credit = Math.max(1, Math.min(MAX_CREDIT, Math.floor(hello.credit)));
  const { heartbeatMs } = link;
  const mailboxLink = { epoch, bootId, storeId, credit, heartbeatMs, leaseMs: leaseMsFor(heartbeatMs) };
  core.mailbox.connect(tx, node.id, mailboxLink, hello);
  tx.events.push({ type: 'node.online', nodeId: node.id, name: node.name, address: caller.address });
  await core.commit(tx);
  const { trustBundle } = core;
  if (trustBundle !== null && core.links.get(node.id) === link)
    sink.send({ kind: 'trust_bundle', certificates: trustBundle });
  return { receive: (message) => receive(core, link, message), closed: (reason) => closed(core, link, reason) };
}

function receive(core: RuntimeCore, link: OpenLink, message: UpMessage): void {
  if (core.links.get(link.nodeId) !== link) return;
  if (message.kind === 'hello') throw new PalyraError('MESSAGE_INVALID', { detail: 'a link says hello once' });
  const tx = new Transaction(core.tables, core.now());
  core.absences.heard(link, tx.now);
  link.lastHeardAt = tx.now.mono;
  tx.setVolatile('nodes', link.nodeId, { lastSeenAt: tx.now.wall });
  if (message.kind === 'stopping') link.saidGoodbye = true;
  if (message.kind === 'heartbeat' && message.away !== undefined) core.absences.told(link, message.away, tx.now);
  if (message.kind === 'heartbeat') tx.send(link.nodeId, { kind: 'beat', daemonTimeMs: tx.now.wall });
  core.mailbox.report(tx, link.nodeId, message);
  core.commitInBackground(tx, 'a report of a node');
}

function closed(core: RuntimeCore, link: OpenLink, reason: 'stopped' | 'lost'): void {
  if (!core.links.release(link)) return;
  const node = core.tables.nodes.get(link.nodeId);
  if (node === undefined) return;
  const tx = core.begin();
  const why = link.saidGoodbye || reason === 'stopped' ? 'stopped' : 'lost';
  core.absences.closed(link, why, tx.now);
  core.mailbox.disconnect(tx, link.nodeId);
  tx.events.push({ type: 'node.offline', nodeId: node.id, name: node.name, reason: why });
  core.commitInBackground(tx, 'the end of a link');
}

function accepted(core: RuntimeCore, { nodeId }: DeviceCaller, peer: { readonly min: number; readonly max: number }) {
  try {
    return commonProtocol(peer);
  } catch (error) {
    core.absences.refused(nodeId, error);
    throw error;
  }
}

function commonProtocol(peer: { readonly min: number; readonly max: number }): number {
  const common = Math.min(peer.max, NODE_PROTOCOL.max);
  if (common >= Math.max(peer.min, NODE_PROTOCOL.min)) return common;
  throw new PalyraError('PROTOCOL_UNSUPPORTED', {
    detail: `the node speaks ${peer.min} to ${peer.max}, the daemon ${NODE_PROTOCOL.min} to ${NODE_PROTOCOL.max}`,
    details: { node: peer, daemon: NODE_PROTOCOL },
  });
}
