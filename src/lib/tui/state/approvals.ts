/** Requests that wait, and the keys that answer them. Approving takes a PIN that is typed, rejecting a reason: neither is one keystroke. */
import type { ApprovalView } from '../../base/requests.js';
import type { Key } from '../keys/key-decoder.js';
import { commonKey } from './fleet-keys.js';
import { elsewhereOf, pendingOf } from './fleet.js';
import type { Step } from './messages.js';
import { lockedNotice, motionOf, moveId, notice } from './navigation.js';
import { answerRefusal, maySayWhom } from './rights.js';
import type { Prompt, Screen, TuiState } from './state.js';
import { emptyField, fieldOf } from './text-field.js';

/** Those this operator answers first, the others after them. */
export function shownApprovals(state: TuiState): readonly ApprovalView[] {
  return [...pendingOf(state), ...elsewhereOf(state)];
}

/** The request that is selected, or the oldest one. */
export function currentApproval(state: TuiState): ApprovalView | null {
  const shown = shownApprovals(state);
  const selected = state.screen.kind === 'approvals' ? state.screen.selected : null;
  return shown.find(({ id }) => id === selected) ?? shown[0] ?? null;
}

/** Whether who approves has something to say about it: the name and labels of a machine, whom a program is logged in as. */
export function isNameable({ who }: TuiState, request: ApprovalView): boolean {
  return request.kind === 'join' || maySayWhom(who, request);
}

export function approvalsKey(state: TuiState, screen: Extract<Screen, { kind: 'approvals' }>, key: Key): Step {
  const request = currentApproval(state);
  const motion = key.name === 'left' || key.name === 'right' ? (key.name === 'left' ? 'up' : 'down') : motionOf(key);
  if (motion !== null) {
    const ids = shownApprovals(state).map(({ id }) => id);
    const selected = moveId(ids, request?.id ?? null, motion, 4);
    return [{ ...state, screen: { ...screen, selected }, notice: null }, []];
  }
  if (request !== null) {
    const ask = (prompt: Prompt): Step => {
      if (state.locked) return [lockedNotice(state), []];
      const refusal = answerRefusal(state.who, request, prompt.kind === 'reason' ? 'reject' : 'approve');
      if (refusal !== null) return [notice(state, 'error', refusal), []];
      return [{ ...state, screen: { ...screen, selected: request.id }, prompt, notice: null }, []];
    };
    if (key.name === 'enter' || (key.name === 'text' && key.text === 'A'))
      return ask({ kind: 'pin', request: request.id, field: emptyField });
    if (key.name === 'text' && (key.text === 'r' || key.text === 'R'))
      return ask({ kind: 'reason', request: request.id, field: emptyField });
    if (key.name === 'text' && key.text === 'e' && isNameable(state, request)) {
      const proposed = request.kind === 'join' ? request.subject.name : '';
      const text = state.naming?.request === request.id ? state.naming.text : proposed;
      return ask({ kind: 'edit', request: request.id, field: fieldOf(text) });
    }
  }
  return commonKey(state, key) ?? [state, []];
}
