/** Which name a machine that joins gets. Never a silent suffix: a name that is taken is refused, with what to do about it. */
import { PalyraError } from '../base/errors.js';
import type { InviteRecord, NodeRecord } from '../base/model.js';
import type { JoinRecord } from '../base/requests.js';
import type { JoinAnswer, PairingRequest } from './pairing.js';
import type { Registry } from './registry.js';

/** The name that the answer gives the machine, or an invite that names both the machine and the node whose place it takes. */
export function nameIn(
  approval: JoinRecord,
  answer: JoinAnswer,
  replaced: NodeRecord | null,
  invite: InviteRecord | undefined,
): string {
  const invited = invite?.replaces === undefined ? null : invite.name;
  return answer.name ?? invited ?? replaced?.name ?? approval.requestedName ?? approval.facts.hostname;
}

/** The node to be replaced may have it, unless it lost it. Throws NAME_TAKEN that says how to take its place. */
export function assertNameFree(
  registry: Registry,
  approval: JoinRecord,
  name: string,
  replaced: Pick<NodeRecord, 'name' | 'removedAt'> | null,
): void {
  if (!registry.isNameTaken(name) || isNameOf(replaced, name)) return;
  const answer = `palyra approvals approve ${approval.id.replace(/^req_/, '')}`;
  throw new PalyraError('NAME_TAKEN', {
    detail: `"${name}"`,
    hint: `If this is the same machine set up anew: ${answer} --replace ${name}; otherwise: ${answer} --name <another name>`,
    details: { name },
  });
}

/**
 * The invite's name, then that of the node whose place it takes, then the one the machine asked for, then its host name made fit. Never a silent suffix.
 */
export function chooseName(
  registry: Registry,
  invite: InviteRecord,
  request: PairingRequest,
  old: NodeRecord | null,
): string {
  const name = invite.name ?? old?.name ?? request.requestedName ?? fitName(request.facts.hostname);
  if (!registry.isNameTaken(name) || isNameOf(old, name)) return name;
  throw new PalyraError('NAME_TAKEN', { detail: `"${name}"`, details: { name } });
}

function isNameOf(node: Pick<NodeRecord, 'name' | 'removedAt'> | null, name: string): boolean {
  return node !== null && node.removedAt === null && node.name === name;
}

/** A host name as a node name: the first label, other characters as dashes, at most 63. */
export function fitName(hostname: string): string {
  const first = hostname.split('.')[0] ?? '';
  const name = first
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, 63);
  return name === '' ? 'node' : name;
}
