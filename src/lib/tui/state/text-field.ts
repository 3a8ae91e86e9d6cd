/** One line of text that is being typed. Positions count graphemes, so that a cursor never stands inside a character. */
import { graphemesOf } from '../../cli/text.js';

export interface TextField {
  readonly text: string;
  /** 0 to the number of graphemes. */
  readonly cursor: number;
}

/** Longer input is cut: it goes to the daemon in one request, and JSON has an editor. */
const MAX_GRAPHEMES = 4096;

export const emptyField: TextField = { text: '', cursor: 0 };

export function fieldOf(text: string): TextField {
  return { text, cursor: graphemesOf(text).length };
}

export function insert(field: TextField, typed: string): TextField {
  const clean = typed.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  const parts = graphemesOf(field.text);
  const text = [...parts.slice(0, field.cursor), clean, ...parts.slice(field.cursor)].join('');
  const all = graphemesOf(text).slice(0, MAX_GRAPHEMES);
  const after = parts.length - field.cursor;
  return { text: all.join(''), cursor: Math.max(0, Math.min(all.length, graphemesOf(text).length - after)) };
}

export type FieldKey = 'left' | 'right' | 'home' | 'end' | 'backspace' | 'delete' | 'clear';

export function edit(field: TextField, key: FieldKey): TextField {
  const parts = graphemesOf(field.text);
  const { cursor } = field;
  switch (key) {
    case 'left':
      return { ...field, cursor: Math.max(0, cursor - 1) };
    case 'right':
      return { ...field, cursor: Math.min(parts.length, cursor + 1) };
    case 'home':
      return { ...field, cursor: 0 };
    case 'end':
      return { ...field, cursor: parts.length };
    case 'clear':
      return emptyField;
    case 'backspace':
      if (cursor === 0) return field;
      return { text: parts.toSpliced(cursor - 1, 1).join(''), cursor: cursor - 1 };
    case 'delete':
      return { text: parts.toSpliced(cursor, 1).join(''), cursor };
  }
}
