/** Keys of the invoke form, of the log of dispatches, of the invite and of the help. */
import { PalyraError } from '../../base/errors.js';
import { messageOf } from '../../cli/output.js';
import type { Key } from '../keys/key-decoder.js';
import { currentDispatch } from './dispatch-selection.js';
import { commonKey, refusalToRun } from './fleet-keys.js';
import { formFor, inputOf, pairsOf } from './invoke-form.js';
import { inputFromPairs } from '../../cli/invoke-input.js';
import type { Step } from './messages.js';
import { leave, motionOf, moveId, moveIndex, notice, pageOf } from './navigation.js';
import { typed } from './prompt-keys.js';
import type { InvokeForm, Screen, TuiState } from './state.js';

type On<K extends Screen['kind']> = Extract<Screen, { kind: K }>;

export function invokeKey(state: TuiState, screen: On<'invoke'>, key: Key): Step {
  const { form } = screen;
  const to = (next: Partial<InvokeForm>, from = state): TuiState => ({
    ...from,
    screen: { ...screen, form: { ...form, ...next } },
  });
  if (form.step === 'pick') return pickKey(state, screen, key, to);
  if (form.step === 'fields') return fieldsKey(state, screen, key, to);
  if (key.name === 'escape' && form.step === 'result') return [to({ step: 'fields', dispatch: null, scroll: 0 }), []];
  if (key.name === 'enter' && form.step === 'result') return run(state, screen, to);
  const motion = motionOf(key);
  if (motion !== null) return [to({ scroll: scrolled(form.scroll, motion, state) }), []];
  return commonKey(state, key) ?? [state, []];
}

type Change = (next: Partial<InvokeForm>, from?: TuiState) => TuiState;

function pickKey(state: TuiState, { node, form }: On<'invoke'>, key: Key, to: Change): Step {
  const offers = state.detail?.id === node ? state.detail.capabilities : [];
  const motion = motionOf(key);
  if (motion !== null) return [to({ picked: Math.max(0, moveIndex(form.picked, offers.length, motion, 8)) }), []];
  if (key.name === 'enter' || key.name === 'right') {
    const offer = offers[Math.min(form.picked, offers.length - 1)];
    if (offer === undefined) return [state, []];
    return [to(formFor(form, offer), { ...state, notice: null }), []];
  }
  return commonKey(state, key) ?? [state, []];
}

function fieldsKey(state: TuiState, screen: On<'invoke'>, key: Key, to: Change): Step {
  const { form } = screen;
  if (key.name === 'escape') return [to({ step: 'pick', json: null }), []];
  if (key.name === 'enter') return run(state, screen, to);
  if (key.name === 'ctrl-e') return [state, [{ do: 'edit', text: form.json ?? draftOf(form) }]];
  if (form.json !== null || form.fields.length === 0)
    return key.name === 'text' && key.text === 'q' ? [state, [{ do: 'quit' }]] : [state, []];
  const step = { up: -1, 'back-tab': -1, down: 1, tab: 1 }[key.name as string];
  if (step !== undefined) return [to({ focus: (form.focus + step + form.fields.length) % form.fields.length }), []];
  const current = form.fields[form.focus];
  const value = current === undefined ? null : typed(current.value, key);
  if (current === undefined || value === null) return [state, []];
  const fields = form.fields.with(form.focus, { ...current, value });
  return [to({ fields }, { ...state, notice: null }), []];
}

/** What the editor begins with: the fields as far as they can be read. */
function draftOf(form: InvokeForm): string {
  try {
    return `${JSON.stringify(inputFromPairs(pairsOf(form), form.offer?.inputSchema ?? null), null, 2)}\n`;
  } catch {
    return '{}\n';
  }
}

function run(state: TuiState, { node, form }: On<'invoke'>, to: Change): Step {
  const refusal = refusalToRun(state, node);
  if (refusal !== null) return [notice(state, 'error', refusal), []];
  if (form.offer === null) return [state, []];
  try {
    const input = inputOf(form);
    const next = to({ step: 'running', dispatch: null, scroll: 0 }, { ...state, notice: null });
    return [next, [{ do: 'run', node, capability: form.offer.name, input }]];
  } catch (error) {
    const text =
      error instanceof SyntaxError ? `This is not JSON: ${error.message}` : messageOf(PalyraError.from(error));
    return [notice(state, 'error', text), []];
  }
}

export function dispatchesKey(state: TuiState, screen: On<'dispatches'>, key: Key): Step {
  const to = (next: Partial<On<'dispatches'>>): TuiState => ({
    ...state,
    screen: { ...screen, ...next },
    notice: null,
  });
  const motion = motionOf(key);
  if (screen.open !== null) {
    if (key.name === 'escape' || key.name === 'left') return [to({ open: null, scroll: 0 }), []];
    if (motion !== null) return [to({ scroll: scrolled(screen.scroll, motion, state) }), []];
    return commonKey(state, key) ?? [state, []];
  }
  const current = currentDispatch(state);
  if (motion !== null) {
    const ids = state.dispatches.map(({ id }) => id);
    const selected = moveId(ids, current?.id ?? null, motion, pageOf(state));
    // At the newest it follows again.
    return [to({ selected: selected === ids.at(-1) ? null : selected }), []];
  }
  if (key.name === 'enter' || key.name === 'right') {
    if (current === null) return [state, []];
    return [to({ selected: current.id }), [{ do: 'show-dispatch', id: current.id }]];
  }
  return commonKey(state, key) ?? [state, []];
}

export function inviteKey(state: TuiState, key: Key): Step {
  if (key.name === 'enter') return [leave(state), []];
  return commonKey(state, key) ?? [state, []];
}

export function helpKey(state: TuiState, screen: On<'help'>, key: Key): Step {
  const motion = motionOf(key);
  if (motion !== null) return [{ ...state, screen: { ...screen, scroll: scrolled(screen.scroll, motion, state) } }, []];
  return commonKey(state, key) ?? [state, []];
}

/** Views end the scrolling where their text ends. */
const MAX_SCROLL = 10_000;
function scrolled(scroll: number, motion: Parameters<typeof moveIndex>[2], state: TuiState): number {
  return Math.max(0, moveIndex(scroll, MAX_SCROLL, motion === 'end' ? 'page-down' : motion, pageOf(state)));
}
