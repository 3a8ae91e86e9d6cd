/** What line mode says: whole sentences, one a line, the important word first, no glyphs, no ages that tick. Pure. */
import type { DispatchListing, NodeView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { plural } from '../../cli/daemon-report.js';
import { longDuration, shortDuration, spent } from '../../cli/durations.js';
import { labelsOf } from '../../cli/node-columns.js';
import { printable } from '../../cli/text.js';
import type { WatchItem } from '../../client/control-plane-client.js';
import { pendingOf, summaryOf } from '../state/fleet.js';
import type { TuiState } from '../state/state.js';
import { clockTime } from '../views/layout.js';

export const MENU =
  'Type a number or a word, then Enter. 1 nodes, 2 approvals, 3 dispatches, n new node, h help, q quit.';

export const HELP: readonly string[] = [
  '1 or nodes: every machine. 2 or approvals: what waits for you. 3 or dispatches: what was run last.',
  'node NAME: one machine. run NODE CAPABILITY key=value: runs something and says what came of it.',
  'n: invites a machine. q: quits. Changes are told as they happen, at most one line a second.',
];

export function greeting(state: TuiState): string {
  const { total, online, waiting } = summaryOf(state);
  const others = total - online;
  const parts = [`${online} online`, ...(others === 0 ? [] : [`${others} not`])];
  const asking = waiting === 0 ? '' : `, ${waiting} asking to join`;
  return printable(
    `palyra, connected to ${state.daemon.name}. ${plural(total, 'node')}: ${parts.join(', ')}${asking}.`,
  );
}

const PRESENCE: Readonly<Record<NodeView['presence'], string>> = {
  ...{ online: 'online', late: 'online but late', offline: 'offline', 'never-seen': 'never seen' },
  conflict: 'in conflict, two machines use its identity',
  ...{ expired: 'expired, pair it again', revoked: 'removed' },
};

export function nodeSentence(node: NodeView, now: number, live: boolean): string {
  const here = node.presence === 'online' || node.presence === 'late';
  const word = !live && here ? `was ${PRESENCE[node.presence]}` : PRESENCE[node.presence];
  const why = node.presenceReason === null ? '' : `, ${node.presenceReason === 'lost' ? 'connection lost' : 'stopped'}`;
  const seen = here || node.lastSeenAt === null ? '' : `, seen ${shortDuration(now - Date.parse(node.lastSeenAt))} ago`;
  return printable(`${node.name}: ${word}${why}${seen}.`);
}

export function nodeSentences(node: NodeView, now: number, live: boolean): string[] {
  return [
    nodeSentence(node, now, live),
    `It is ${node.platform} ${node.arch}, palyra ${node.version}, at ${node.address ?? 'an unknown address'}.`,
    `Labels: ${labelsOf(node.labels) || 'none'}. It can do: ${node.capabilities.join(', ') || 'nothing yet'}.`,
  ].map(printable);
}

export function approvalSentence(request: ApprovalView, index: number, count: number, now: number): string {
  const { subject, pinRequired } = request;
  const asked = longDuration(Math.max(0, now - Date.parse(request.requestedAt)));
  const how = pinRequired ? 'Type the PIN to approve' : 'Type yes to approve';
  return printable(
    `${index + 1} of ${count}. ${subject.name} asks to join. ${subject.platform}, from ${subject.address}, key ${subject.keyWords.slice(0, 9)}, asked ${asked} ago. ${how}, r to reject, Enter for next.`,
  );
}

export function dispatchSentence(row: DispatchListing): string {
  const took = row.timings.totalMs === null ? '' : `, ${spent(row.timings.totalMs)}`;
  const time = clockTime(row.timings.queuedAt).slice(0, 5);
  return printable(`${time} ${row.capability} on ${row.node}: ${row.state}${took}, by ${row.requestedBy}.`);
}

/** What is told unasked; null for what nobody needs to hear. */
export function eventSentence(item: WatchItem): { subject: string; text: string } | null {
  if (item.type === 'ping' || item.type === 'snapshot') return null;
  const at = `${clockTime(item.at).slice(0, 5)}.`;
  if (item.type === 'resync')
    return { subject: 'list', text: `The list is new, ${plural(item.nodes.length, 'node')} now. ${at}` };
  if (item.type === 'node') {
    const text = nodeChange(item.change, item.node);
    return text === null ? null : { subject: item.node.name, text: printable(`${text} ${at}`) };
  }
  if (item.type === 'approval' && item.change === 'requested' && item.state === 'pending') {
    const name = item.name ?? 'A machine';
    return { subject: name, text: printable(`${name} asks to join. Type 2 to answer. ${at}`) };
  }
  return null;
}

function nodeChange(change: string, node: NodeView): string | null {
  switch (change) {
    case 'presence':
      if (node.presence === 'online') return `${node.name} is online.`;
      if (node.presence === 'late') return null;
      return `${node.name} went ${PRESENCE[node.presence]}${node.presenceReason === 'lost' ? ', connection lost' : ''}.`;
    case 'joined':
      return `${node.name} joined.`;
    case 'removed':
      return `${node.name} was removed.`;
    case 'renamed':
      return `A machine is now called ${node.name}.`;
    default:
      return null;
  }
}

/** One line for everything that happened in a second. */
export function together(said: readonly { subject: string; text: string }[]): string {
  const [first] = said;
  if (first !== undefined && said.length === 1) return first.text;
  const subjects = new Set(said.map(({ subject }) => subject));
  if (subjects.size === 1) return said.at(-1)!.text;
  const names = [...subjects].slice(0, 3).join(', ');
  return printable(
    `${subjects.size} nodes changed: ${names}${subjects.size > 3 ? ' and others' : ''}. Type 1 for the list.`,
  );
}

export const pendingCount = (state: TuiState) => pendingOf(state).length;
