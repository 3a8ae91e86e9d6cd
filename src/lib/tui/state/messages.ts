/** What can happen to the terminal UI, and what it may ask for in return. Both are plain data; `update` turns the one into the other. */
import type { DispatchListing, DispatchView, InviteView, JsonValue, NewInviteView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import type { WatchItem } from '../../client/control-plane-client.js';
import type { Key } from '../keys/key-decoder.js';
import type { Who } from './rights.js';
import type { Detail, Size, TuiState } from './state.js';

export type Message =
  | { readonly type: 'watch'; readonly items: readonly WatchItem[] }
  | { readonly type: 'connection'; readonly lost: string | null }
  | { readonly type: 'session'; readonly version: string; readonly who: Who }
  | { readonly type: 'approvals'; readonly requests: readonly ApprovalView[] }
  | { readonly type: 'dispatches'; readonly dispatches: readonly DispatchListing[] }
  | { readonly type: 'detail'; readonly detail: Detail }
  | { readonly type: 'dispatch'; readonly dispatch: DispatchView; readonly purpose: 'run' | 'show' }
  | { readonly type: 'run-failed'; readonly text: string }
  | { readonly type: 'invite'; readonly invite: NewInviteView }
  | { readonly type: 'invite-changed'; readonly invite: InviteView }
  | { readonly type: 'approved'; readonly request: string; readonly text: string }
  | { readonly type: 'pin-refused'; readonly request: string; readonly text: string }
  | { readonly type: 'done'; readonly text: string }
  | { readonly type: 'failed'; readonly text: string }
  | { readonly type: 'edited'; readonly text: string | null }
  | { readonly type: 'key'; readonly key: Key }
  | { readonly type: 'resize'; readonly size: Size }
  | { readonly type: 'tick' };

export type Effect =
  | { readonly do: 'load'; readonly what: 'session' | 'approvals' | 'dispatches' }
  | { readonly do: 'load-detail'; readonly id: string }
  | { readonly do: 'show-dispatch'; readonly id: string }
  | {
      readonly do: 'approve';
      readonly id: string;
      readonly kind: string;
      readonly pin: string | null;
      /** Of a machine its name and labels, of a login whom it is logged in as. */
      readonly naming: string;
    }
  | { readonly do: 'reject'; readonly id: string; readonly reason: string }
  | { readonly do: 'remove'; readonly id: string }
  | { readonly do: 'invite' }
  | { readonly do: 'show-invite'; readonly id: string }
  | { readonly do: 'run'; readonly node: string; readonly capability: string; readonly input: JsonValue }
  | { readonly do: 'edit'; readonly text: string }
  | { readonly do: 'copy'; readonly text: string }
  | { readonly do: 'bell' }
  | { readonly do: 'suspend' }
  | { readonly do: 'repaint' }
  | { readonly do: 'quit' };

/** Those that change something at the daemon; none of them leaves a locked screen. */
export const CHANGING: ReadonlySet<Effect['do']> = new Set(['approve', 'reject', 'remove', 'invite', 'run']);

export type Step = readonly [state: TuiState, effects: readonly Effect[]];
