/** Which nodes of a list are meant, and in which order. */
import { PalyraError } from '../base/errors.js';
import type { NodeView, Presence } from '../base/model.js';
import { statusOf } from './node-columns.js';

const PRESENCES: readonly Presence[] = ['online', 'late', 'offline', 'never-seen', 'revoked', 'expired', 'conflict'];
const STATUSES: readonly string[] = [...PRESENCES, 'asking'];
export const SORT_KEYS = ['name', 'seen', 'status', 'version'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface NodeSelection {
  /** Presences, comma separated. */
  readonly status?: string | undefined;
  /** `k=v`, `k!=v`, comma separated; all must hold. */
  readonly labels?: string | undefined;
  readonly capability?: string | undefined;
}

/** Throws USAGE_INVALID for a selection that cannot be read. */
export function selectNodes(nodes: readonly NodeView[], selection: NodeSelection): NodeView[] {
  const presences = parsePresences(selection.status);
  const matchesLabels = parseSelector(selection.labels);
  const { capability } = selection;
  return nodes.filter(
    (node) =>
      (presences === null || presences.includes(node.presence)) &&
      matchesLabels(node.labels) &&
      (capability === undefined || node.capabilities.includes(capability)),
  );
}

/** Whether machines that ask to join are meant too: they have no labels and can do nothing yet. Throws USAGE_INVALID. */
export function meansAsking({ status, labels, capability }: NodeSelection): boolean {
  if (labels !== undefined || capability !== undefined) return false;
  return parsePresences(status)?.includes('asking') ?? true;
}

export function sortNodes(nodes: readonly NodeView[], key: SortKey): NodeView[] {
  const byName = (a: NodeView, b: NodeView) => a.name.localeCompare(b.name, 'en');
  const seen = (node: NodeView) => (node.lastSeenAt === null ? 0 : Date.parse(node.lastSeenAt));
  const orders: Record<SortKey, (a: NodeView, b: NodeView) => number> = {
    name: byName,
    seen: (a, b) => seen(b) - seen(a),
    status: (a, b) =>
      PRESENCES.indexOf(a.presence) - PRESENCES.indexOf(b.presence) || statusOf(a).localeCompare(statusOf(b), 'en'),
    version: (a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }),
  };
  return [...nodes].sort((a, b) => orders[key](a, b) || byName(a, b));
}

function parsePresences(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const words = text.split(',').map((word) => word.trim().replace(' ', '-'));
  const unknown = words.find((word) => !STATUSES.includes(word));
  if (unknown !== undefined) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `"${unknown}" is not a status; they are ${STATUSES.join(', ')}`,
    });
  }
  return words;
}

function parseSelector(text: string | undefined): (labels: Readonly<Record<string, string>>) => boolean {
  if (text === undefined) return () => true;
  const terms = text.split(',').map((term) => {
    const match = /^([^=!]+)(!?=)(.*)$/.exec(term.trim());
    const [, name = '', operator, value = ''] = match ?? [];
    if (match === null)
      throw new PalyraError('USAGE_INVALID', { detail: `"${term}" is not a selector; write k=v or k!=v` });
    return { name, equal: operator === '=', value };
  });
  return (labels) =>
    terms.every(
      ({ name, equal, value }) => ((Object.hasOwn(labels, name) ? labels[name] : undefined) === value) === equal,
    );
}
