/** `nodes show` for people: what it is, why it is in that state, what it can do, what to try next. */
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
  /** Absent in the answer of an older daemon. */
  readonly pluginFailures?: readonly { readonly name: string; readonly message: string }[];
}

const LABEL_WIDTH = 12;

export function nodeReport(
  { node, capabilities, recentDispatches, pluginFailures = [] }: NodeReportInput,
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
