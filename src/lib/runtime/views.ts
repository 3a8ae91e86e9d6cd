/** Records as people and programs see them. Pure projections; every surface uses these, so that no two of them disagree. */
import { stateName } from './transitions.js';
import { isTerminal } from './mailbox-index.js';
import { inviteState } from './invites.js';
import { presenceOf } from './presence.js';
import type { LinkState } from './presence.js';
import { usableCapabilities } from './registry.js';
import type { Now } from './transaction.js';
import { toTimestamp } from '../base/clock.js';
import type {
  DispatchListing,
  DispatchRecord,
  DispatchView,
  InviteRecord,
  InviteView,
  JsonValue,
  NodeRecord,
  NodeView,
} from '../base/model.js';
import type { LinkTransport } from '../base/transports.js';

const DAY_MS = 86_400_000;

export interface NodeContext {
  readonly now: Now;
  /** The daemon's own version; an older node is shown as outdated. */
  readonly version: string;
  readonly link: LinkState | null;
  readonly transport: LinkTransport | null;
  readonly waiting: number;
  readonly running: number;
}

export function toNodeView(node: NodeRecord, context: NodeContext): NodeView {
  const { presence, reason, since } = presenceOf(node, context.link, context.now);
  const certificate = node.certificates.at(-1) ?? null;
  return {
    id: node.id,
    name: node.name,
    hostname: node.hostname,
    purpose: node.purpose,
    labels: node.labels,
    presence,
    presenceReason: reason,
    presenceSince: toTimestamp(since),
    lastSeenAt: toTimestamp(node.lastSeenAt),
    trust: node.trust,
    platform: node.platform,
    arch: node.arch,
    version: node.version,
    protocol: node.protocol,
    outdated: isOlder(node.version, context.version),
    address: node.address,
    transport: context.transport,
    certificate:
      certificate === null
        ? null
        : {
            fingerprint: `sha256:${certificate.fingerprint}`,
            notAfter: new Date(certificate.notAfter).toISOString(),
            daysLeft: Math.floor((certificate.notAfter - context.now.wall) / DAY_MS),
          },
    capabilities: usableCapabilities(node),
    asksThrough: node.asksThrough ?? null,
    queue: { waiting: context.waiting, running: context.running },
    rival: presence === 'conflict' ? rivalOf(context) : null,
    ephemeralMs: node.ephemeralMs ?? null,
    replaces: node.replaces ?? null,
    pairedAt: new Date(node.pairedAt).toISOString(),
    pairedBy: node.pairedBy,
  };
}

function rivalOf({ link, now }: NodeContext): NodeView['rival'] {
  const rival = link?.rival ?? null;
  if (rival === null) return null;
  return { address: rival.address, since: new Date(now.wall - (now.mono - rival.firstAt)).toISOString() };
}

/** `placeName`: the name that the node to be replaced has now. */
export function toInviteView(invite: InviteRecord, wall: number, placeName?: string): InviteView {
  const { replaces, ephemeralMs = null } = invite;
  return {
    id: invite.id,
    state: inviteState(invite, wall),
    createdAt: new Date(invite.createdAt).toISOString(),
    createdBy: invite.createdBy,
    expiresAt: new Date(invite.expiresAt).toISOString(),
    uses: { max: invite.usesMax, left: Math.max(0, invite.usesMax - invite.redeemedBy.length) },
    approval: invite.approval,
    name: invite.name,
    labels: invite.labels,
    purpose: invite.purpose,
    replaces: replaces === undefined ? null : { ...replaces, name: placeName ?? replaces.name },
    ephemeral: ephemeralMs !== null,
    ephemeralMs,
    redeemedBy: invite.redeemedBy.map((entry) => ({ ...entry, at: new Date(entry.at).toISOString() })),
  };
}

export function toDispatchListing(record: DispatchRecord, nodeName: string): DispatchListing {
  return {
    id: record.id,
    node: nodeName,
    nodeId: record.nodeId,
    capability: record.capability,
    state: stateName(record),
    attempt: record.attempt,
    error: record.error,
    sideEffects: record.sideEffects,
    idempotent: record.idempotent,
    retrySafe: record.idempotent || (isTerminal(record.state) && record.started === false),
    timings: {
      queuedAt: new Date(record.queuedAt).toISOString(),
      deliveredAt: toTimestamp(record.deliveredAt),
      startedAt: toTimestamp(record.startedAt),
      finishedAt: toTimestamp(record.finishedAt),
      totalMs: record.finishedAt === null ? null : Math.max(0, record.finishedAt - record.queuedAt),
    },
    deadlineAt: new Date(record.deadlineAt).toISOString(),
    requestedBy: record.requestedBy,
    approval: approvalOf(record),
  };
}

export function toDispatchView(record: DispatchRecord, nodeName: string): DispatchView {
  const { id, node, nodeId, capability, state, attempt, ...rest } = toDispatchListing(record, nodeName);
  return {
    id,
    node,
    nodeId,
    capability,
    state,
    attempt,
    input: JSON.parse(record.inputJson) as JsonValue,
    output: record.outputJson === null ? null : (JSON.parse(record.outputJson) as JsonValue),
    ...rest,
  };
}

/** Compares the numbers of two versions; what is not a version is not older. */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  for (let index = 0; index < 3; index++) {
    const [left, right] = [a![index], b![index]];
    if (left === undefined || right === undefined || Number.isNaN(left) || Number.isNaN(right)) return false;
    if (left !== right) return left < right;
  }
  return false;
}

function approvalOf({ asked = null }: DispatchRecord): DispatchView['approval'] {
  if (asked === null) return null;
  const { channel, at, until } = asked;
  return { channel, askedAt: new Date(at).toISOString(), expiresAt: new Date(until).toISOString() };
}
