/**
 * What the terminal UI knows and shows, as plain data. Only `update` makes a new one; views read it; nothing in it is a promise, a timer or a stream.
 *
 * Always true (test/property/tui.property.test.ts):
 *   1. `order` holds every known node once and nothing else.
 *   2. `selected` is null or a node that is known.
 *   3. Logs are bounded.
 *   4. With `locked`, no effect changes anything at the daemon; without it none that the operator's rights do not allow.
 */
import type { DispatchListing, DispatchView, JsonSchema, NewInviteView, NodeView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import type { InventoryDevice } from '../../client/control-plane-client.js';
import { isLockedForGood, type Who } from './rights.js';
import { emptyField, type TextField } from './text-field.js';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly since: number; readonly why: string };

/** What a capability of a node looks like to somebody who wants to run it. */
export interface Offer {
  readonly name: string;
  readonly summary: string;
  readonly inputSchema: JsonSchema;
  readonly sideEffects: string;
  readonly mediation: string;
  readonly granted: boolean;
}

export interface Detail {
  readonly id: string;
  readonly capabilities: readonly Offer[];
  readonly recent: readonly DispatchView[];
  /** What the inventory says of it: what can be done now, and what is to be looked at. */
  readonly device: Pick<InventoryDevice, 'actions' | 'warnings'>;
}

export const TABS = ['overview', 'health', 'capabilities', 'dispatches', 'logs'] as const;
export type Tab = (typeof TABS)[number];

export type Screen =
  | { readonly kind: 'fleet' }
  | { readonly kind: 'node'; readonly id: string; readonly tab: Tab; readonly scroll: number }
  | { readonly kind: 'approvals'; readonly selected: string | null }
  | {
      readonly kind: 'dispatches';
      /** Null: follows the newest. */
      readonly selected: string | null;
      /** The one that is open, once the daemon has told everything about it. */
      readonly open: DispatchView | null;
      readonly scroll: number;
    }
  | { readonly kind: 'invite'; readonly invite: NewInviteView | null; readonly seen: number }
  | { readonly kind: 'invoke'; readonly node: string; readonly form: InvokeForm }
  | { readonly kind: 'help'; readonly scroll: number };

export interface InvokeField {
  readonly name: string;
  /** `text`, `integer (1 to 9)`, `one of a, b`: for the person. */
  readonly hint: string;
  readonly required: boolean;
  readonly value: TextField;
}

export interface InvokeForm {
  /** `pick` a capability, fill the `fields`, `run`, read the `result`. */
  readonly step: 'pick' | 'fields' | 'running' | 'result';
  readonly picked: number;
  readonly offer: Offer | null;
  readonly fields: readonly InvokeField[];
  readonly focus: number;
  /** The whole input as JSON, from the editor; takes the place of the fields. */
  readonly json: string | null;
  readonly dispatch: DispatchView | null;
  readonly scroll: number;
}

export type Prompt =
  | { readonly kind: 'filter'; readonly field: TextField }
  | { readonly kind: 'pin'; readonly request: string; readonly field: TextField }
  | { readonly kind: 'reason'; readonly request: string; readonly field: TextField }
  | { readonly kind: 'edit'; readonly request: string; readonly field: TextField }
  | { readonly kind: 'remove'; readonly node: string; readonly name: string; readonly field: TextField };

export const SORTS = ['name', 'status', 'seen', 'platform', 'version'] as const;
export type Sort = (typeof SORTS)[number];

/** A sentence for the footer: what was done, or the daemon's own refusal. */
export interface Notice {
  readonly kind: 'done' | 'error' | 'busy';
  readonly text: string;
  readonly at: number;
}

export interface Daemon {
  readonly name: string;
  readonly version: string;
  /** Of another machine: the name of the context, or the address; null for the daemon of this machine. */
  readonly context: string | null;
  /** What a command line needs to reach the same daemon: `--context nas`; nothing when it does so anyway. */
  readonly flags: readonly string[];
}

export interface TuiState {
  readonly now: number;
  readonly size: Size;
  readonly daemon: Daemon;
  readonly who: Who;
  readonly connection: Connection;
  readonly nodes: ReadonlyMap<string, NodeView>;
  /** Ids in the order they are shown, before the filter. */
  readonly order: readonly string[];
  readonly sort: Sort;
  /** When the cursor last moved: the order stays while it is in use. */
  readonly movedAt: number;
  readonly selected: string | null;
  readonly filter: string;
  readonly approvals: readonly ApprovalView[];
  /** Whether requests were listed already: what comes from now on is new. */
  readonly heard: boolean;
  /** Oldest first. */
  readonly dispatches: readonly DispatchListing[];
  readonly detail: Detail | null;
  readonly screen: Screen;
  /** Where Escape leads. */
  readonly back: readonly Screen[];
  readonly prompt: Prompt | null;
  /** What the operator wants to call the machine of a request, until it is answered. */
  readonly naming: { readonly request: string; readonly text: string } | null;
  readonly notice: Notice | null;
  readonly locked: boolean;
  /** `--read-only`: locked for good, as it is for viewers. */
  readonly readOnly: boolean;
}

export interface StartOptions {
  readonly now: number;
  readonly size: Size;
  readonly readOnly: boolean;
  readonly daemon: Daemon;
  readonly who: Who;
}

export const emptyForm: InvokeForm = {
  ...{ step: 'pick', picked: 0, offer: null, fields: [], focus: 0, json: null, dispatch: null, scroll: 0 },
};

export const noField = emptyField;

export function initialState(options: StartOptions): TuiState {
  const { now, size, readOnly, daemon, who } = options;
  return {
    ...{
      now,
      size,
      daemon,
      who,
      readOnly,
      locked: isLockedForGood({ readOnly, who }),
      connection: { state: 'connecting' },
    },
    ...{ nodes: new Map(), order: [], sort: 'name', movedAt: 0, selected: null, filter: '' },
    ...{ approvals: [], heard: false, dispatches: [], detail: null, screen: { kind: 'fleet' }, back: [] },
    ...{ prompt: null, naming: null, notice: null },
  };
}
