/** What the screens share: columns, lists that scroll, rules with a title, the words for times. All of it pure. */
import { shortDuration } from '../../cli/durations.js';
import { cells, cutLine, fit, line, seg, type Line, type Segment, type Style } from './segments.js';

export interface Frame {
  /** At most one line less than the terminal has rows, each at most as wide as the terminal. */
  readonly lines: readonly Line[];
  /** Where the next character will be typed; null when nothing is typed. Zero-based cells. */
  readonly cursor: { readonly row: number; readonly column: number } | null;
}

export interface Body {
  readonly lines: readonly Line[];
  readonly cursor?: Frame['cursor'];
}

/** Followed by the scope. */
export const NOT_SEEN = 'These are not shown: the token lacks the scope';

export const DIM: Style = { dim: true };

export function rule(width: number, title = ''): Line {
  const head = title === '' ? '' : `─ ${title} `;
  return [seg((head + '─'.repeat(Math.max(0, width - cells(head)))).slice(0, Math.max(width, 0)), DIM)];
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** One row of a table: each cell exactly as wide as its column. `over` is laid over the styles of the cells (dimmed, selected). */
export function row(marker: string, values: readonly Cell[], widths: readonly number[], over: Style = {}): Line {
  const parts: Segment[] = [seg(marker, over)];
  values.forEach(({ text, style = {} }, index) => {
    const width = widths[index] ?? 0;
    parts.push(seg(`${fit(text, Math.max(0, width - 1))} `, { ...style, ...over }));
  });
  return parts;
}

/** The first row that is drawn so that `index` is among `height` of `length` rows, in the middle where there is room. */
export function windowStart(index: number, length: number, height: number): number {
  if (length <= height) return 0;
  return Math.min(Math.max(0, index - Math.floor(height / 2)), length - height);
}

/** A part of a long text, and where in it one is. */
export function scrolledText(rows: readonly Line[], scroll: number, height: number): readonly Line[] {
  if (height <= 0) return [];
  if (rows.length <= height) return rows;
  const top = Math.min(scroll, rows.length - height + 1);
  const shown = rows.slice(top, top + height - 1);
  return [...shown, line(seg(`   ${top + 1}–${top + shown.length} of ${rows.length} lines`, DIM))];
}

export function cutAll(rows: readonly Line[], width: number): readonly Line[] {
  return rows.map((one) => cutLine(one, width));
}

const two = (value: number) => String(value).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `04:46:17`, local. */
export function clockTime(timestamp: string): string {
  const at = new Date(timestamp);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `19 Nov 01:42`, local. */
export function dayTime(timestamp: string): string {
  const at = new Date(timestamp);
  return `${at.getDate()} ${MONTHS[at.getMonth()] ?? ''} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function ageOf(timestamp: string | null, now: number): string {
  return timestamp === null ? '—' : shortDuration(Math.max(0, now - Date.parse(timestamp)));
}

/** As many of the hints as fit; those at the end come first, because they lead out. */
export function hints(words: readonly string[], width: number): Line {
  const kept: string[] = [];
  let left = width - 1;
  for (const word of [...words.slice(-2), ...words.slice(0, -2)]) {
    left -= cells(word) + 2;
    if (left < -2) break;
    kept.push(word);
  }
  return line(seg(` ${words.filter((word) => kept.includes(word)).join('  ')}`, DIM));
}
