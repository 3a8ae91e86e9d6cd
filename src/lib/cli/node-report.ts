/** `nodes show` for people: what it is, why it is in that state, what it can do, what to try next. */
import type { AbsenceView } from '../base/absences.js';
import type { DispatchView, NodeView } from '../base/model.js';
import { conflictWords } from './conflict-words.js';
import { longDuration, spent } from './durations.js';
import { labelsOf, statusOf } from './node-columns.js';
import { printable } from './text.js';

export interface NodeReportInput {
  readonly node: NodeView;
  readonly capabilities: readonly {
    readonly name: string;
    readonly mediation: 'none' | 'ask';
    readonly granted: boolean;
  }[];
  readonly recentDispatches: readonly DispatchView[];
  /** Newest first; absent in the answer of an older daemon, like what follows. */
  readonly absences?: readonly AbsenceView[];
  readonly pluginFailures?: readonly { readonly name: string; readonly message: string }[];
}

const LABEL_WIDTH = 12;
/** Of those that are over. */
const SHOWN_ABSENCES = 5;

export function nodeReport(
  { node, capabilities, recentDispatches, absences = [], pluginFailures = [] }: NodeReportInput,
  now: number,
): string[] {
  const since = node.presenceSince === null ? '' : ` for ${longDuration(now - Date.parse(node.presenceSince))}`;
  const head = [
    node.name,
    `${statusOf(node)}${since}`,
    `paired ${node.pairedAt.slice(0, 10)} by ${node.pairedBy}`,
    ...(node.purpose === null ? [] : [`"${node.purpose}"`]),
  ];
  const lines = [head.join(' · ')];
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(LABEL_WIDTH)}${text}`);
  const conflict = conflictWords(node);
  if (conflict !== null) add('! identity', conflict);
  const [latest] = absences;
  if (latest?.to === null) add('why', whySentence(latest));
  add(
    'machine',
    `${node.hostname} · ${node.platform}/${node.arch} · ${node.address ?? 'address unknown'} · ${node.id}`,
  );
  add('version', `${node.version}${node.outdated ? ' (older than the daemon: compatible, upgrade recommended)' : ''}`);
  if (node.transport !== null) add('transport', node.transport);
  if (node.certificate !== null) add('certificate', `${node.certificate.daysLeft} days left`);
  add('can do', canDo(capabilities));
  for (const { name, message } of pluginFailures) add('! plugin', `${name}: ${message}`);
  for (const words of provenanceOf(node)) add('joined', words);
  const labels = labelsOf(node.labels);
  if (labels !== '') add('labels', labels);
  if (node.queue.waiting + node.queue.running > 0)
    add('queue', `${node.queue.running} running, ${node.queue.waiting} waiting`);
  const past = absences.filter(({ to }) => to !== null).slice(0, SHOWN_ABSENCES);
  for (const [index, absence] of past.entries()) add(index === 0 ? 'was away' : '', pastAbsence(absence));
  if (recentDispatches.length > 0) add('last runs', recentDispatches.slice(0, 5).map(recentRun).join(' · '));
  return lines.map(printable);
}

/** How it came and how it goes. Absent in the answer of an older daemon. */
function provenanceOf({ replaces = null, ephemeralMs = null }: Partial<NodeView>): string[] {
  return [
    ...(replaces === null ? [] : [`in place of ${replaces.name} · ${replaces.nodeId}`]),
    ...(ephemeralMs === null ? [] : [`for a while: removed when not seen for ${longDuration(ephemeralMs)}`]),
  ];
}

function whySentence({ from, message, times }: AbsenceView): string {
  return `${message} · since ${moment(from)}${lostTimes(times)}`;
}

function pastAbsence({ from, to, message, times }: AbsenceView): string {
  const lengthMs = Math.max(0, Date.parse(to!) - Date.parse(from));
  return `${moment(from)} for ${spent(lengthMs)}: ${message}${lostTimes(times)}`;
}

function lostTimes(times: number): string {
  return times > 1 ? ` · lost ${times} times in that time` : '';
}

/** Of the clock here. */
function moment(at: string): string {
  const date = new Date(at);
  return `${date.toDateString().slice(4, 10)} ${date.toTimeString().slice(0, 8)}`;
}

function canDo(capabilities: NodeReportInput['capabilities']): string {
  const words = capabilities.map(({ name, mediation, granted }) => {
    if (!granted) return `${name} (not granted)`;
    return mediation === 'ask' ? `${name} (asks on the machine)` : name;
  });
  return words.join(' · ') || 'nothing';
}

function recentRun(dispatch: DispatchView): string {
  const time = new Date(dispatch.timings.queuedAt).toTimeString().slice(0, 5);
  const outcome = dispatch.state === 'succeeded' ? 'ok' : dispatch.state;
  const total = dispatch.timings.totalMs;
  return `${time} ${dispatch.capability} ${outcome}${total === null ? '' : ` ${spent(total)}`}`;
}
