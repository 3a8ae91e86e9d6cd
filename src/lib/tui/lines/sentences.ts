/** What line mode says: whole sentences, one a line, the important word first, no glyphs, no ages that tick. Pure. */
import type { DispatchListing, NodeView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { conflictWords } from '../../cli/conflict-words.js';
import { plural } from '../../cli/daemon-report.js';
import { longDuration, shortDuration, spent } from '../../cli/durations.js';
import { labelsOf } from '../../cli/node-columns.js';
import { printable } from '../../cli/text.js';
import type { WatchItem } from '../../client/control-plane-client.js';
import { askingOf, summaryOf } from '../state/fleet.js';
import { answerRefusal, lockWords, mayAnswer, refusalOf, whoWords } from '../state/rights.js';
import type { TuiState } from '../state/state.js';
import { clockTime } from '../views/layout.js';
import type { Said } from './announcer.js';

export function menu(state: TuiState): string {
  const invites = refusalOf(state, 'invite') === null ? ' n new node,' : '';
  return `Type a number or a word, then Enter. 1 nodes, 2 approvals, 3 dispatches,${invites} h help, q quit.`;
}

export const NO_SIGHT = 'The token is not allowed to see this.';

export const HELP: readonly string[] = [
  '1 or nodes: every machine. 2 or approvals: what waits for you. 3 or dispatches: what was run last.',
  'node NAME: one machine. run NODE CAPABILITY key=value: runs something and says what came of it.',
  'n: invites a machine. q: quits. Changes are told as they happen, at most one line a second.',
];

export function greeting(state: TuiState): string {
  const { total, online, waiting } = summaryOf(state);
  const joins = askingOf(state).length;
  const others = total - online;
  const parts = [`${online} online`, ...(others === 0 ? [] : [`${others} not`])];
  const asking = joins === 0 ? '' : `, ${joins} asking to join`;
  const yours = waiting === 0 ? '' : ` ${plural(waiting, 'request')} for you to answer.`;
  return printable(
    `palyra, connected to ${state.daemon.name} as ${whoWords(state.who)}. ${plural(total, 'node')}: ${parts.join(', ')}${asking}.${yours}`,
  );
}

const PRESENCE: Readonly<Record<NodeView['presence'], string>> = {
  ...{ online: 'online', late: 'online but late', offline: 'offline', 'never-seen': 'never seen' },
  conflict: 'in conflict, two machines use its identity',
  ...{ expired: 'expired, pair it again', revoked: 'revoked' },
};

export function nodeSentence(node: NodeView, now: number, live: boolean): string {
  const here = node.presence === 'online' || node.presence === 'late';
  const word = !live && here ? `was ${PRESENCE[node.presence]}` : PRESENCE[node.presence];
  const why = node.presenceReason === null ? '' : `, ${node.presenceReason === 'lost' ? 'connection lost' : 'stopped'}`;
  const seen = here || node.lastSeenAt === null ? '' : `, seen ${shortDuration(now - Date.parse(node.lastSeenAt))} ago`;
  return printable(`${node.name}: ${word}${why}${seen}.`);
}

export function nodeSentences(node: NodeView, now: number, live: boolean): string[] {
  const conflict = conflictWords(node);
  return [
    nodeSentence(node, now, live),
    ...(conflict === null ? [] : [`${conflict[0]!.toUpperCase()}${conflict.slice(1)}.`]),
    `It is ${node.platform} ${node.arch}, palyra ${node.version}, at ${node.address ?? 'an unknown address'}.`,
    `Labels: ${labelsOf(node.labels) || 'none'}. It can do: ${node.capabilities.join(', ') || 'nothing yet'}.`,
  ].map(printable);
}

export function approvalSentence(request: ApprovalView, index: number, count: number, state: TuiState): string {
  const { subject, pinRequired } = request;
  const asked = longDuration(Math.max(0, state.now - Date.parse(request.requestedAt)));
  const key = subject.keyWords === '' ? '' : `, key ${subject.keyWords.slice(0, 9)}`;
  const [approve, reject] = (['approve', 'reject'] as const).map((how) =>
    state.locked ? lockWords(state) : answerRefusal(state.who, request, how),
  );
  const ways = [
    ...(approve === null ? [pinRequired ? 'type the PIN to approve' : 'type yes to approve'] : []),
    ...(reject === null ? ['r to reject'] : []),
    'Enter for next',
  ].join(', ');
  const why = typeof approve === 'string' ? ` ${approve}.` : '';
  return printable(
    `${index + 1} of ${count}. ${askingWords(request)}. ${subject.platform}, from ${subject.address}${key}, asked ${asked} ago.${why} ${ways[0]!.toUpperCase()}${ways.slice(1)}.`,
  );
}

function askingWords({ subject, operator, wants, ...request }: ApprovalView): string {
  const kind: string = request.kind;
  if (kind === 'join') return `${subject.name} asks to join`;
  if (kind === 'capabilities') return `${subject.name} wants to do more: ${wants.join(', ')}`;
  if (kind === 'login') return `palyra on ${subject.hostname} asks to log in as ${operator ?? 'whoever approves it'}`;
  return `${subject.name} asks for ${kind}`;
}

/** That something waits since now. */
export function requestSentence(request: ApprovalView, state: TuiState): Said {
  const how = mayAnswer(state.who, request) && !state.locked ? ' Type 2 to answer.' : '';
  const text = `${askingWords(request)}.${how} ${clockTime(request.requestedAt).slice(0, 5)}.`;
  return { about: 'request', subject: request.subject.name, text: printable(text) };
}

export function dispatchSentence(row: DispatchListing): string {
  const took = row.timings.totalMs === null ? '' : `, ${spent(row.timings.totalMs)}`;
  const time = clockTime(row.timings.queuedAt).slice(0, 5);
  return printable(`${time} ${row.capability} on ${row.node}: ${row.state}${took}, by ${row.requestedBy}.`);
}

/** What is told unasked; null for what nobody needs to hear. */
export function eventSentence(item: WatchItem): Said | null {
  if (item.type === 'ping' || item.type === 'snapshot') return null;
  const at = `${clockTime(item.at).slice(0, 5)}.`;
  if (item.type === 'resync')
    return {
      about: 'daemon',
      subject: 'list',
      text: `The list is new, ${plural(item.nodes.length, 'node')} now. ${at}`,
    };
  if (item.type === 'node') {
    const text = nodeChange(item.change, item.node);
    return text === null ? null : { about: 'node', subject: item.node.name, text: printable(`${text} ${at}`) };
  }
  // Requests are told from their list, which says what they ask for.
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
    case 'revoked':
      return `${node.name} was revoked: it is no longer trusted.`;
    case 'restored':
      return `${node.name} is trusted again.`;
    case 'renamed':
      return `A machine is now called ${node.name}.`;
    default:
      return null;
  }
}

/** One line for everything that happened in a second. */
export function together(said: readonly Said[]): string {
  const [first] = said;
  if (first !== undefined && said.length === 1) return first.text;
  const subjects = new Set(said.map(({ subject }) => subject));
  if (subjects.size === 1) return said.at(-1)!.text;
  const names = [...subjects].slice(0, 3).join(', ');
  const others = subjects.size > 3 ? ' and others' : '';
  if (said.every(({ about }) => about === 'node'))
    return printable(`${subjects.size} nodes changed: ${names}${others}. Type 1 for the list.`);
  return printable(`${subjects.size} things happened: ${names}${others}. Type 1 for the nodes, 2 for what waits.`);
}
