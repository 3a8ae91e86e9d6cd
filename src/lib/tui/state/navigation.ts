/** Moving in lists and between screens. Selection is by id, so that rows may come and go. */
import type { NamedKey } from '../keys/key-decoder.js';
import { lockWords } from './rights.js';
import type { Screen, TuiState } from './state.js';

/** As many screens as can be open on top of each other. */
const MAX_BACK = 8;

export type Motion = 'up' | 'down' | 'page-up' | 'page-down' | 'home' | 'end';
const MOTIONS: readonly string[] = ['up', 'down', 'page-up', 'page-down', 'home', 'end'];
const LETTERS: Readonly<Record<string, Motion>> = { k: 'up', j: 'down', g: 'home', G: 'end' };

export function motionOf(key: { name: NamedKey } | { name: 'text' | 'paste'; text: string }): Motion | null {
  if (key.name === 'text') return 'text' in key ? (LETTERS[key.text] ?? null) : null;
  return MOTIONS.includes(key.name) ? (key.name as Motion) : null;
}

/** The index after a motion; -1 in an empty list. */
export function moveIndex(index: number, length: number, motion: Motion, page: number): number {
  if (length === 0) return -1;
  const to = {
    up: index - 1,
    down: index + 1,
    'page-up': index - page,
    'page-down': index + page,
    home: 0,
    end: length - 1,
  }[motion];
  return Math.min(length - 1, Math.max(0, to));
}

export function moveId(ids: readonly string[], current: string | null, motion: Motion, page: number): string | null {
  const index = current === null ? 0 : Math.max(0, ids.indexOf(current));
  return ids[moveIndex(index, ids.length, motion, page)] ?? null;
}

export function open(state: TuiState, screen: Screen): TuiState {
  const back = [...state.back, state.screen].slice(-MAX_BACK);
  return { ...state, screen, back, prompt: null, notice: null };
}

export function leave(state: TuiState): TuiState {
  return { ...state, screen: state.back.at(-1) ?? { kind: 'fleet' }, back: state.back.slice(0, -1), prompt: null };
}

/** A page of a list on this terminal. */
export function pageOf(state: TuiState): number {
  return Math.max(1, state.size.rows - 10);
}

export function notice(state: TuiState, kind: 'done' | 'error' | 'busy', text: string): TuiState {
  return { ...state, notice: { kind, text, at: state.now } };
}

export function lockedNotice(state: TuiState): TuiState {
  return notice(state, 'error', lockWords(state));
}
