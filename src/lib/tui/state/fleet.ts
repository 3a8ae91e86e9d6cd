/**
 * The machines in the state: what events do to them, in which order they stand and which of them the filter lets through.
 * The order does not jump under the cursor: while it was moved less than two seconds ago, machines keep their places and new ones come last.
 */
import type { NodeView } from '../../base/model.js';
import { labelsOf, statusOf } from '../../cli/node-columns.js';
import type { NodeEvent } from '../../client/control-plane-client.js';
import { mayAnswer } from './rights.js';
import type { Sort, TuiState } from './state.js';

export const REST_MS = 2000;

/** The fleet as it is now takes the place of what was known. */
export function replaceNodes(state: TuiState, nodes: readonly NodeView[]): TuiState {
  return arranged({ ...state, nodes: new Map(nodes.map((node) => [node.id, node])) });
}

export function applyNodeEvents(state: TuiState, events: readonly NodeEvent[]): TuiState {
  if (events.length === 0) return state;
  const nodes = new Map(state.nodes);
  for (const { change, node } of events) {
    if (change === 'removed') nodes.delete(node.id);
    else nodes.set(node.id, node);
  }
  return arranged({ ...state, nodes });
}

/** Brings `order` and `selected` in line with the nodes; sorts when the cursor rests. */
export function arranged(state: TuiState): TuiState {
  const rests = state.now - state.movedAt >= REST_MS;
  const order = rests ? sorted(state.nodes, state.sort) : keptOrder(state);
  return { ...state, order: same(order, state.order) ? state.order : order, selected: stillSelected(state, order) };
}

/** Sorted at once: the operator asked for it. */
export function resorted(state: TuiState): TuiState {
  return { ...state, order: sorted(state.nodes, state.sort) };
}

function keptOrder({ nodes, order, sort }: TuiState): readonly string[] {
  const known = order.filter((id) => nodes.has(id));
  const placed = new Set(known);
  if (placed.size === nodes.size) return known;
  return [...known, ...sorted(nodes, sort).filter((id) => !placed.has(id))];
}

/** The node that is selected; when it is gone, the one that took its place. */
function stillSelected(state: TuiState, order: readonly string[]): string | null {
  const { selected, nodes } = state;
  if (selected === null) return null;
  if (nodes.has(selected)) return selected;
  const at = Math.max(0, state.order.indexOf(selected));
  return order[Math.min(at, order.length - 1)] ?? null;
}

const PRESENCE_ORDER: readonly string[] = ['conflict', 'online', 'late', 'offline', 'never-seen', 'expired', 'revoked'];
const collator = new Intl.Collator('en', { numeric: true });

const COMPARE: Readonly<Record<Sort, (a: NodeView, b: NodeView) => number>> = {
  name: () => 0,
  status: (a, b) => PRESENCE_ORDER.indexOf(a.presence) - PRESENCE_ORDER.indexOf(b.presence),
  seen: (a, b) => (b.lastSeenAt ?? '').localeCompare(a.lastSeenAt ?? ''),
  platform: (a, b) => collator.compare(`${a.platform}/${a.arch}`, `${b.platform}/${b.arch}`),
  version: (a, b) => collator.compare(a.version, b.version),
};

function sorted(nodes: ReadonlyMap<string, NodeView>, sort: Sort): readonly string[] {
  return [...nodes.values()]
    .sort((a, b) => COMPARE[sort](a, b) || collator.compare(a.name, b.name) || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

/** Nodes in the order of the screen that the filter lets through. */
export function shownNodes(state: TuiState): readonly NodeView[] {
  const passes = filterOf(state.filter);
  return state.order.flatMap((id) => {
    const node = state.nodes.get(id);
    return node !== undefined && passes(node) ? [node] : [];
  });
}

/** The selected row, or the first one that is shown. */
export function currentNode(state: TuiState): NodeView | null {
  const shown = shownNodes(state);
  return shown.find(({ id }) => id === state.selected) ?? shown[0] ?? null;
}

/** Words, all of which must fit: part of a name, `label:site=lab`, `status:online`. */
export function filterOf(text: string): (node: NodeView) => boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (node) =>
    words.every((word) => {
      if (word.startsWith('status:')) return statusOf(node).toLowerCase().includes(word.slice('status:'.length));
      if (word.startsWith('label:'))
        return labelsOf(node.labels)
          .toLowerCase()
          .split(',')
          .some((label) => label.startsWith(word.slice('label:'.length)));
      return node.name.toLowerCase().includes(word);
    });
}

export function summaryOf(state: TuiState): { total: number; online: number; waiting: number } {
  let online = 0;
  for (const node of state.nodes.values()) if (node.presence === 'online' || node.presence === 'late') online++;
  return { total: state.nodes.size, online, waiting: pendingOf(state).length };
}

/** Requests that this operator may answer now. */
export function pendingOf({ approvals, who }: TuiState) {
  return approvals.filter((request) => request.state === 'pending' && mayAnswer(who, request));
}

/** Those that others answer, and those that nobody here understands: to be seen only. */
export function elsewhereOf({ approvals, who }: TuiState) {
  return approvals.filter(
    (request) => request.kind !== 'local' && request.state === 'pending' && !mayAnswer(who, request),
  );
}

/** Machines that ask to join, whoever answers them. */
export function askingOf({ approvals }: TuiState) {
  return approvals.filter(({ kind, state }) => kind === 'join' && state === 'pending');
}

/** Questions that the person at a machine is asked, and answers there. */
export function askedThere({ approvals, now }: TuiState) {
  return approvals.filter(({ kind, expiresAt }) => kind === 'local' && Date.parse(expiresAt) > now);
}
