/**
 * One machine in the place of another: a machine that was set up anew has a new key and wants to be the node it was. One path for both ways to say so: an
 * invite that names the old node (`palyra node pair --replace`), and the answer of a person (`palyra approvals approve --replace`).
 *
 * Always true (test/unit/runtime/replacement.test.ts):
 *   1. Nothing happens to the old node before the new key is accepted; then it loses its place and its trust in the same durable step.
 *   2. A place is taken once: other invites to it end in that step.
 *   3. The new node is given no more than the old one had, unless whoever lets it in says so.
 */
import { revokeInvite } from './invites.js';
import type { PairingContext } from './pairing-context.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { InviteRecord, NodeRecord, Presence } from '../base/model.js';
import type { JoinRecord } from '../base/requests.js';

/** What a machine that joins is given beside its name. */
export interface Inheritance {
  readonly labels: Readonly<Record<string, string>>;
  readonly purpose: string | null;
  /** Null: what it announces. */
  readonly granted: readonly string[] | null;
  /** What an operator took away stays away. */
  readonly withheld: readonly string[];
  readonly ephemeralMs: number | null;
}

/** From the invite first, then from the node whose place it takes. */
export function inheritanceOf(invite: InviteRecord | undefined, old: NodeRecord | null): Inheritance {
  const named = invite?.replaces === undefined ? null : invite.capabilities;
  return {
    labels: { ...old?.labels, ...invite?.labels },
    purpose: invite?.purpose ?? old?.purpose ?? null,
    granted: named ?? old?.granted ?? invite?.capabilities ?? null,
    withheld: (old?.withheld ?? []).filter((name) => named?.includes(name) !== true),
    ephemeralMs: invite?.ephemeralMs ?? old?.ephemeralMs ?? null,
  };
}

/**
 * The node whose place this key takes by the invite; null when the invite names none, and for the old node itself, which keeps its place. One that was
 * removed since hands over what it had. Throws INVITE_REFUSED (the place is taken, or the key is one that must not have it) or REPLACED_NODE_ONLINE.
 */
export function placeOf(
  tables: Tables,
  { removal }: Pick<PairingContext, 'removal'>,
  invite: InviteRecord,
  asking: { readonly keyFingerprint: string; readonly known: NodeRecord | null; readonly redeemed: boolean },
): NodeRecord | null {
  const { known, redeemed, keyFingerprint } = asking;
  if (invite.replaces === undefined || redeemed || known?.id === invite.replaces.nodeId) return null;
  if (known !== null) throw new PalyraError('INVITE_REFUSED', { detail: `this machine is the node "${known.name}"` });
  const old = placeNamedBy(tables, invite.replaces);
  if (old.keyFingerprint === keyFingerprint) {
    throw new PalyraError('INVITE_REFUSED', {
      detail: `the key of "${old.name}" is no longer trusted`,
      hint: 'Give this machine a new one: palyra node reset --new-identity, then use the invite again',
    });
  }
  // Whoever approves the request is shown whether the old node is there.
  if (invite.approval === 'none') assertReplaceable(removal.describe(old), invite.replaces.evenOnline);
  return old;
}

/** The old node's record, removed or not. Throws INVITE_REFUSED when another machine has its place already. */
export function placeNamedBy(tables: Tables, { nodeId, name }: NonNullable<InviteRecord['replaces']>): NodeRecord {
  const old = tables.nodes.get(nodeId);
  if (old !== undefined && (old.replacedBy ?? null) === null) return old;
  throw new PalyraError('INVITE_REFUSED', { detail: `the place of "${name}" is taken already` });
}

/** Throws REPLACED_NODE_ONLINE for a node that works, unless somebody has said that it is meant. */
export function assertReplaceable(
  { name, presence }: { readonly name: string; readonly presence: Presence },
  evenOnline: boolean,
): void {
  const isHere = presence === 'online' || presence === 'late' || presence === 'conflict';
  if (isHere && !evenOnline) throw new PalyraError('REPLACED_NODE_ONLINE', { detail: `"${name}"`, details: { name } });
}

/** The old node is removed, if it still is there, and both records tell of each other. `approval` is the request of the machine that comes. */
export function takePlace(
  tx: Transaction,
  { removal }: Pick<PairingContext, 'removal'>,
  approval: JoinRecord,
  change: { readonly old: NodeRecord; readonly nodeId: string; readonly by: string },
): void {
  const { old, nodeId, by } = change;
  tx.set('approvals', approval.id, { replaced: removal.describe(old) });
  if (old.removedAt === null) removal.remove(tx, old, by, nodeId);
  tx.set('nodes', old.id, { replacedBy: nodeId });
  for (const invite of tx.tables.invites.values()) {
    if (invite.id !== approval.inviteId && invite.replaces?.nodeId === old.id) revokeInvite(tx, invite);
  }
}
