/**
 * Every device in one list: machines that are paired, whose trust was withdrawn, and that ask to join; each with what concerns it and what can be done now.
 * Decides and changes nothing. Presence is `presence.ts`, as everywhere.
 *
 * To keep it current: read it, follow the events from `position`, and read the row of what an event names again. What only time changes (days left, how long
 * somebody is away) is true at the moment it is read.
 */
import type { RuntimeCore } from './core.js';
import { downMsSince } from './downtime.js';
import { presenceOfRequest } from './presence.js';
import { byCodePoint } from './registry.js';
import { nodePage } from './summaries.js';
import { isRestorable } from './trust.js';
import { toTimestamp } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { NodeRecord, NodeView } from '../base/model.js';
import type { JoinRecord } from '../base/requests.js';

/** `queue`: held until the node is back. */
export type InventoryAction =
  'invoke' | 'queue' | 'wait' | 'rename' | 'label' | 'revoke' | 'restore' | 'remove' | 'approve' | 'reject';

export type WarningCode = 'certificate-expiring' | 'outdated' | 'offline-long' | 'outcome-unknown' | 'identity-copied';

export interface InventoryRow {
  readonly kind: 'node' | 'request';
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly trust: 'paired' | 'revoked' | 'asking';
  readonly presence: NodeView['presence'] | 'asking';
  readonly presenceReason: NodeView['presenceReason'] | 'pin';
  readonly presenceSince: string | null;
  readonly lastSeenAt: string | null;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
  readonly address: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly certificate: NodeView['certificate'];
  /** Ids of requests about this device that wait for a person. */
  readonly approvals: readonly string[];
  readonly capabilities: { readonly announced: number; readonly granted: number; readonly names: readonly string[] };
  readonly queue: NodeView['queue'];
  readonly actions: readonly InventoryAction[];
  readonly warnings: readonly { readonly code: WarningCode; readonly message: string }[];
}

const CERTIFICATE_SOON_DAYS = 14;
const DAY_MS = 86_400_000;
/** A laptop on holiday is away for a week without anything being wrong. */
const OFFLINE_LONG_MS = 7 * DAY_MS;
/** Rows carry lists of names; a full page is well under a megabyte. */
const DEFAULT_ROWS = 200;

export class Inventory {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Sorted by name. Throws REQUEST_INVALID for a cursor that is none. */
  page(page: { readonly cursor?: string | undefined; readonly limit?: number | undefined } = {}): {
    devices: InventoryRow[];
    nextCursor: string | null;
  } {
    const core = this.#core;
    const rows = new Map<string, NodeRecord | JoinRecord>();
    for (const name of core.registry.names) rows.set(`${name}\0`, core.registry.byName(core.tables, name)!);
    for (const request of this.#asking()) rows.set(`${nameOf(request)}\0${request.id}`, request);
    const { names, nextCursor } = nodePage([...rows.keys()].sort(byCodePoint), {
      ...page,
      limit: page.limit ?? DEFAULT_ROWS,
    });
    const unknown = this.#unknownOutcomes();
    const devices = names.map((key) => {
      const row = rows.get(key)!;
      return 'certificates' in row ? this.#node(row, unknown) : this.#request(row);
    });
    return { devices, nextCursor };
  }

  /** One row: a node by name, id or id prefix, or a request by its id. Throws NODE_NOT_FOUND or NODE_AMBIGUOUS. */
  row(nameOrId: string): InventoryRow {
    const { registry, tables } = this.#core;
    const request = this.#asking().find(({ id }) => id === nameOrId);
    if (request !== undefined) return this.#request(request);
    if (nameOrId.startsWith('req_')) throw new PalyraError('NODE_NOT_FOUND', { detail: `"${nameOrId}" does not wait` });
    return this.#node(registry.find(tables, nameOrId), this.#unknownOutcomes());
  }

  #asking(): JoinRecord[] {
    const wall = this.#core.deps.clock.now();
    return [...this.#core.tables.approvals.values()].filter(
      (request): request is JoinRecord =>
        request.kind === 'join' && request.state === 'pending' && request.expiresAt > wall,
    );
  }

  #node(node: NodeRecord, unknown: ReadonlyMap<string, number>): InventoryRow {
    const view = this.#core.nodeView(node);
    const { id, name, hostname, trust, presence, presenceReason, presenceSince, lastSeenAt } = view;
    const { platform, arch, version, address, labels, certificate, queue } = view;
    const wall = this.#core.deps.clock.now();
    const granted = new Set(node.granted);
    return {
      kind: 'node',
      ...{ id, name, hostname, trust, presence, presenceReason, presenceSince, lastSeenAt },
      ...{ platform, arch, version, address, labels, certificate },
      approvals: this.#asking()
        .filter((request) => request.keyFingerprint === node.keyFingerprint || nameOf(request) === node.name)
        .map((request) => request.id),
      capabilities: {
        announced: node.announced.length,
        granted: node.announced.filter((descriptor) => granted.has(descriptor.name)).length,
        names: view.capabilities,
      },
      queue,
      actions: actionsOf(view, isRestorable(node, wall)),
      warnings: this.#warnings(view, unknown.get(node.id) ?? 0),
    };
  }

  #request(request: JoinRecord): InventoryRow {
    const { id, facts, address } = request;
    const { presence, reason, since } = presenceOfRequest(request);
    return {
      kind: 'request',
      ...{ id, name: nameOf(request), hostname: facts.hostname, trust: 'asking', presence, presenceReason: reason },
      ...{ presenceSince: toTimestamp(since), lastSeenAt: null },
      ...{ platform: facts.platform, arch: facts.arch, version: facts.version, address, labels: {} },
      certificate: null,
      approvals: [id],
      capabilities: { announced: facts.capabilities.length, granted: 0, names: [] },
      queue: { waiting: 0, running: 0 },
      actions: ['approve', 'reject'],
      warnings: [],
    };
  }

  #warnings(view: NodeView, unknown: number): InventoryRow['warnings'] {
    if (view.trust === 'revoked') return [];
    const warnings: { code: WarningCode; message: string }[] = [];
    if (view.presence === 'conflict') {
      const from = this.#core.links.get(view.id)?.rival?.address ?? 'another address';
      const message = `another machine at ${from} has a copy of its identity; there: palyra node reset --new-identity`;
      warnings.push({ code: 'identity-copied', message });
    }
    const days = view.certificate?.daysLeft ?? 0;
    if (days < CERTIFICATE_SOON_DAYS) {
      const message = days < 0 ? `the certificate expired ${-days} d ago` : `the certificate ends in ${days} d`;
      warnings.push({ code: 'certificate-expiring', message });
    }
    if (view.outdated) warnings.push({ code: 'outdated', message: `${view.version} is older than the daemon` });
    const wall = this.#core.deps.clock.now();
    if (view.presence === 'offline' && view.presenceSince !== null) {
      const since = Date.parse(view.presenceSince);
      const awayMs = wall - since - downMsSince(this.#core.downtimes(), since, wall);
      if (awayMs >= OFFLINE_LONG_MS) {
        warnings.push({ code: 'offline-long', message: `not seen for ${Math.floor(awayMs / DAY_MS)} d` });
      }
    }
    if (unknown > 0) warnings.push({ code: 'outcome-unknown', message: `${unknown} dispatches may have run` });
    return warnings;
  }

  /** Dispatches by node, among those that are still kept, whose outcome nobody knows. */
  #unknownOutcomes(): Map<string, number> {
    const { tables, mailbox } = this.#core;
    const counts = new Map<string, number>();
    for (const id of mailbox.index.settledOrder) {
      const record = tables.dispatches.get(id)!;
      if (record.state === 'unknown') counts.set(record.nodeId, (counts.get(record.nodeId) ?? 0) + 1);
    }
    return counts;
  }
}

function nameOf({ requestedName, facts }: JoinRecord): string {
  return requestedName ?? facts.hostname;
}

function actionsOf(view: NodeView, restorable: boolean): InventoryAction[] {
  if (view.trust === 'revoked') return ['rename', 'label', ...(restorable ? (['restore'] as const) : []), 'remove'];
  const reachable = view.presence === 'online' || view.presence === 'late' || view.presence === 'conflict';
  const able = view.capabilities.length > 0;
  return [
    ...(able && reachable ? (['invoke'] as const) : []),
    ...(able && view.presence !== 'expired' ? (['queue'] as const) : []),
    ...(['wait', 'rename', 'label', 'revoke', 'remove'] as const),
  ];
}
