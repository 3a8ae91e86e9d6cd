/** The fleet: the table, a strip about the selected machine, and what waits for a person. Columns go as the terminal gets narrower, never the status. */
import type { NodeView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { shortRequestId, whatOf, whoOf } from '../../cli/approval-report.js';
import { shortDuration, spent } from '../../cli/durations.js';
import { isSettled } from '../../cli/exit-codes.js';
import { labelsOf } from '../../cli/node-columns.js';
import { openRuns } from '../state/dispatch-log.js';
import { askingOf, currentNode, pendingOf, shownNodes } from '../state/fleet.js';
import { refusalOf } from '../state/rights.js';
import type { TuiState } from '../state/state.js';
import { ageOf, clockTime, dayTime, DIM, row, rule, windowStart, type Body, type Cell } from './layout.js';
import { cells, cutText, line, seg, type Line } from './segments.js';
import { nodeStatus } from './status.js';

interface Column {
  readonly header: string;
  readonly width: number;
  readonly cell: (node: NodeView) => Cell;
  readonly asking: (request: ApprovalView) => Cell;
}

const MARKER = 3;

export function fleetView(state: TuiState, width: number, height: number): Body {
  const strip = stripOf(state, width, height);
  const waiting = waitingOf(state, width, height);
  const table = tableOf(state, width, Math.max(1, height - strip.length - waiting.length));
  const gap = Array.from({ length: Math.max(0, height - table.length - strip.length - waiting.length) }, () => line());
  return { lines: [...table, ...gap, ...strip, ...waiting] };
}

function tableOf(state: TuiState, width: number, height: number): readonly Line[] {
  const nodes = shownNodes(state);
  const asking = state.filter === '' ? askingOf(state) : [];
  if (nodes.length + asking.length === 0) return nothing(state);
  const columns = columnsOf(state, nodes, asking, width);
  const widths = columns.map((column) => column.width);
  const current = currentNode(state)?.id;
  const live = state.connection.state === 'live';
  const head = row(
    '   ',
    columns.map(({ header }) => ({ text: header })),
    widths,
    { bold: true },
  );
  const space = height - 1;
  const index = nodes.findIndex(({ id }) => id === current);
  const start = windowStart(Math.max(0, index), nodes.length + asking.length, space);
  const rows = [...nodes, ...asking].slice(start, start + space).map((item) => {
    if ('subject' in item)
      return row(
        '   ',
        columns.map((column) => column.asking(item)),
        widths,
        live ? {} : DIM,
      );
    const selected = item.id === current;
    const over = { ...(live ? {} : DIM), ...(selected ? { inverse: true } : {}) };
    return row(
      selected ? ' ▸ ' : '   ',
      columns.map((column) => column.cell(item)),
      widths,
      over,
    );
  });
  return [head, ...rows];
}

function nothing(state: TuiState): readonly Line[] {
  if (state.connection.state === 'connecting') return [line(), line('   Asking the daemon…')];
  if (state.filter !== '' && state.nodes.size > 0)
    return [line(), line(`   No machine fits the filter "${state.filter}". Esc clears it.`)];
  const how = refusalOf(state, 'invite') === null ? ' n invites one.' : '';
  return [line(), line(`   No nodes yet.${how}`)];
}

function columnsOf(
  state: TuiState,
  nodes: readonly NodeView[],
  asking: readonly ApprovalView[],
  width: number,
): readonly Column[] {
  const { now } = state;
  const live = state.connection.state === 'live';
  const tiny = width < 56;
  const runs = openRuns(state.dispatches);
  const none = { text: '-' };
  const status: Column = {
    ...{ header: 'STATUS', width: tiny ? 13 : 20, cell: (node) => nodeStatus(node, live, tiny) },
    asking: () => ({ text: tiny ? '? asking' : '? asking to join', style: { colour: 'yellow' } }),
  };
  const seen: Column = {
    ...{ header: 'SEEN', width: 8, asking: (request) => ({ text: ageOf(request.requestedAt, now) }) },
    cell: (node) => ({ text: seenText(state, node) }),
  };
  const middle: readonly Column[] = [
    {
      ...{ header: 'PLATFORM', width: 15, cell: (node) => ({ text: `${node.platform}/${node.arch}` }) },
      asking: ({ subject }) => ({ text: `${subject.platform}/${subject.arch}` }),
    },
    {
      ...{ header: 'VERSION', width: 11, asking: ({ subject }) => ({ text: subject.version }) },
      cell: (node) => ({ text: `${node.version}${node.outdated ? ' ↑' : ''}` }),
    },
  ];
  const running: Column = {
    ...{ header: 'RUNNING', width: 9, asking: () => none },
    cell: (node) => ({ text: `${runs.get(node.id) ?? '-'}` }),
  };
  const right = width >= 96 ? [...middle, running] : width >= 76 ? middle : [];
  const fixed = [status, seen, ...right].reduce((sum, column) => sum + column.width, MARKER);
  const longest = [...nodes.map(({ name }) => name), ...asking.map(({ subject }) => subject.name), 'NAME'];
  const wanted = Math.max(...longest.map(cells)) + 3;
  const withLabels = width >= 96;
  const nameWidth = Math.max(8, Math.min(wanted, withLabels ? Math.max(20, width - fixed - 30) : width - fixed));
  const name: Column = {
    ...{ header: 'NAME', width: nameWidth, cell: (node) => ({ text: node.name }) },
    asking: ({ subject }) => ({ text: subject.name }),
  };
  const labels: Column = {
    ...{ header: 'LABELS', width: width - fixed - nameWidth, asking: () => none },
    cell: (node) => ({ text: labelsOf(node.labels) || '-' }),
  };
  return [name, status, seen, ...right, ...(withLabels ? [labels] : [])];
}

/** What was there when the connection was lost has been unseen since then, not since its last change. */
function seenText({ connection, now }: TuiState, node: NodeView): string {
  const here = node.presence === 'online' || node.presence === 'late';
  if (connection.state === 'live' && node.presence === 'online') return 'now';
  if (connection.state === 'lost' && here) return shortDuration(Math.max(0, now - connection.since));
  return ageOf(node.lastSeenAt, now);
}

function stripOf(state: TuiState, width: number, height: number): readonly Line[] {
  const node = currentNode(state);
  const lines = height >= 20 ? 3 : height >= 13 ? 2 : 0;
  if (node === null || lines === 0) return [];
  const live = state.connection.state === 'live';
  const since = node.presenceSince === null ? '' : ` since ${dayTime(node.presenceSince)}`;
  const facts = [
    `${nodeStatus(node, live).text.slice(2)}${since}`,
    ...(node.certificate === null ? [] : [`certificate ${node.certificate.daysLeft} days`]),
    ...(node.address === null ? [] : [node.address]),
    ...(node.purpose === null ? [] : [node.purpose]),
  ];
  const last = state.dispatches
    .filter(({ nodeId, state: word }) => nodeId === node.id && isSettled(word))
    .slice(-3)
    .reverse()
    .map(({ capability, state: word, timings }) => {
      const took = timings.totalMs === null ? '' : ` ${spent(timings.totalMs)}`;
      return `${clockTime(timings.queuedAt).slice(0, 5)} ${capability} ${word === 'succeeded' ? 'ok' : word}${took}`;
    });
  const texts = [
    facts.join(' · '),
    `can do: ${node.capabilities.join(' · ') || 'nothing yet'}`,
    `last:   ${last.join(' · ') || 'nothing in this log'}`,
  ];
  const style = live ? {} : DIM;
  return [
    rule(width, cutText(node.name, Math.max(4, width - 6))),
    ...texts.slice(0, lines).map((text) => line(seg(cutText(`  ${text}`, width), style))),
  ];
}

function waitingOf(state: TuiState, width: number, height: number): readonly Line[] {
  const pending = pendingOf(state);
  if (pending.length === 0 || height < 8) return [];
  const rows = pending.slice(0, height >= 20 ? 3 : 1).map((request) => {
    const text = `  ${shortRequestId(request.id)}  ${whatOf(request)} · ${fromOf(request)} · asked ${ageOf(request.requestedAt, state.now)} ago`;
    const answer = state.locked ? '[a]pprovals' : '[a]pprove';
    const room = width - cells(answer) - 3;
    const shown = cutText(text, room);
    return line(seg(shown), ' '.repeat(Math.max(1, room - cells(shown) + 2)), seg(answer, { bold: true }));
  });
  return [rule(width, `waiting for you (${pending.length})`), ...rows];
}

/** Of a machine more of its key than in a list: it can be compared with what its screen shows. */
function fromOf(request: ApprovalView): string {
  const { platform, arch, address, keyWords } = request.subject;
  if (request.kind !== 'join') return whoOf(request);
  return `${platform}/${arch} · ${address} · key ${keyWords.slice(0, 9)}`;
}
