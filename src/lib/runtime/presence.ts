/**
 * Presence: the one function behind every surface that says whether a node is there.
 *
 *   online      link open, heartbeat within 2 intervals            late         link open, 2 to 4 intervals silent, or nothing carries it now
 *   offline     said goodbye (stopped), or gone without (lost)     never-seen   paired, never connected
 *   conflict    two machines use its identity: one is connected, the other is held back
 *   asking      a request to join waits for a person
 *   revoked     trust withdrawn                                    expired      certificate past its grace period
 *
 * An interval is that of the link, as its node was told (`heartbeats.ts`).
 */
import type { NodeRecord, Presence, PresenceReason } from '../base/model.js';
import { isContested, type Rival } from './clones.js';
import type { JoinRecord } from '../base/requests.js';

/** What is known of an open link. Times are monotonic milliseconds. */
export interface LinkState {
  readonly lastHeardAt: number;
  /** How often its node was asked to beat. */
  readonly heartbeatMs: number;
  readonly rival?: Rival | null;
  /** Since when no connection carries it; null while one does. */
  readonly uncarriedSince?: number | null;
}

/** Connections of one link follow one another within that; longer, and the network between is in trouble, whenever the next heartbeat is due. */
const UNCARRIED_MS = 2_000;

/** A certificate may be renewed with the same key this long after it expired; then the node must pair again. 30 days. */
export const RENEWAL_GRACE_MS = 30 * 86_400_000;

/** Silent for more heartbeats than this, a node is taken for away, though its link is open. */
export const AWAY_BEATS = 4;

/** Wall milliseconds. */
export function renewableUntil(node: NodeRecord): number {
  return node.certificates.reduce((latest, { notAfter }) => Math.max(latest, notAfter), 0) + RENEWAL_GRACE_MS;
}

export interface PresenceFacts {
  readonly presence: Presence;
  readonly reason: PresenceReason;
  /** Wall milliseconds. */
  readonly since: number | null;
}

/** A machine that asks to join is neither there nor away: it waits for a person, who is told whether a PIN is needed. */
export function presenceOfRequest(request: JoinRecord): {
  readonly presence: 'asking';
  readonly reason: 'pin' | null;
  readonly since: number;
} {
  return { presence: 'asking', reason: request.pin === undefined ? null : 'pin', since: request.requestedAt };
}

export function presenceOf(
  node: NodeRecord,
  link: LinkState | null,
  now: { readonly wall: number; readonly mono: number },
): PresenceFacts {
  if (node.trust === 'revoked')
    return { presence: 'revoked', reason: null, since: node.removedAt ?? node.revokedAt ?? null };
  if (link !== null) {
    if (isContested(link, now.mono)) return { presence: 'conflict', reason: null, since: node.connectedAt };
    const { heartbeatMs } = link;
    const silentMs = now.mono - link.lastHeardAt;
    const uncarriedMs = now.mono - (link.uncarriedSince ?? now.mono);
    if (silentMs <= 2 * heartbeatMs && uncarriedMs <= UNCARRIED_MS)
      return { presence: 'online', reason: null, since: node.connectedAt };
    if (silentMs <= AWAY_BEATS * heartbeatMs) return { presence: 'late', reason: null, since: node.lastSeenAt };
    return { presence: 'offline', reason: 'lost', since: node.lastSeenAt };
  }
  const until = renewableUntil(node);
  if (until < now.wall)
    return {
      presence: 'expired',
      reason: null,
      // Without any certificate there is no time to tell: the CA that made them is no more.
      since: node.certificates.length === 0 ? node.lastSeenAt : until - RENEWAL_GRACE_MS,
    };
  if (node.connectedAt === null) return { presence: 'never-seen', reason: null, since: node.pairedAt };
  return node.disconnectReason === 'stopped'
    ? { presence: 'offline', reason: 'stopped', since: node.disconnectedAt }
    : { presence: 'offline', reason: 'lost', since: node.lastSeenAt };
}
