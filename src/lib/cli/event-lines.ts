/** Events for people: one line each, the time first. Null for what only programs need. */
import type { PublicEvent, WatchItem } from '../client/control-plane-client.js';
import { plural } from './daemon-report.js';
import type { MachineQuestionLine } from './queue-watch.js';
import { spent } from './durations.js';
import { labelsOf, statusOf } from './node-columns.js';
import { printable } from './text.js';

const REQUEST_WORDS = {
  ...{ join: 'to join', login: 'to log in', capabilities: 'to do more' },
  local: 'at a machine',
} as const;

export function eventLine(item: WatchItem | MachineQuestionLine): string | null {
  if (item.type === 'ping') return null;
  const text =
    item.type === 'snapshot' || item.type === 'resync'
      ? `${item.type === 'resync' ? resyncText(item.reason) : 'watching'}; ${plural(item.nodes.length, 'node')} now`
      : storyOf(item);
  return printable(`${timeOf(item.at)}  ${text}`);
}

/** Why the list is new. */
export function resyncText(reason: 'restarted' | 'gap'): string {
  return reason === 'restarted' ? 'the daemon was started anew' : 'events were missed';
}

export function timeOf(timestamp: string): string {
  return new Date(timestamp).toTimeString().slice(0, 8);
}

function storyOf(event: PublicEvent | MachineQuestionLine): string {
  const who = event.type === 'pairing' || event.by === null ? '' : ` (${event.by})`;
  switch (event.type) {
    case 'node':
      return `${event.node.name}  ${nodeStory(event)}${who}`;
    case 'invite':
      return `invite ${event.invite} ${event.change}${who}`;
    case 'approval':
      return `request ${REQUEST_WORDS[event.kind]} ${event.approval} ${event.state}${event.name === null ? '' : ` · ${event.name}`}${who}`;
    case 'pairing':
      return `wrong code from ${event.address} · ${plural(event.failures, 'failure')}`;
    case 'dispatch': {
      const state = event.change === 'late-result' ? 'late result' : event.state;
      const total = event.totalMs === null ? '' : ` ${spent(event.totalMs)}`;
      return `${event.node}  ${event.dispatch} ${event.capability ?? ''} ${state ?? ''}${total}${who}`;
    }
  }
}

function nodeStory({ change, node }: Extract<PublicEvent, { type: 'node' }>): string {
  switch (change) {
    case 'presence':
      return statusOf(node);
    case 'facts':
      return `reports ${node.version} · ${node.platform}/${node.arch}`;
    case 'labels':
      return `labels ${labelsOf(node.labels) || 'none'}`;
    case 'renamed':
      return `is its new name · ${node.id}`;
    default:
      return change;
  }
}
