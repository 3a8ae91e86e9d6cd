/**
 * Invites: one-time (or few-times) permission to join, and the counting of wrong codes.
 *
 *   open ──redeem──► open (uses left) | used          open ──► expired | revoked
 *
 * Always true: an invite is redeemed by at most as many device keys as it has uses; one key counts once; wrong codes are counted durably, and beyond the cap
 * no invite made before the cap is evaluated until the window ends. A fresh invite works at once, so that guessing cannot lock honest machines out.
 */
import type { PairingContext } from './pairing-context.js';
import type { Registry } from './registry.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { CodeVerifier, InviteRecord, InviteState, NodeRecord } from '../base/model.js';

/** Wrong codes allowed from one address, and from all together, in one window. 60-bit codes need no more; a person needs few. */
export const FAILURES_PER_ADDRESS = 5;
export const FAILURES_OVERALL = 20;
export const FAILURE_WINDOW_MS = 3_600_000;
/** Key of the row that counts failures of every address. */
const OVERALL = '*';

export interface NewInvite {
  readonly id: string;
  readonly verifier: CodeVerifier;
  readonly expiresInMs: number;
  readonly usesMax: number;
  readonly approval: 'none' | 'person';
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly purpose: string | null;
  readonly capabilities: readonly string[] | null;
  readonly ephemeralMs?: number | undefined;
  /** The CA its link names. */
  readonly authority?: string;
}

/** The node whose place the machine takes; `evenOnline`: also while that one is connected. */
export interface Replacement {
  readonly old: NodeRecord;
  readonly evenOnline: boolean;
}

export function inviteState(invite: InviteRecord, wall: number): InviteState {
  if (invite.revokedAt !== null) return 'revoked';
  if (invite.redeemedBy.length >= invite.usesMax) return 'used';
  return invite.expiresAt <= wall ? 'expired' : 'open';
}

export function createInvite(
  tx: Transaction,
  registry: Registry,
  by: string,
  invite: NewInvite & { readonly replacement?: Replacement | null },
): InviteRecord {
  const { expiresInMs, replacement = null, ephemeralMs, ...rest } = invite;
  if (replacement !== null && invite.usesMax > 1) {
    throw new PalyraError('REQUEST_INVALID', {
      detail: 'one machine takes the place of one: such an invite has one use',
    });
  }
  if (invite.name !== null && invite.usesMax > 1) {
    throw new PalyraError('REQUEST_INVALID', {
      detail: 'an invite for several machines cannot name them all the same',
    });
  }
  if (invite.name !== null && registry.isNameTaken(invite.name) && invite.name !== replacement?.old.name) {
    throw new PalyraError('NAME_TAKEN', { detail: `"${invite.name}"`, details: { name: invite.name } });
  }
  const record: InviteRecord = {
    ...rest,
    ...(ephemeralMs === undefined ? {} : { ephemeralMs }),
    ...(replacement === null ? {} : { replaces: replacesOf(replacement) }),
    createdAt: tx.now.wall,
    createdBy: by,
    expiresAt: tx.now.wall + expiresInMs,
    redeemedBy: [],
    revokedAt: null,
  };
  tx.put('invites', record.id, record);
  tx.touchedInvites.push(record.id);
  tx.events.push({ type: 'invite.created', inviteId: record.id, by });
  return record;
}

function replacesOf({ old, evenOnline }: Replacement): NonNullable<InviteRecord['replaces']> {
  return { nodeId: old.id, name: old.name, evenOnline };
}

export function revokeInvite(tx: Transaction, invite: InviteRecord): { invite: InviteRecord; changed: boolean } {
  if (inviteState(invite, tx.now.wall) !== 'open') return { invite, changed: false };
  const revoked = tx.set('invites', invite.id, { revokedAt: tx.now.wall });
  tx.touchedInvites.push(invite.id);
  tx.events.push({ type: 'invite.changed', inviteId: invite.id });
  return { invite: revoked, changed: true };
}

/**
 * The invite a code belongs to, or a counted refusal. A machine that redeemed the invite already and lost the answer finds it again by its key.
 * The caller commits the transaction also when this returns a refusal: the count must survive a restart.
 */
export function evaluateLocator(
  tx: Transaction,
  context: PairingContext,
  request: { readonly locator: string; readonly address: string; readonly keyFingerprint: string },
): InviteRecord | PalyraError {
  const mine = failuresOf(tx, request.address);
  const all = failuresOf(tx, OVERALL);
  const cappedAt =
    mine.count >= FAILURES_PER_ADDRESS ? mine.cappedAt : all.count >= FAILURES_OVERALL ? all.cappedAt : null;
  for (const invite of tx.tables.invites.values()) {
    if (invite.verifier.locator !== request.locator) continue;
    if (cappedAt !== null && invite.createdAt <= cappedAt) return new PalyraError('PAIRING_THROTTLED');
    if (inviteState(invite, tx.now.wall) === 'open' || hasRedeemed(tx.tables, context, invite, request.keyFingerprint))
      return invite;
  }
  if (cappedAt !== null) return new PalyraError('PAIRING_THROTTLED');
  countFailure(tx, request.address, FAILURES_PER_ADDRESS);
  countFailure(tx, OVERALL, FAILURES_OVERALL);
  tx.events.push({ type: 'pairing.refused', address: request.address, failures: mine.count + 1 });
  return new PalyraError('INVITE_REFUSED');
}

/** Counts a use. */
export function redeem(
  tx: Transaction,
  invite: InviteRecord,
  already: boolean,
  by: { readonly nodeId: string; readonly name: string },
): void {
  if (already) return;
  tx.set('invites', invite.id, { redeemedBy: [...invite.redeemedBy, { ...by, at: tx.now.wall }] });
  tx.touchedInvites.push(invite.id);
  tx.events.push({ type: 'invite.changed', inviteId: invite.id });
}

/** Whether this very key has redeemed the invite and its node is still paired: a retry after a lost answer, not a second use. */
export function hasRedeemed(
  tables: Tables,
  { registry, pending }: PairingContext,
  invite: InviteRecord,
  keyFingerprint: string,
): boolean {
  if (invite.revokedAt !== null) return false;
  const node = registry.byKey(tables, keyFingerprint);
  const live = pending.byKey(tables, keyFingerprint);
  return invite.redeemedBy.some((entry) => entry.nodeId === node?.id || entry.nodeId === live?.id);
}

function failuresOf(tx: Transaction, key: string): { count: number; cappedAt: number | null } {
  const row = tx.tables.pairingFailures.get(key);
  if (row === undefined || row.windowStartedAt + FAILURE_WINDOW_MS <= tx.now.wall) return { count: 0, cappedAt: null };
  return row;
}

function countFailure(tx: Transaction, key: string, cap: number): void {
  const { count, cappedAt } = failuresOf(tx, key);
  const row = tx.tables.pairingFailures.get(key);
  tx.put('pairingFailures', key, {
    key,
    windowStartedAt: count === 0 ? tx.now.wall : row!.windowStartedAt,
    count: count + 1,
    cappedAt: count + 1 >= cap ? (cappedAt ?? tx.now.wall) : null,
  });
}
