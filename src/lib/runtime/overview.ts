/**
 * Reads across the fleet: which dispatches there are, open ones included, and which capabilities, on which nodes. Decides and changes nothing.
 *
 * Every answer is bounded: a page has at most 1,000 rows, and a row of a list carries neither input nor output, which may be half a megabyte each.
 */
import type { RuntimeCore } from './core.js';
import { fromCursor, toCursor } from './cursor.js';
import { byCodePoint } from './registry.js';
import { nodePage } from './summaries.js';
import { stateName } from './transitions.js';
import { toDispatchListing } from './views.js';
import { PalyraError } from '../base/errors.js';
import type {
  CapabilityDescriptor,
  CapabilityOffer,
  CapabilitySummary,
  DispatchListing,
  DispatchRecord,
  DispatchStateName,
  NodeView,
} from '../base/model.js';

export interface DispatchQuery {
  /** Name, id or unique prefix; a removed node by its whole id. */
  readonly node?: string | undefined;
  readonly capability?: string | undefined;
  /** Absent: every state. */
  readonly states?: readonly DispatchStateName[] | undefined;
  /** Asked for at or after this wall time, milliseconds. */
  readonly since?: number | undefined;
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

const DEFAULT_DISPATCHES = 100;
const DEFAULT_CAPABILITIES = 100;

export class Overview {
  readonly #core: RuntimeCore;
  /** Descriptors never change; a node that announces something else brings new ones. */
  readonly #texts = new WeakMap<CapabilityDescriptor, string>();

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Newest first: ids sort by the time they were made. Throws NODE_NOT_FOUND, NODE_AMBIGUOUS or REQUEST_INVALID. */
  dispatches(query: DispatchQuery = {}): { dispatches: DispatchListing[]; nextCursor: string | null } {
    const { tables } = this.#core;
    const matches = this.#filter(query);
    const before = query.cursor === undefined ? null : fromCursor(query.cursor);
    const found: DispatchRecord[] = [];
    for (const record of tables.dispatches.values()) {
      if ((before === null || record.id < before) && matches(record)) found.push(record);
    }
    found.sort((a, b) => byCodePoint(b.id, a.id));
    const page = found.slice(0, query.limit ?? DEFAULT_DISPATCHES);
    const last = page.at(-1);
    return {
      dispatches: page.map((record) =>
        toDispatchListing(record, tables.nodes.get(record.nodeId)?.name ?? record.nodeId),
      ),
      nextCursor: last !== undefined && page.length < found.length ? toCursor(last.id) : null,
    };
  }

  /** Runs for which a person at the machine is being asked now, oldest question first. */
  askedAtMachines(): { readonly record: DispatchRecord; readonly node: NodeView }[] {
    const { mailbox, tables } = this.#core;
    return [...mailbox.index.flights.keys()]
      .flatMap((id) => tables.dispatches.get(id) ?? [])
      .filter((record) => stateName(record) === 'awaiting-approval')
      .sort((a, b) => (a.asked?.at ?? a.queuedAt) - (b.asked?.at ?? b.queuedAt))
      .map((record) => ({ record, node: this.#core.nodeView(tables.nodes.get(record.nodeId)!) }));
  }

  /** One row for each descriptor that nodes announce, by name; a page is cut between names. Throws REQUEST_INVALID. */
  capabilities(page: { cursor?: string | undefined; limit?: number | undefined } = {}): {
    capabilities: CapabilitySummary[];
    nextCursor: string | null;
  } {
    const offers = this.#offers();
    const names = [...offers.keys()].sort(byCodePoint);
    const cut = nodePage(names, { ...page, limit: page.limit ?? DEFAULT_CAPABILITIES });
    return {
      capabilities: cut.names
        .flatMap((name) => offers.get(name)!)
        .map(({ inputSchema: _input, outputSchema: _output, ...summary }) => summary),
      nextCursor: cut.nextCursor,
    };
  }

  /** What the fleet understands by a name, with schemas: one entry when all nodes agree. Throws CAPABILITY_NOT_FOUND. */
  capability(name: string): CapabilityOffer[] {
    const offers = this.#offers(name).get(name);
    if (offers !== undefined) return offers;
    throw new PalyraError('CAPABILITY_NOT_FOUND', {
      detail: `no node offers "${name}"`,
      hint: 'See what there is: palyra capabilities list',
      details: { capability: name },
    });
  }

  #filter({ node, capability, states, since }: DispatchQuery): (record: DispatchRecord) => boolean {
    const nodeId = node === undefined ? null : this.#nodeId(node);
    return (record) =>
      (nodeId === null || record.nodeId === nodeId) &&
      (capability === undefined || record.capability === capability) &&
      (since === undefined || record.queuedAt >= since) &&
      (states === undefined || states.includes(stateName(record)));
  }

  /** What ran on a machine is still asked for after the machine was removed. */
  #nodeId(nameOrId: string): string {
    const { registry, tables } = this.#core;
    return tables.nodes.has(nameOrId) ? nameOrId : registry.find(tables, nameOrId).id;
  }

  #offers(only?: string): Map<string, CapabilityOffer[]> {
    const { registry, tables } = this.#core;
    const byText = new Map<string, CapabilityOffer & { nodes: { id: string; name: string; granted: boolean }[] }>();
    for (const nodeName of registry.names) {
      const node = registry.byName(tables, nodeName)!;
      if (node.trust === 'revoked') continue;
      for (const descriptor of node.announced) {
        if (only !== undefined && descriptor.name !== only) continue;
        const text = this.#textOf(descriptor);
        let offer = byText.get(text);
        if (offer === undefined) byText.set(text, (offer = { ...descriptor, nodes: [] }));
        offer.nodes.push({ id: node.id, name: node.name, granted: node.granted.includes(descriptor.name) });
      }
    }
    const byName = new Map<string, CapabilityOffer[]>();
    for (const offer of byText.values()) byName.set(offer.name, [...(byName.get(offer.name) ?? []), offer]);
    return byName;
  }

  #textOf(descriptor: CapabilityDescriptor): string {
    let text = this.#texts.get(descriptor);
    if (text === undefined) this.#texts.set(descriptor, (text = JSON.stringify(descriptor)));
    return text;
  }
}
