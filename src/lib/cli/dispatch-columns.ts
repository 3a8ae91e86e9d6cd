/** Dispatches in a table and one by one, and the words by which they are chosen. */
import { PalyraError } from '../base/errors.js';
import { DISPATCH_STATE_NAMES, type DispatchListing, type DispatchView } from '../base/model.js';
import { shortDuration, spent } from './durations.js';
import { outcomeHint } from './dispatch-report.js';
import { isSettled } from './exit-codes.js';
import type { Column } from './table.js';
import { printable, printableJson } from './text.js';

const NOTHING = '—';
const LABEL_WIDTH = 12;

export function dispatchColumns(now: number): Column<DispatchListing>[] {
  return [
    { header: 'ID', value: (dispatch) => dispatch.id },
    { header: 'NODE', value: (dispatch) => dispatch.node },
    { header: 'CAPABILITY', value: (dispatch) => dispatch.capability },
    { header: 'STATE', value: (dispatch) => dispatch.state },
    { header: 'ASKED', value: (dispatch) => `${shortDuration(now - Date.parse(dispatch.timings.queuedAt))} ago` },
    { header: 'TOOK', value: ({ timings }) => (timings.totalMs === null ? NOTHING : spent(timings.totalMs)) },
    { header: 'BY', value: (dispatch) => dispatch.requestedBy },
    { header: 'ERROR', value: (dispatch) => dispatch.error?.code ?? NOTHING },
  ];
}

/** Stable columns for scripts: raw values, `-` for nothing. */
export const plainDispatchColumns: readonly Column<DispatchListing>[] = [
  { header: 'id', value: (dispatch) => dispatch.id },
  { header: 'node', value: (dispatch) => dispatch.node },
  { header: 'capability', value: (dispatch) => dispatch.capability },
  { header: 'state', value: (dispatch) => dispatch.state },
  { header: 'queuedAt', value: (dispatch) => dispatch.timings.queuedAt },
  { header: 'totalMs', value: ({ timings }) => (timings.totalMs === null ? '-' : String(timings.totalMs)) },
  { header: 'requestedBy', value: (dispatch) => dispatch.requestedBy },
  { header: 'error', value: (dispatch) => dispatch.error?.code ?? '-' },
];

/** Everything about one, for people. */
export function dispatchReport(dispatch: DispatchView): string[] {
  const { timings, error } = dispatch;
  const took = timings.totalMs === null ? '' : ` · ${spent(timings.totalMs)}`;
  const lines = [`${dispatch.id} · ${dispatch.state}${took}`];
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(LABEL_WIDTH)}${text}`);
  add('node', `${dispatch.node} · ${dispatch.nodeId}`);
  add('capability', `${dispatch.capability}${dispatch.attempt > 1 ? ` · attempt ${dispatch.attempt}` : ''}`);
  add('asked', `${timings.queuedAt} by ${dispatch.requestedBy}`);
  if (timings.deliveredAt !== null) add('delivered', timings.deliveredAt);
  if (timings.startedAt !== null) add('started', timings.startedAt);
  if (timings.finishedAt === null) add('deadline', dispatch.deadlineAt);
  else add('finished', timings.finishedAt);
  if (error !== null) add('error', `${error.message} (${error.code})`);
  const hint = isSettled(dispatch.state) ? outcomeHint(dispatch) : null;
  if (hint !== null) add('next', hint);
  return [
    ...lines.map(printable),
    ...indented('input', printableJson(dispatch.input)),
    ...(dispatch.state === 'succeeded' ? indented('output', printableJson(dispatch.output)) : []),
  ];
}

function indented(label: string, json: string): string[] {
  return json.split('\n').map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`);
}

/** `dsp_` may be left out. */
export function fullDispatchId(text: string): string {
  return `dsp_${text.replace(/^dsp_/i, '').toUpperCase()}`;
}

/** A comma-separated list of states as the API takes it. Throws USAGE_INVALID. */
export function parseStates(text: string): string {
  const words = text.split(',').map((word) => word.trim().replace(' ', '-'));
  const unknown = words.find((word) => !(DISPATCH_STATE_NAMES as readonly string[]).includes(word));
  if (unknown !== undefined) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `"${unknown}" is not a state; they are ${DISPATCH_STATE_NAMES.join(', ')}`,
    });
  }
  return words.join(',');
}
