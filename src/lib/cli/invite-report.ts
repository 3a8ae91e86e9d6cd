/** What an operator sees of an invite: one line about it, the code to scan, the command to paste, the letters to type. */
import type { InviteView, NewInviteView, NodeView } from '../base/model.js';
import { longDuration } from './durations.js';
import type { Column } from './table.js';
import { labelsOf } from './node-columns.js';
import { printable } from './text.js';

/** `Invite 7H2K9Q · one machine · until 04:56 (10 min) · no further approval` */
export function inviteHeading(invite: InviteView, now: number): string {
  const until = new Date(invite.expiresAt);
  return [
    `Invite ${shortInviteId(invite.id)}`,
    invite.uses.max === 1 ? 'one machine' : `${invite.uses.max} machines`,
    `until ${until.toTimeString().slice(0, 5)} (${longDuration(Math.ceil((until.getTime() - now) / 1000) * 1000)})`,
    invite.approval === 'none' ? 'no further approval' : 'a person approves each machine',
    ...(invite.name === null ? [] : [`name "${invite.name}"`]),
    ...consequencesOf(invite),
  ].join(' · ');
}

/** What becomes of who joins, and of another node; a daemon of an older version says nothing of it. */
function consequencesOf(invite: Partial<Pick<InviteView, 'replaces' | 'ephemeralMs'>>): string[] {
  const { replaces = null, ephemeralMs = null } = invite;
  return [
    ...(replaces === null ? [] : [`in place of ${replaces.name}${replaces.evenOnline ? ', even while it works' : ''}`]),
    ...(ephemeralMs === null ? [] : [`goes away when not seen for ${longDuration(ephemeralMs)}`]),
  ];
}

/** `invites show`. */
export function inviteLines(invite: InviteView, now: number): string[] {
  const lines = [
    `Invite ${shortInviteId(invite.id)} · ${invite.state} · ${expiryWords(invite, now)} · by ${invite.createdBy}`,
  ];
  const add = (label: string, text: string) => {
    if (text !== '') lines.push(`  ${label.padEnd(10)}${text}`);
  };
  add('uses', `${invite.uses.max - invite.uses.left} of ${invite.uses.max}`);
  add('approval', invite.approval === 'none' ? 'none' : 'a person approves each machine');
  add('name', invite.name ?? '');
  add('labels', labelsOf(invite.labels));
  add('for', invite.purpose ?? '');
  for (const words of consequencesOf(invite)) add('who joins', words);
  for (const { name, nodeId, at } of invite.redeemedBy) add('joined', `${name} · ${nodeId} · ${at.slice(0, 19)}Z`);
  return lines.map(printable);
}

function expiryWords(invite: InviteView, now: number): string {
  return `${Date.parse(invite.expiresAt) > now ? 'expires' : 'expired'} ${expiry(invite, now)}`;
}

/** What to paste on the other machine. An IPv6 literal has brackets, which zsh takes for a pattern: quoted. */
export function joinCommand(invite: NewInviteView): string {
  return `palyra join ${invite.link.includes('[') ? `'${invite.link}'` : invite.link}`;
}

/** For a machine without a clipboard. The port is left out when it is the usual one. */
export function typedCommand(invite: NewInviteView): string {
  const { hostname, port } = new URL(invite.link);
  return `palyra join ${hostname}${port === '7443' || port === '' ? '' : `:${port}`}   →   ${invite.code}`;
}

/** The id as people type it: `inv_7H2K9Q` is accepted too. */
export function shortInviteId(id: string): string {
  return id.replace(/^inv_/, '');
}

/** `7h2k9q` and `inv_7H2K9Q` are one invite. */
export function fullInviteId(text: string): string {
  return `inv_${text.replace(/^inv_/i, '').toUpperCase()}`;
}

export function joinedLine(node: Pick<NodeView, 'name' | 'address' | 'platform' | 'arch' | 'version'>): string {
  const from = node.address === null ? '' : ` from ${node.address}`;
  return `${node.name} joined${from} · ${node.platform}/${node.arch} · palyra ${node.version}`;
}

export function inviteColumns(now: number): Column<InviteView>[] {
  return [
    { header: 'ID', value: (invite) => shortInviteId(invite.id) },
    { header: 'STATE', value: (invite) => invite.state },
    { header: 'EXPIRES', value: (invite) => expiry(invite, now) },
    { header: 'USES', value: (invite) => `${invite.uses.max - invite.uses.left}/${invite.uses.max}` },
    { header: 'NAME', value: (invite) => invite.name ?? '—' },
    { header: 'LABELS', value: (invite) => labelsOf(invite.labels) || '—' },
    { header: 'REPLACES', value: (invite) => orNothing(invite.replaces)?.name ?? '—' },
    { header: 'BY', value: (invite) => invite.createdBy },
    { header: 'JOINED', value: (invite) => invite.redeemedBy.map((node) => node.name).join(',') || '—' },
  ];
}

/** Of an older daemon it is absent. */
function orNothing(replaces: InviteView['replaces'] | undefined): InviteView['replaces'] {
  return replaces ?? null;
}

function expiry(invite: InviteView, now: number): string {
  const left = Date.parse(invite.expiresAt) - now;
  return left > 0 ? `in ${longDuration(left)}` : `${longDuration(-left)} ago`;
}
