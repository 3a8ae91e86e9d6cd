/** Keys while one line is being typed. Enter answers, Escape gives up, everything that can be typed goes into the line: no letter is a command here. */
import type { Key } from '../keys/key-decoder.js';
import type { Step } from './messages.js';
import { notice } from './navigation.js';
import type { Prompt, TuiState } from './state.js';
import { edit, insert, type FieldKey, type TextField } from './text-field.js';

const PIN_DIGITS = 6;

const FIELD_KEYS: Readonly<Record<string, FieldKey>> = {
  ...{ left: 'left', right: 'right', home: 'home', end: 'end', backspace: 'backspace', delete: 'delete' },
  'ctrl-u': 'clear',
};

/** The field after a key that edits it; null for other keys. */
export function typed(field: TextField, key: Key): TextField | null {
  if (key.name === 'text' || key.name === 'paste') return insert(field, key.text);
  const action = FIELD_KEYS[key.name];
  return action === undefined ? null : edit(field, action);
}

export function promptKey(state: TuiState, prompt: Prompt, key: Key): Step {
  if (key.name === 'escape') {
    const filter = prompt.kind === 'filter' ? '' : state.filter;
    return [{ ...state, filter, prompt: null, notice: null }, []];
  }
  if (key.name === 'enter') return answer(state, prompt);
  const field = typed(prompt.field, key);
  if (field === null) return [state, []];
  if (prompt.kind === 'pin') {
    const text = field.text.replace(/\D/g, '').slice(0, PIN_DIGITS);
    const pin = { text, cursor: Math.min(field.cursor, text.length) };
    return [{ ...state, prompt: { ...prompt, field: pin }, notice: null }, []];
  }
  const filter = prompt.kind === 'filter' ? field.text : state.filter;
  return [{ ...state, filter, prompt: { ...prompt, field }, notice: null }, []];
}

function answer(state: TuiState, prompt: Prompt): Step {
  const text = prompt.field.text.trim();
  const closed = { ...state, prompt: null };
  switch (prompt.kind) {
    case 'filter':
      return [closed, []];
    case 'edit':
      return [{ ...closed, naming: text === '' ? null : { request: prompt.request, text } }, []];
    case 'reason':
      return [notice(closed, 'busy', 'Rejecting…'), [{ do: 'reject', id: prompt.request, reason: text }]];
    case 'remove':
      if (prompt.field.text !== prompt.name)
        return [notice(closed, 'error', 'Nothing was removed: the name did not match'), []];
      return [notice(closed, 'busy', `Removing ${prompt.name}…`), [{ do: 'remove', id: prompt.node }]];
    case 'pin':
      return approve(state, prompt, text);
  }
}

/** The prompt stays until the daemon has taken the PIN: a wrong one is typed again in the same place. */
function approve(state: TuiState, prompt: Extract<Prompt, { kind: 'pin' }>, pin: string): Step {
  const request = state.approvals.find(({ id }) => id === prompt.request);
  const needed = request?.pinRequired ?? true;
  if (needed && pin.length < PIN_DIGITS) return [notice(state, 'error', 'A PIN has six digits'), []];
  if (state.notice?.kind === 'busy') return [state, []];
  const naming = state.naming?.request === prompt.request ? state.naming.text : '';
  const kind = request?.kind ?? 'join';
  const effect = { do: 'approve', id: prompt.request, kind, pin: needed ? pin : null, naming } as const;
  return [notice(state, 'busy', 'Approving…'), [effect]];
}
