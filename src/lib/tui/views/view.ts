/**
 * The whole frame: header, the body of the screen that is open, footer with the equivalent command and the keys.
 * Invariant, asserted: a frame has at most one line less than the terminal has rows, and no line is wider than it.
 */
import { PalyraError } from '../../base/errors.js';
import { shortDuration } from '../../cli/durations.js';
import { plural } from '../../cli/daemon-report.js';
import { commandOf } from '../state/commands.js';
import { currentApproval } from '../state/approvals.js';
import { refusalToRun } from '../state/fleet-keys.js';
import { askedThere, currentNode, elsewhereOf, pendingOf, summaryOf } from '../state/fleet.js';
import { answerRefusal, maySayWhom, refusalOf, whoWords } from '../state/rights.js';
import type { Daemon, InvokeForm, Prompt, Screen, TuiState } from '../state/state.js';
import { approvalsView } from './approvals.js';
import { dispatchesView } from './dispatches.js';
import { fleetView } from './fleet.js';
import { helpView } from './help.js';
import { inviteView, type QrOptions } from './invite.js';
import { aroundCursor, invokeView } from './invoke.js';
import { cutAll, DIM, hints, rule, type Body, type Frame } from './layout.js';
import { nodeView } from './node.js';
import { cells, cutText, line, seg, widthOf, wrapText, type Line } from './segments.js';

export const MIN_SIZE = { columns: 40, rows: 10 };
/** Cells of ` palyra  `. */
const BRAND_CELLS = 9;
/** Below this many rows the rules around the body go. */
const RULES_FROM = 14;

const KEYS: Readonly<Record<Screen['kind'], readonly string[]>> = {
  fleet: [
    ...['↑↓ move', '⏎ detail', '/ filter', 'i invoke', 'a approvals', 'd dispatches', 'n new node', 's sort'],
    ...['? help', 'q quit'],
  ],
  node: ['1-5 tabs', 'i invoke', 'x remove', 'y copy', 'Esc back', 'q quit'],
  approvals: ['↑↓ move', '⏎ approve', 'r reject', 'e name/labels', 'e log in as', 'Esc back', 'q quit'],
  dispatches: ['↑↓ move', '⏎ open', 'G follow', 'y copy', 'Esc back', 'q quit'],
  invite: ['y copy', 'Esc back', 'q quit'],
  invoke: [],
  help: ['↑↓ move', 'Esc back', 'q quit'],
};

const FORM_KEYS: Readonly<Record<InvokeForm['step'], readonly string[]>> = {
  pick: ['↑↓ move', '⏎ choose', 'Esc back', 'q quit'],
  fields: ['↑↓ field', '⏎ run', '^E as JSON', 'Esc back', '^C quit'],
  running: ['Esc back (it goes on)', '^C quit'],
  result: ['↑↓ scroll', '⏎ run again', 'y copy', 'Esc back', 'q quit'],
};

/** What the operator may not do is not offered. */
function keysOf(state: TuiState): readonly string[] {
  const { prompt, screen } = state;
  if (prompt !== null) return ['⏎ answer', 'Esc back', '^C quit'];
  if (screen.kind === 'invoke') return FORM_KEYS[screen.form.step];
  return KEYS[screen.kind].filter((key) => isOffered(state, key));
}

function isOffered(state: TuiState, key: string): boolean {
  const { screen, who, locked } = state;
  const node = screen.kind === 'node' ? screen.id : (currentNode(state)?.id ?? '');
  const request = screen.kind === 'approvals' ? currentApproval(state) : null;
  const answers = (how: 'approve' | 'reject') =>
    !locked && request !== null && answerRefusal(who, request, how) === null;
  switch (key) {
    case 'i invoke':
      return refusalToRun(state, node) === null;
    case 'n new node':
      return refusalOf(state, 'invite') === null;
    case 'x remove':
      return refusalOf(state, 'remove') === null;
    case '⏎ approve':
      return answers('approve');
    case 'r reject':
      return answers('reject');
    case 'e name/labels':
      return answers('approve') && request?.kind === 'join';
    case 'e log in as':
      return answers('approve') && request !== null && maySayWhom(who, request);
    default:
      return true;
  }
}

export function view(state: TuiState, qr: QrOptions): Frame {
  const { columns, rows } = state.size;
  if (columns < MIN_SIZE.columns || rows < MIN_SIZE.rows) return asserted(state, tooSmall(state));
  const ruled = rows >= RULES_FROM;
  const top = [header(state), ...(ruled ? [rule(columns)] : [])];
  const foot = footer(state);
  const bottom = [...(ruled ? [rule(columns)] : []), ...foot.lines];
  const height = rows - 1 - top.length - bottom.length;
  const body = bodyOf(state, columns, height, qr);
  const lines = body.lines.slice(0, height);
  const gap = Array.from({ length: height - lines.length }, () => line());
  const first = rows - 1 - foot.lines.length;
  const cursor =
    foot.column !== null
      ? { row: first, column: foot.column }
      : body.cursor
        ? { row: body.cursor.row + top.length, column: body.cursor.column }
        : null;
  return asserted(state, { lines: [...cutAll([...top, ...lines, ...gap, ...bottom], columns)], cursor });
}

function asserted({ size }: TuiState, frame: Frame): Frame {
  const tall = frame.lines.length > Math.max(0, size.rows - 1);
  if (tall || frame.lines.some((one) => widthOf(one) > size.columns))
    throw new PalyraError('INTERNAL', { detail: `a frame is larger than ${size.columns}x${size.rows - 1}` });
  const { cursor } = frame;
  if (cursor === null) return frame;
  return {
    ...frame,
    cursor: { row: Math.min(cursor.row, size.rows - 2), column: Math.min(cursor.column, size.columns - 1) },
  };
}

function tooSmall(state: TuiState): Frame {
  const { columns, rows } = state.size;
  const { total, online, waiting } = summaryOf(state);
  const live = state.connection.state === 'live' ? '' : ' (not connected)';
  const text = `${online}/${total} online, ${waiting} waiting${live} · enlarge to ${MIN_SIZE.columns}×${MIN_SIZE.rows}`;
  const lines = wrapText(text, Math.max(1, columns)).map((part) => line(seg(cutText(part, columns))));
  return { lines: lines.slice(0, Math.max(0, rows - 1)), cursor: null };
}

function bodyOf(state: TuiState, width: number, height: number, qr: QrOptions): Body {
  const { screen } = state;
  switch (screen.kind) {
    case 'fleet':
      return fleetView(state, width, height);
    case 'node':
      return nodeView(state, screen, width, height);
    case 'approvals':
      return approvalsView(state, width, height);
    case 'dispatches':
      return dispatchesView(state, screen, width, height);
    case 'invite':
      return inviteView(state, screen, width, height, qr);
    case 'invoke':
      return invokeView(state, screen, width, height);
    case 'help':
      return helpView(screen.scroll, height);
  }
}

function header(state: TuiState): Line {
  const { daemon, connection, now, size } = state;
  const { total, online, waiting } = summaryOf(state);
  const status =
    connection.state === 'live'
      ? seg('● live', { colour: 'green' })
      : connection.state === 'connecting'
        ? seg('○ connecting', { colour: 'yellow' })
        : seg(`○ reconnecting (${shortDuration(now - connection.since)})`, { colour: 'yellow', bold: true });
  const was = connection.state === 'live' ? '' : 'were ';
  const wide = size.columns >= 90;
  const counts = wide ? `   ${plural(total, 'node')}  ${online} ${was}online` : `   ${online}/${total} ${was}online`;
  const lock = state.locked ? [seg('read-only', { bold: true }), seg('   ')] : [];
  const bell = waiting === 0 ? seg('') : seg(`   ${waiting} waiting`, { colour: 'yellow', bold: true });
  const right = [...lock, status, seg(counts, connection.state === 'live' ? {} : DIM), bell, seg(' ')];
  const rightWidth = widthOf(right);
  const title = titleOf(state);
  const left = size.columns - rightWidth - 1;
  const parts = [placeOf(daemon), title, daemon.version, whoWords(state.who)].filter((part) => part !== '');
  // Where one is and as whom is worth more than the version.
  const isTight = cells(parts.join(' · ')) + BRAND_CELLS > left;
  const words = parts.filter((part) => !isTight || part !== daemon.version).join(' · ');
  const brand = left > 30 ? ' palyra  ' : ' ';
  const shown = cutText(`${brand}${words}`, Math.max(0, left));
  return [seg(shown, { bold: true }), seg(' '.repeat(Math.max(1, size.columns - rightWidth - cells(shown)))), ...right];
}

/** The daemon, and of another machine under which name it is known here. */
function placeOf({ name, context }: Daemon): string {
  return context === null || context === name ? name : `${name} (${context})`;
}

function titleOf(state: TuiState): string {
  const { screen } = state;
  switch (screen.kind) {
    case 'fleet':
      return '';
    case 'approvals': {
      const elsewhere = elsewhereOf(state).length + askedThere(state).length;
      return `approvals (${pendingOf(state).length} for you${elsewhere === 0 ? '' : `, ${elsewhere} elsewhere`})`;
    }
    case 'node':
      return state.nodes.get(screen.id)?.name ?? 'a machine that is gone';
    case 'invite':
      return 'new node';
    default:
      return screen.kind;
  }
}

function footer(state: TuiState): { lines: readonly Line[]; column: number | null } {
  const { columns } = state.size;
  const keys = hints(keysOf(state), columns);
  const asked = state.prompt === null ? null : promptLine(state, state.prompt, columns);
  if (asked !== null) return { lines: [asked.line, keys], column: asked.column };
  return { lines: [noticeLine(state) ?? commandLine(state), keys], column: null };
}

function noticeLine({ notice, size }: TuiState): Line | null {
  if (notice === null) return null;
  const mark = { done: '✓', error: '✗', busy: '…' }[notice.kind];
  const colour = { done: 'green', error: 'red', busy: 'cyan' } as const;
  return line(
    ' ',
    seg(mark, { colour: colour[notice.kind] }),
    ` ${cutText(notice.text, Math.max(0, size.columns - 4))}`,
  );
}

function commandLine(state: TuiState): Line {
  const filter = state.screen.kind === 'fleet' && state.filter !== '' ? `filter: ${state.filter}   ` : '';
  const command = commandOf(state);
  return line(seg(cutText(` ${filter}${command === null ? '' : `= ${command}`}`, state.size.columns), DIM));
}

/** The PIN has its place among the facts of the request; everything else is typed here. */
function promptLine(state: TuiState, prompt: Prompt, width: number): { line: Line; column: number } | null {
  if (prompt.kind === 'pin') return null;
  const isLogin = 'request' in prompt && state.approvals.find(({ id }) => id === prompt.request)?.kind === 'login';
  const question = {
    filter: ' / ',
    reason: isLogin ? ' Why? The program is told: ' : ' Why? The machine is told: ',
    edit: isLogin ? ' Log in as (name of an operator): ' : ' Name and labels (win-pc site=lab): ',
    remove: prompt.kind === 'remove' ? ` Type ${prompt.name} to remove it for good: ` : '',
  }[prompt.kind];
  const head = cutText(question, Math.floor(width * 0.7));
  const { text, column } = aroundCursor(prompt.field.text, prompt.field.cursor, Math.max(4, width - cells(head) - 1));
  return { line: line(seg(head, { bold: true }), text), column: cells(head) + column };
}
