/** One machine: tabs for what it is, how it does, what it can do and what it did. */
import type { JsonValue, NodeView } from '../../base/model.js';
import { dispatchReport } from '../../cli/dispatch-columns.js';
import { conflictWords } from '../../cli/conflict-words.js';
import { spent } from '../../cli/durations.js';
import { formatLogRecord } from '../../cli/log-format.js';
import { labelsOf } from '../../cli/node-columns.js';
import { printableJson } from '../../cli/text.js';
import { refusalToRun } from '../state/fleet-keys.js';
import { TABS, type Detail, type Screen, type TuiState } from '../state/state.js';
import { clockTime, dayTime, DIM, scrolledText, type Body } from './layout.js';
import { line, seg, wrapText, type Line } from './segments.js';
import { dispatchStatus, nodeStatus } from './status.js';

type NodeScreen = Extract<Screen, { kind: 'node' }>;

export function nodeView(state: TuiState, screen: NodeScreen, width: number, height: number): Body {
  const node = state.nodes.get(screen.id);
  if (node === undefined) return { lines: [line(), line('   This machine is no longer part of the fleet.')] };
  const live = state.connection.state === 'live';
  const tabs = TABS.flatMap((tab, index) => [
    ' ',
    seg(` ${index + 1} ${tab} `, tab === screen.tab ? { inverse: true } : DIM),
  ]);
  // Without colour, reverse video is not seen either: the mark says the same.
  const marked = tabs.map((part) =>
    typeof part !== 'string' && part.style.inverse === true ? { ...part, text: `[${part.text.trim()}]` } : part,
  );
  const detail = state.detail?.id === node.id ? state.detail : null;
  const rows = rowsOf(state, screen, node, detail, width);
  const shown = scrolledText(rows, screen.scroll, height - 2);
  return { lines: [line(...marked), line(), ...(live ? shown : dimmed(shown))] };
}

const dimmed = (rows: readonly Line[]) =>
  rows.map((one) => one.map((part) => ({ ...part, style: { ...part.style, ...DIM } })));

function rowsOf(
  state: TuiState,
  { tab }: NodeScreen,
  node: NodeView,
  detail: Detail | null,
  width: number,
): readonly Line[] {
  if (tab === 'overview') return overview(state, node, detail?.device ?? null, width);
  if (detail === null) return [line('   Asking the daemon…')];
  if (tab === 'health') return health(detail, refusalToRun(state, node.id) === null, width);
  if (tab === 'capabilities') return capabilities(detail, width);
  if (tab === 'logs') return logs(detail, node.name, refusalToRun(state, node.id) === null, width);
  return dispatches(state, node, refusalToRun(state, node.id) === null);
}

const fact = (label: string, text: string, width: number): readonly Line[] =>
  wrapText(text, Math.max(10, width - 17)).map((part, index) =>
    line(seg(`   ${(index === 0 ? label : '').padEnd(13)}`, DIM), seg(part)),
  );

function overview(state: TuiState, node: NodeView, device: Detail['device'] | null, width: number): readonly Line[] {
  const since = node.presenceSince === null ? '' : ` since ${dayTime(node.presenceSince)}`;
  const { certificate } = node;
  const conflict = conflictWords(node);
  return [
    ...(conflict === null ? [] : fact('! identity', conflict, width)),
    ...fact('status', nodeStatus(node, state.connection.state === 'live').text + since, width),
    ...fact('name', node.hostname === node.name ? node.name : `${node.name} (calls itself ${node.hostname})`, width),
    ...fact('id', node.id, width),
    ...fact('platform', `${node.platform}/${node.arch}`, width),
    ...fact('version', `palyra ${node.version}${node.outdated ? ' · older than the daemon' : ''}`, width),
    ...fact('address', node.address ?? '—', width),
    ...(node.transport === null ? [] : fact('link', node.transport, width)),
    ...fact('labels', labelsOf(node.labels) || '—', width),
    ...(node.purpose === null ? [] : fact('purpose', node.purpose, width)),
    ...fact('paired', `${dayTime(node.pairedAt)} by ${node.pairedBy}`, width),
    ...fact(
      'certificate',
      certificate === null ? '—' : `${certificate.daysLeft} days left · ${certificate.fingerprint.slice(0, 16)}…`,
      width,
    ),
    ...fact('can do', node.capabilities.join(' · ') || 'nothing yet', width),
    ...(device === null ? [] : deviceFacts(device, width)),
  ];
}

/** What the inventory says, for this operator and now. */
function deviceFacts({ actions, warnings }: Detail['device'], width: number): readonly Line[] {
  return [
    ...fact('you may', actions.join(' · ') || 'look at it', width),
    ...warnings.flatMap(({ message }) => fact('look at', message, width)),
  ];
}

/** What the machine said last; it is as old as it says. */
function health({ recent }: Detail, mayRun: boolean, width: number): readonly Line[] {
  const last = recent.find(({ capability, state }) => capability === 'system.health' && state === 'succeeded');
  if (last === undefined)
    return [line(`   Not measured lately.${mayRun ? ' ⏎ runs system.health there and shows what it says.' : ''}`)];
  const rows = printableJson(last.output).split('\n');
  return [
    line(seg(`   measured ${dayTime(last.timings.queuedAt)} · ${last.id}${mayRun ? ' · ⏎ measures again' : ''}`, DIM)),
    line(),
    ...rows.flatMap((text) => wrapText(text, Math.max(10, width - 3)).map((part) => line(`   ${part}`))),
  ];
}

/** What the machine's log said when somebody asked last; nothing is asked by itself. */
function logs({ recent, capabilities: offers }: Detail, name: string, mayRun: boolean, width: number): readonly Line[] {
  const offer = offers.find((candidate) => candidate.name === 'system.logs');
  const last = recent.find(({ capability, state }) => capability === 'system.logs' && state === 'succeeded');
  const ways =
    offer === undefined
      ? [`${name} does not give out its log. There: palyra node capabilities enable system.logs`]
      : offer.granted
        ? [`${last === undefined ? 'Not asked for lately.' : ''}${mayRun ? ' ⏎ asks the machine for its log.' : ''}`]
        : [`It was not granted: palyra nodes grant ${name} system.logs`];
  const head = last === undefined ? [] : [`asked ${dayTime(last.timings.queuedAt)} · ${last.id}`];
  return [
    ...[...head, ...ways].map((text) => line(seg(`   ${text.trim()}`, DIM))),
    line(),
    ...(last === undefined ? [] : logEntries(last.output)).flatMap((text) =>
      wrapText(text, Math.max(10, width - 3)).map((part) => line(`   ${part}`)),
    ),
  ];
}

/** The newest first, which is what is looked for; a machine may send anything. */
function logEntries(output: JsonValue): readonly string[] {
  const { entries } = (output ?? {}) as { readonly entries?: unknown };
  if (!Array.isArray(entries)) return [];
  if (entries.length === 0) return ['The log has nothing to show.'];
  return entries.toReversed().map((entry: unknown) => {
    const { time, level, scope, msg, ...fields } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    const record = {
      ...fields,
      time: typeof time === 'string' ? time : '',
      level: String(level),
      scope: String(scope),
      msg: String(msg),
    };
    return formatLogRecord(record);
  });
}

function capabilities({ capabilities: offers }: Detail, width: number): readonly Line[] {
  if (offers.length === 0) return [line('   It announces no capabilities.')];
  return offers.flatMap(({ name, summary, sideEffects, mediation, granted }) => [
    line(
      '   ',
      seg(name, { bold: true }),
      seg(granted ? '' : '  not granted', { colour: 'yellow' }),
      seg(mediation === 'ask' ? '  asks at the machine' : '', DIM),
      seg(sideEffects === 'none' ? '' : `  changes things: ${sideEffects}`, DIM),
    ),
    ...wrapText(summary, Math.max(10, width - 8)).map((part) => line(`     ${part}`)),
  ]);
}

function dispatches(state: TuiState, node: NodeView, mayRun: boolean): readonly Line[] {
  const own = state.dispatches.filter(({ nodeId }) => nodeId === node.id).toReversed();
  if (own.length === 0) return [line(`   Nothing was run here lately.${mayRun ? ' i runs something.' : ''}`)];
  return own.map(({ timings, capability, state: word, requestedBy }) => {
    const { text, style = {} } = dispatchStatus(word, state.now, state.connection.state === 'live');
    const took = timings.totalMs === null ? '-' : spent(timings.totalMs);
    return line(
      `   ${clockTime(timings.queuedAt)}  `,
      seg(text.padEnd(20), style),
      `${capability}  ${took}  ${requestedBy}`,
    );
  });
}

/** Everything about one dispatch, as the command line tells it. */
export function dispatchLines(dispatch: Parameters<typeof dispatchReport>[0], width: number): readonly Line[] {
  return dispatchReport(dispatch).flatMap((text) =>
    wrapText(text, Math.max(10, width - 3)).map((part) => line(` ${part}`)),
  );
}
