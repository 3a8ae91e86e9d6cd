/**
 * Which nodes a run is meant for: the one that was named, or those of a selector (`-l`), or all. The selector means what it means in `nodes list`.
 * Nodes whose trust was withdrawn are never meant by a selector: nothing can be run there.
 *
 * `key=value` pairs are typed by what each node itself announces, so that one command line fits nodes of different ages.
 */
import { PalyraError } from '../base/errors.js';
import type { CapabilityDescriptor, JsonSchema, JsonValue, NodeView } from '../base/model.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { inputFromPairs, inputFromText } from './invoke-input.js';
import { selectNodes } from './node-selection.js';

export type OfferedCapability = Pick<CapabilityDescriptor, 'name' | 'mediation' | 'sideEffects'> & {
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly granted: boolean;
};

export interface RunTarget {
  readonly node: NodeView;
  /** What the node announces under the name; null when it does not. */
  readonly offer: OfferedCapability | null;
}

export interface RunSelection {
  readonly node: string | undefined;
  readonly labels: string | undefined;
  readonly all: boolean;
}

/** The words of `nodes invoke`: the node comes first only when no selector says which nodes are meant. Throws USAGE_INVALID. */
export function readRunWords(
  words: readonly string[],
  selection: Pick<RunSelection, 'labels' | 'all'>,
): { readonly node: string | undefined; readonly capability: string; readonly pairs: readonly string[] } {
  const many = selection.labels !== undefined || selection.all;
  if (selection.labels !== undefined && selection.all) {
    throw new PalyraError('USAGE_INVALID', { detail: 'give either --label or --all, not both' });
  }
  const [node, capability] = many ? [undefined, words[0]] : words;
  const missing = [
    ...(many || node !== undefined ? [] : ['<node>']),
    ...(capability === undefined ? ['<capability>'] : []),
  ];
  if (capability === undefined || missing.length > 0) {
    throw new PalyraError('USAGE_INVALID', { detail: `missing ${missing.join(' ')}` });
  }
  return { node, capability, pairs: words.slice(many ? 1 : 2) };
}

/** Sorted by name. Throws NODE_NOT_FOUND when nobody is meant, and what finding a single node throws. */
export async function findTargets(
  client: ControlPlaneClient,
  selection: RunSelection,
  capability: string,
): Promise<RunTarget[]> {
  if (selection.node !== undefined) {
    const { node, capabilities } = await client.showNode(selection.node);
    const found = capabilities.find(({ name }) => name === capability);
    return [{ node, offer: found ?? null }];
  }
  const { nodes } = await client.listNodes();
  const meant = selectNodes(nodes, { labels: selection.labels }).filter(({ trust }) => trust === 'paired');
  if (meant.length === 0) {
    throw new PalyraError('NODE_NOT_FOUND', {
      detail: selection.labels === undefined ? 'there are no nodes yet' : `no node has the labels ${selection.labels}`,
      hint: 'See the labels: palyra nodes list',
    });
  }
  const offers = await offersOf(client, capability);
  return meant
    .map((node) => ({ node, offer: offers.get(node.id) ?? null }))
    .sort((a, b) => a.node.name.localeCompare(b.node.name, 'en'));
}

/** The input of each node. What is read from a file or stdin is read once. Throws USAGE_INVALID and INPUT_TOO_LARGE. */
export async function readInputs(
  pairs: readonly string[],
  text: string | undefined,
): Promise<(schema: JsonSchema | null) => JsonValue> {
  if (text === undefined) return (schema) => (pairs.length === 0 ? {} : inputFromPairs(pairs, schema));
  if (pairs.length > 0)
    throw new PalyraError('USAGE_INVALID', { detail: 'give either --input or key=value, not both' });
  const input = await inputFromText(text);
  return () => input;
}

async function offersOf(client: ControlPlaneClient, capability: string): Promise<Map<string, OfferedCapability>> {
  try {
    const offers = await client.showCapability(capability);
    return new Map(
      offers.flatMap((offer) => offer.nodes.map(({ id, granted }) => [id, { ...offer, granted }] as const)),
    );
  } catch (error) {
    if (PalyraError.from(error).reason !== 'CAPABILITY_NOT_FOUND') throw error;
    return new Map();
  }
}
