/**
 * Following one queue by the events: `approvals watch` and `dispatches watch`. First what is in it (a snapshot), then a line for every change; after events
 * were lost, the queue again (a resync). Each line carries the position of its event, so that `--from` goes on after it.
 *
 * The queue is read after its position was known, so nothing falls between the two; a change that the snapshot already shows may be told once more.
 */
import { PalyraError } from '../base/errors.js';
import type { DispatchListing } from '../base/model.js';
import type { ApprovalView } from '../base/requests.js';
import type {
  ControlPlaneClient,
  PublicEvent,
  Ping,
  Resync,
  Snapshot,
  WatchItem,
} from '../client/control-plane-client.js';
import type { PatientRead } from './follow-events.js';

type Envelope<T extends Snapshot | Resync> = Omit<T, 'nodes'>;
type ApprovalEvent = Extract<PublicEvent, { type: 'approval' }>;
type DispatchEvent = Extract<PublicEvent, { type: 'dispatch' }>;

/** Of a question at a machine; once it is over there is no request any more. */
export type MachineQuestionLine = Omit<ApprovalEvent, 'kind'> & {
  readonly kind: 'local';
  readonly request: ApprovalView | null;
};

export type ApprovalsLine =
  | (Envelope<Snapshot> & { readonly requests: readonly ApprovalView[] })
  | (Envelope<Resync> & { readonly requests: readonly ApprovalView[] })
  /** `request` as it is now; null when it is forgotten already. */
  | (ApprovalEvent & { readonly request: ApprovalView | null })
  | MachineQuestionLine
  | Ping;

export type DispatchesLine =
  | (Envelope<Snapshot> & { readonly dispatches: readonly DispatchListing[] })
  | (Envelope<Resync> & { readonly dispatches: readonly DispatchListing[] })
  | DispatchEvent
  | Ping;

export class ApprovalsWatch {
  readonly #client: ControlPlaneClient;
  /** Dispatches whose machine asks somebody, as far as it was told. */
  readonly #atMachines = new Set<string>();

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** Null when it is about something else. */
  async take(item: WatchItem, read: PatientRead): Promise<ApprovalsLine | null> {
    switch (item.type) {
      case 'snapshot':
      case 'resync': {
        const { nodes: _nodes, ...envelope } = item;
        const requests = await read(() => this.#client.listApprovals());
        this.#atMachines.clear();
        for (const { id, kind } of requests) if (kind === 'local') this.#atMachines.add(id);
        return { ...envelope, requests };
      }
      case 'approval':
        return { ...item, request: await read(() => requestOf(this.#client, item.approval)) };
      case 'dispatch':
        return this.#atMachine(item, read);
      case 'ping':
        return item;
      default:
        return null;
    }
  }

  /** The events tell of runs; that one begins or ceases to wait for a person is what the queue has to tell. */
  async #atMachine(event: DispatchEvent, read: PatientRead): Promise<ApprovalsLine | null> {
    const { type: _type, change, dispatch, node, state, id, seq, at, by } = event;
    if (change !== 'state' || state === null) return null;
    const told = {
      type: 'approval',
      id,
      seq,
      at,
      approval: dispatch,
      kind: 'local',
      name: node,
      address: null,
    } as const;
    if (state !== 'awaiting-approval') {
      if (!this.#atMachines.delete(dispatch)) return null;
      return { ...told, change: 'decided', state: endOfQuestion(state), by: null, request: null };
    }
    if (this.#atMachines.has(dispatch)) return null;
    this.#atMachines.add(dispatch);
    const request = await read(() => requestOf(this.#client, dispatch));
    return { ...told, change: 'requested', state: 'pending', by, request };
  }
}

/** What the person said, as far as the run shows it. */
function endOfQuestion(state: string): string {
  if (['running', 'succeeded', 'failed', 'timed-out'].includes(state)) return 'approved';
  if (state === 'denied') return 'rejected';
  return state === 'expired' ? 'expired' : 'withdrawn';
}

async function requestOf(client: ControlPlaneClient, id: string): Promise<ApprovalView | null> {
  try {
    return await client.showApproval(id);
  } catch (error) {
    if (PalyraError.from(error).reason === 'APPROVAL_NOT_FOUND') return null;
    throw error;
  }
}

export interface DispatchSelection {
  /** Id of the node, not its name. */
  readonly nodeId: string | undefined;
  readonly capability: string | undefined;
  /** Comma separated, checked. */
  readonly states: string | undefined;
}

const OPEN = 'queued,delivered,awaiting-approval,running';

export class DispatchWatch {
  readonly #client: ControlPlaneClient;
  readonly #selection: DispatchSelection;
  readonly #states: ReadonlySet<string> | null;
  /** Shown and not over: told once more when they leave the states that were asked for. */
  readonly #shown = new Set<string>();

  constructor(client: ControlPlaneClient, selection: DispatchSelection) {
    this.#client = client;
    this.#selection = selection;
    this.#states = selection.states === undefined ? null : new Set(selection.states.split(','));
  }

  /** Null when it is about something else. */
  async take(item: WatchItem, read: PatientRead): Promise<DispatchesLine | null> {
    switch (item.type) {
      case 'snapshot':
      case 'resync': {
        const { nodes: _nodes, ...envelope } = item;
        const dispatches = await read(() => this.#open());
        this.#shown.clear();
        for (const { id } of dispatches) this.#shown.add(id);
        return { ...envelope, dispatches };
      }
      case 'dispatch':
        return this.#fits(item) ? item : null;
      case 'ping':
        return item;
      default:
        return null;
    }
  }

  #fits({ dispatch, nodeId, capability, state }: DispatchEvent): boolean {
    const wanted = this.#selection;
    const known = this.#shown.has(dispatch);
    if (wanted.nodeId !== undefined && nodeId !== wanted.nodeId) return false;
    // A late result names neither: it belongs to whoever was shown its dispatch, or to those who see everything.
    if (wanted.capability !== undefined && capability !== wanted.capability) return known && capability === null;
    const fits = this.#states === null || (state !== null && this.#states.has(state));
    if (!fits) return this.#shown.delete(dispatch);
    this.#shown.add(dispatch);
    return true;
  }

  /** What is open now, oldest first; of the states that were asked for. */
  async #open(): Promise<DispatchListing[]> {
    const { nodeId, capability } = this.#selection;
    const state = OPEN.split(',')
      .filter((name) => this.#states?.has(name) ?? true)
      .join(',');
    if (state === '') return [];
    const found: DispatchListing[] = [];
    let cursor: string | null = null;
    do {
      const page: { dispatches: DispatchListing[]; nextCursor: string | null } = await this.#client.listDispatches({
        ...{ state, limit: 1000 },
        ...(nodeId === undefined ? {} : { node: nodeId }),
        ...(capability === undefined ? {} : { capability }),
        ...(cursor === null ? {} : { cursor }),
      });
      found.push(...page.dispatches);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found.reverse();
  }
}
