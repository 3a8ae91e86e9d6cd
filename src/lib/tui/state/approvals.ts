/** Requests that wait, and the keys that answer them. Approving takes a PIN that is typed, rejecting a reason: neither is one keystroke. */
import type { ApprovalView } from '../../base/requests.js';
import type { Key } from '../keys/key-decoder.js';
import { commonKey } from './fleet-keys.js';
import { pendingOf } from './fleet.js';
import type { Step } from './messages.js';
import { lockedNotice, motionOf, moveId } from './navigation.js';
import type { Prompt, Screen, TuiState } from './state.js';
import { emptyField, fieldOf } from './text-field.js';

/** The request that is selected, or the oldest one. */
export function currentApproval(state: TuiState): ApprovalView | null {
  const pending = pendingOf(state);
  const selected = state.screen.kind === 'approvals' ? state.screen.selected : null;
  return pending.find(({ id }) => id === selected) ?? pending[0] ?? null;
}

export function approvalsKey(state: TuiState, screen: Extract<Screen, { kind: 'approvals' }>, key: Key): Step {
  const request = currentApproval(state);
  const motion = key.name === 'left' || key.name === 'right' ? (key.name === 'left' ? 'up' : 'down') : motionOf(key);
  if (motion !== null) {
    const ids = pendingOf(state).map(({ id }) => id);
    const selected = moveId(ids, request?.id ?? null, motion, 4);
    return [{ ...state, screen: { ...screen, selected }, notice: null }, []];
  }
  if (request !== null) {
    const ask = (prompt: Prompt): Step => {
      if (state.locked) return [lockedNotice(state), []];
      return [{ ...state, screen: { ...screen, selected: request.id }, prompt, notice: null }, []];
    };
    if (key.name === 'enter' || (key.name === 'text' && key.text === 'A'))
      return ask({ kind: 'pin', request: request.id, field: emptyField });
    if (key.name === 'text' && (key.text === 'r' || key.text === 'R'))
      return ask({ kind: 'reason', request: request.id, field: emptyField });
    if (key.name === 'text' && key.text === 'e') {
      const text = state.naming?.request === request.id ? state.naming.text : request.subject.name;
      return ask({ kind: 'edit', request: request.id, field: fieldOf(text) });
    }
  }
  return commonKey(state, key) ?? [state, []];
}
