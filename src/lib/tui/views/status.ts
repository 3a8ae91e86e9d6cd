/** How the state of a node and of a dispatch is shown: a glyph and a word, and a colour on top for those who see it. */
import type { DispatchStateName, NodeView } from '../../base/model.js';
import { statusOf } from '../../cli/node-columns.js';
import { isSettled } from '../../cli/exit-codes.js';
import type { Cell } from './layout.js';
import type { Colour } from './segments.js';

const PRESENCE: Readonly<Record<NodeView['presence'], { glyph: string; colour: Colour | null }>> = {
  online: { glyph: '●', colour: 'green' },
  late: { glyph: '◐', colour: 'yellow' },
  offline: { glyph: '○', colour: null },
  'never-seen': { glyph: '·', colour: null },
  conflict: { glyph: '!', colour: 'red' },
  expired: { glyph: '!', colour: 'yellow' },
  revoked: { glyph: '✗', colour: 'red' },
};

/** While the daemon is away nothing claims to be live. */
export function nodeStatus(node: NodeView, live: boolean, short = false): Cell {
  const { glyph, colour } = PRESENCE[node.presence];
  const here = node.presence === 'online' || node.presence === 'late';
  if (!live && here) return { text: `◌ was ${node.presence}` };
  const word = short && node.presence !== 'never-seen' ? node.presence : statusOf(node);
  return { text: `${glyph} ${word}`, ...(colour === null ? {} : { style: { colour } }) };
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** A run that goes on turns once a second, and only while the daemon says so. */
export function dispatchStatus(state: DispatchStateName, now: number, live: boolean): Cell {
  if (state === 'succeeded') return { text: '✓ succeeded', style: { colour: 'green' } };
  if (state === 'unknown') return { text: '? unknown', style: { colour: 'yellow' } };
  if (isSettled(state)) return { text: `✗ ${state}`, style: { colour: 'red' } };
  if (!live) return { text: `◌ was ${state}` };
  const glyph = SPINNER[Math.floor(now / 1000) % SPINNER.length] ?? '';
  return { text: `${state === 'queued' ? '…' : glyph} ${state}`, style: { colour: 'cyan' } };
}
