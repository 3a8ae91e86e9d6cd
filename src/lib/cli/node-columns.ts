/** How a node looks in a table. The words of STATUS are the same wherever a node is shown. */
import { PalyraError } from '../base/errors.js';
import type { NodeView } from '../base/model.js';
import { shortDuration } from './durations.js';
import type { Column } from './table.js';

const NOTHING = '—';

/** `online`, `late`, `offline (stopped)`, `offline (lost)`, `never seen`, `revoked`, `expired`, `conflict`. */
export function statusOf(node: Pick<NodeView, 'presence' | 'presenceReason'>): string {
  if (node.presence === 'never-seen') return 'never seen';
  return node.presenceReason === null ? node.presence : `${node.presence} (${node.presenceReason})`;
}

/** Whether it is connected, alone or beside a copy of itself. */
export function isHere({ presence }: Pick<NodeView, 'presence'>): boolean {
  return presence === 'online' || presence === 'late' || presence === 'conflict';
}

export function labelsOf(labels: Readonly<Record<string, string>>): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name}=${labels[name] ?? ''}`)
    .join(',');
}

const orDash = (text: string | null) => (text === null || text === '' ? NOTHING : text);

export function tableColumns(now: number, options: { wide: boolean }): Column<NodeView>[] {
  const narrow: Column<NodeView>[] = [
    { header: 'NAME', value: (node) => node.name },
    { header: 'STATUS', value: statusOf },
    {
      header: 'SEEN',
      value: (node) => (node.lastSeenAt === null ? NOTHING : shortDuration(now - Date.parse(node.lastSeenAt))),
    },
    { header: 'PLATFORM', value: (node) => `${node.platform}/${node.arch}` },
    { header: 'VERSION', value: (node) => `${node.version}${node.outdated ? ' ↑' : ''}` },
    { header: 'LABELS', value: (node) => orDash(labelsOf(node.labels)) },
  ];
  if (!options.wide) return narrow;
  return [
    ...narrow,
    { header: 'ID', value: (node) => node.id },
    { header: 'ADDRESS', value: (node) => orDash(node.address) },
    { header: 'TRANSPORT', value: (node) => orDash(node.transport) },
    { header: 'CERT', value: (node) => (node.certificate === null ? NOTHING : `${node.certificate.daysLeft} d`) },
    { header: 'CAPABILITIES', value: (node) => orDash(node.capabilities.join(',')) },
    { header: 'PURPOSE', value: (node) => orDash(node.purpose) },
    {
      header: 'GOES AFTER',
      // Of an older daemon it is absent.
      value: ({ ephemeralMs }) => (typeof ephemeralMs === 'number' ? shortDuration(ephemeralMs) : NOTHING),
    },
    { header: 'QUEUE', value: (node) => `${node.queue.waiting + node.queue.running}` },
  ];
}

/** Stable columns for scripts: raw values, `-` for nothing. */
export const PLAIN_FIELDS: readonly string[] = [
  'name',
  'presence',
  'lastSeenAt',
  'platform',
  'arch',
  'version',
  'age',
  'labels',
];

/** Any field of the JSON form by name, `certificate.daysLeft` included. Throws USAGE_INVALID for a name that no node has. */
export function fieldColumns(fields: readonly string[]): Column<NodeView>[] {
  return fields.map((field) => ({ header: field, value: (node) => fieldText(node, field) }));
}

function fieldText(node: NodeView, field: string): string {
  if (field === 'age') return node.outdated ? 'outdated' : 'current';
  if (field === 'labels') return labelsOf(node.labels) || '-';
  let value: unknown = node;
  for (const part of field.split('.')) {
    if (value === null) break;
    if (typeof value !== 'object' || !Object.hasOwn(value, part)) {
      throw new PalyraError('USAGE_INVALID', {
        detail: `a node has no field "${field}"; it has ${Object.keys(node).join(', ')}`,
      });
    }
    value = (value as Record<string, unknown>)[part];
  }
  if (value === null || value === '') return '-';
  if (Array.isArray(value)) return value.join(',') || '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
