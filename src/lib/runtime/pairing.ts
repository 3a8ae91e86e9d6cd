/**
 * Requests to join, answered by an invite's policy or by a person.
 *
 *   pending ──► approved ──► issued                   pending ──► rejected | expired | withdrawn
 *
 * Always true (test/property/pairing.property.test.ts):
 *   1. A request is decided once and never changes afterwards.
 *   2. An invite yields at most as many certificates as it has uses.
 *   3. One device key has at most one live request, and its id is stable over retries.
 *
 * Proofs are verified before this module is asked (`daemon/pairing-desk.ts`); certificates come from the issuer port, signed inside the same transaction,
 * so that "approve, sign, register" is durable as one or not at all.
 */
import { PalyraError } from '../base/errors.js';
import type { CertificateRecord, InviteRecord, MachineFacts, NodeRecord } from '../base/model.js';
import type { ApprovalRecord, JoinRecord } from '../base/requests.js';
import { hasRedeemed, inviteState, redeem } from './invites.js';
import { assertNameFree, chooseName, nameIn } from './join-names.js';
import type { PairingContext, PendingRequests } from './pairing-context.js';
import { inheritanceOf, placeOf, takePlace, type Inheritance } from './replacement.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';

/** Live requests waiting for a person; more would be a flood, not a fleet. */
export const MAX_PENDING_REQUESTS = 32;
/** A request nobody answers ends a day after the machine was last seen asking. */
export const REQUEST_TTL_MS = 86_400_000;

/** What a machine that joins is given, decided. */
type Given = Inheritance & { readonly granted: readonly string[] };

export interface PairingRequest {
  readonly inviteId: string;
  readonly spki: Buffer;
  readonly keyFingerprint: string;
  readonly facts: MachineFacts;
  readonly requestedName: string | null;
  readonly address: string;
}

/**
 * Redeems the invite for a device key whose possession was proven. Throws INVITE_REFUSED, REPLACED_NODE_ONLINE, NAME_TAKEN or PAIRING_BUSY; nothing is
 * changed then.
 */
export function requestPairing(
  tx: Transaction,
  context: PairingContext,
  ids: { readonly requestId: string; readonly deviceId: string },
  request: PairingRequest,
): JoinRecord {
  const invite = tx.tables.invites.get(request.inviteId);
  if (invite === undefined || invite.revokedAt !== null) throw new PalyraError('INVITE_REFUSED');
  const { registry, pending } = context;
  const live = pending.byKey(tx.tables, request.keyFingerprint);
  // A machine that waited with a PIN and was given an invite meanwhile joins by the invite.
  const byPin = live?.pin === undefined ? null : live;
  if (live !== null && byPin === null) return live;
  const known = registry.byKey(tx.tables, request.keyFingerprint);
  const redeemed = hasRedeemed(tx.tables, context, invite, request.keyFingerprint);
  if (!redeemed && inviteState(invite, tx.now.wall) !== 'open') throw new PalyraError('INVITE_REFUSED');
  const old = placeOf(tx.tables, context, invite, { keyFingerprint: request.keyFingerprint, known, redeemed });
  const name = known?.name ?? chooseName(registry, invite, request, old);
  const waits = invite.approval === 'person' && known === null;
  if (waits && byPin === null && pending.strangers(tx.tables) >= MAX_PENDING_REQUESTS)
    throw new PalyraError('PAIRING_BUSY');
  if (byPin !== null) withdraw(tx, context, byPin, 'an invite');
  const approval = openRequest(tx, { id: ids.requestId, name, inviteId: invite.id }, request);
  if (waits) {
    awaitPerson(tx, pending, approval, name);
    redeem(tx, invite, redeemed, { nodeId: approval.id, name });
    return approval;
  }
  if (old !== null) takePlace(tx, context, approval, { old, nodeId: ids.deviceId, by: 'invite' });
  const issued = issue(tx, context, approval, {
    deviceId: known?.id ?? ids.deviceId,
    name,
    by: 'invite',
    pairedBy: invite.createdBy,
    ...grantsOf(inheritanceOf(invite, old), request.facts),
    old,
  });
  redeem(tx, invite, redeemed, { nodeId: issued.nodeId!, name });
  return issued;
}

/** What is not said otherwise is what the machine announces. */
function grantsOf({ granted, ...rest }: Inheritance, { capabilities }: MachineFacts): Given {
  return { ...rest, granted: granted ?? capabilities.map(({ name }) => name) };
}

/** Puts down a request as it begins; what happens to it next is the caller's to say. */
export function openRequest(
  tx: Transaction,
  { id, name, inviteId }: { readonly id: string; readonly name: string; readonly inviteId: string | null },
  request: Pick<PairingRequest, 'spki' | 'keyFingerprint' | 'facts' | 'address'>,
): JoinRecord {
  const approval: JoinRecord = {
    id,
    kind: 'join',
    state: 'pending',
    requestedName: name,
    keyFingerprint: request.keyFingerprint,
    publicKey: request.spki.toString('base64'),
    facts: request.facts,
    address: request.address,
    inviteId,
    requestedAt: tx.now.wall,
    expiresAt: tx.now.wall + REQUEST_TTL_MS,
    decidedAt: null,
    decidedBy: null,
    rejectReason: null,
    nodeId: null,
    certificate: null,
  };
  tx.put('approvals', id, approval);
  return approval;
}

/** It waits for a person from now on: the one live request of its key. */
export function awaitPerson(tx: Transaction, pending: PendingRequests, approval: ApprovalRecord, name: string): void {
  pending.add(approval);
  tx.touchedApprovals.push(approval.id);
  const { id: approvalId, kind, address } = approval;
  tx.events.push({ type: 'approval.requested', approvalId, kind, name, address });
}

/** What a person decides about a machine, beside yes. */
export interface JoinAnswer {
  /** Who answers. */
  readonly by: string;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly purpose?: string | undefined;
  /** Grants only these of what the machine announces. */
  readonly only?: readonly string[] | undefined;
}

/**
 * A person says yes. What it takes over from a node in whose place it comes is name, labels, purpose and grants; that node has been removed by then.
 * Throws ALREADY_DECIDED with who and what; the same answer by the same words is the caller's to recognise.
 */
export function approve(
  tx: Transaction,
  context: PairingContext,
  approval: JoinRecord,
  answer: JoinAnswer & { readonly deviceId: string; readonly replaced: NodeRecord | null },
): JoinRecord {
  assertPending(approval, tx.now.wall);
  const invite = inviteOf(tx.tables, approval);
  const { replaced } = answer;
  const name = nameIn(approval, answer, replaced, invite);
  assertNameFree(context.registry, approval, name, null);
  const given = grantsOf(inheritanceOf(invite, replaced), approval.facts);
  if (invite !== undefined) {
    tx.set('invites', invite.id, {
      redeemedBy: invite.redeemedBy.map((entry) =>
        entry.nodeId === approval.id ? { ...entry, nodeId: answer.deviceId, name } : entry,
      ),
    });
    tx.touchedInvites.push(invite.id);
  }
  return issue(tx, context, approval, {
    deviceId: answer.deviceId,
    name,
    by: answer.by,
    pairedBy: answer.by,
    ...given,
    granted: answer.only ?? given.granted,
    withheld: given.withheld.filter((capability) => answer.only?.includes(capability) !== true),
    labels: { ...given.labels, ...answer.labels },
    purpose: answer.purpose ?? given.purpose,
    old: replaced,
  });
}

/** A machine whose key is paired already asked again: its certificate anew, everything else as it is. */
export function reissue(tx: Transaction, context: PairingContext, approval: JoinRecord, known: NodeRecord): JoinRecord {
  const { id: deviceId, name, pairedBy, granted, labels, purpose } = known;
  const given = { granted, labels, purpose, withheld: [], ephemeralMs: null };
  return issue(tx, context, approval, { deviceId, name, by: 'its key', pairedBy, ...given, old: null });
}

/** The invite a request came with, while it is known. */
export function inviteOf(tables: Tables, { inviteId }: JoinRecord): InviteRecord | undefined {
  return inviteId === null ? undefined : tables.invites.get(inviteId);
}

/** The machine found another way in. Whatever its time is: it is over now. */
function withdraw(tx: Transaction, context: PairingContext, approval: ApprovalRecord, by: string): void {
  const state = approval.expiresAt > tx.now.wall ? 'withdrawn' : 'expired';
  close(tx, context, approval, { state, by, reason: null });
}

/** A person says no, whoever asked withdraws, or time decides. Of every kind. */
export function close(
  tx: Transaction,
  context: Pick<PairingContext, 'pending'>,
  approval: ApprovalRecord,
  end: { readonly state: 'rejected' | 'withdrawn' | 'expired'; readonly by: string; readonly reason: string | null },
): ApprovalRecord {
  if (end.state !== 'expired') assertPending(approval, tx.now.wall);
  const closed = tx.set('approvals', approval.id, {
    state: end.state,
    decidedAt: tx.now.wall,
    decidedBy: end.by,
    rejectReason: end.reason,
  });
  context.pending.remove(approval);
  tx.touchedApprovals.push(approval.id);
  const { id: approvalId, kind } = approval;
  tx.events.push({ type: 'approval.decided', approvalId, kind, state: end.state, by: end.by });
  return closed;
}

/** Throws ALREADY_DECIDED that says who, what and when. */
export function assertPending(approval: ApprovalRecord, wall: number): void {
  if (approval.state === 'pending' && approval.expiresAt > wall) return;
  const state = approval.state === 'pending' ? 'expired' : approval.state;
  const whom = approval.kind === 'login' && approval.grantedTo !== null ? ` as ${approval.grantedTo.name}` : '';
  throw new PalyraError('ALREADY_DECIDED', {
    detail: `${state}${whom}${approval.decidedBy === null ? '' : ` by ${approval.decidedBy}`}${ago(approval.decidedAt, wall)}`,
    details: { state, decidedBy: approval.decidedBy, decidedAt: approval.decidedAt },
  });
}

function ago(decidedAt: number | null, wall: number): string {
  if (decidedAt === null) return '';
  const seconds = Math.max(0, Math.round((wall - decidedAt) / 1000));
  return seconds < 120 ? ` ${seconds} s ago` : ` ${Math.round(seconds / 60)} min ago`;
}

function issue(
  tx: Transaction,
  { registry, pending, issuer }: PairingContext,
  approval: JoinRecord,
  grant: Given & {
    readonly deviceId: string;
    readonly name: string;
    readonly by: string;
    readonly pairedBy: string;
    /** Whose place it takes; removed by now. */
    readonly old: NodeRecord | null;
  },
): JoinRecord {
  const { old } = grant;
  const issued = issuer.issueNode({
    deviceId: grant.deviceId,
    spki: Buffer.from(approval.publicKey, 'base64'),
    now: tx.now.wall,
  });
  const certificate: CertificateRecord = {
    serial: issued.serial,
    fingerprint: issued.fingerprint,
    notBefore: issued.notBefore,
    notAfter: issued.notAfter,
    acceptedUntil: null,
    ...(issued.issuer === undefined ? {} : { issuer: issued.issuer }),
  };
  const known: NodeRecord | undefined = tx.tables.nodes.get(grant.deviceId);
  if (known !== undefined) {
    registry.renew(tx, known, certificate);
    tx.events.push({ type: 'node.renewed', nodeId: known.id, name: known.name });
  } else {
    registry.add(tx, {
      id: grant.deviceId,
      name: grant.name,
      facts: approval.facts,
      keyFingerprint: approval.keyFingerprint,
      certificate,
      granted: grant.granted,
      labels: grant.labels,
      purpose: grant.purpose,
      pairedBy: grant.pairedBy,
      address: approval.address,
      withheld: grant.withheld,
      ephemeralMs: grant.ephemeralMs,
      ...(old === null ? {} : { replaces: { nodeId: old.id, name: old.name } }),
    });
    tx.events.push({
      type: 'node.joined',
      nodeId: grant.deviceId,
      name: grant.name,
      address: approval.address,
      by: grant.pairedBy,
      ...(old === null ? {} : { replaces: old.id }),
    });
  }
  const decided = tx.set('approvals', approval.id, {
    state: 'issued',
    decidedAt: tx.now.wall,
    decidedBy: grant.by,
    nodeId: grant.deviceId,
    certificate: issued.certificatePem,
  });
  pending.remove(approval);
  tx.events.push({ type: 'approval.decided', approvalId: approval.id, kind: 'join', state: 'issued', by: grant.by });
  tx.touchedApprovals.push(approval.id);
  return decided as JoinRecord;
}
