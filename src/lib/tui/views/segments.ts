/**
 * Lines of a frame as data: segments with a style each, measured in terminal cells, so that a frame can be compared, tested and drawn without a terminal.
 * Invariants: a segment holds no control character; `fit` gives exactly the cells it was asked for, whatever the width of the characters.
 *
 * Widths are those of the library that lays the lines out, so that both agree about East Asian and emoji characters.
 */
import stringWidth from 'string-width';
import { graphemesOf, printable } from '../../cli/text.js';

export type Colour = 'red' | 'green' | 'yellow' | 'cyan';

export interface Style {
  /** One of the sixteen basic colours: themes may bend them. */
  readonly colour?: Colour;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly inverse?: boolean;
}

export interface Segment {
  readonly text: string;
  readonly style: Style;
  /** The text carries its own colours, which are data (a QR code): drawn as it is, with and without colour. */
  readonly width?: number;
}

export type Line = readonly Segment[];

const CODES: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, cyan: 36 };

export const cells = (text: string): number => (/^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text));

export function seg(text: string, style: Style = {}): Segment {
  return { text: printable(text), style };
}

/** A segment with colours of its own; `width` is what it takes on the screen. */
export function coloured(text: string, width: number): Segment {
  return { text, style: {}, width };
}

export function line(...parts: readonly (string | Segment)[]): Line {
  return parts.map((part) => (typeof part === 'string' ? seg(part) : part));
}

export function widthOf(row: Line): number {
  return row.reduce((sum, part) => sum + (part.width ?? cells(part.text)), 0);
}

/** Cut with an ellipsis or filled with spaces to exactly `width` cells. */
export function fit(text: string, width: number): string {
  const cut = cutText(printable(text), width);
  return cut + ' '.repeat(Math.max(0, width - cells(cut)));
}

export function cutText(text: string, width: number): string {
  if (width <= 0) return '';
  if (cells(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const segment of graphemesOf(text)) {
    const next = cells(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept}…`;
}

/** The line cut to at most `width` cells. Lines with colours of their own are cut only between segments. */
export function cutLine(row: Line, width: number): Line {
  if (widthOf(row) <= width) return row;
  const kept: Segment[] = [];
  let left = width;
  for (const part of row) {
    const own = part.width ?? cells(part.text);
    if (own > left && part.width !== undefined) break;
    if (own > left) {
      kept.push({ ...part, text: cutText(part.text, left) });
      break;
    }
    kept.push(part);
    left -= own;
  }
  return kept;
}

/** Text in lines of at most `width` cells, broken at spaces where there are any. */
export function wrapText(text: string, width: number): string[] {
  const rows: string[] = [];
  for (const paragraph of text.split('\n')) {
    let row = '';
    for (const segment of graphemesOf(paragraph)) {
      if (cells(row) + cells(segment) > width) {
        const space = row.lastIndexOf(' ');
        const breaks = space > width / 2 && segment !== ' ';
        rows.push(breaks ? row.slice(0, space) : row);
        row = breaks ? row.slice(space + 1) : '';
        if (segment === ' ' && row === '') continue;
      }
      row += segment;
    }
    rows.push(row);
  }
  return rows;
}

export function plainOf(row: Line): string {
  return row.map(({ text }) => text).join('');
}

/** With SGR sequences, each segment closed by itself. Without colour there are none at all, reverse video and bold included. */
export function ansiOf(row: Line, colour: boolean): string {
  if (!colour) return plainOf(row);
  return row.map(paint).join('');
}

function paint({ text, style }: Segment): string {
  const codes = [
    ...(style.bold === true ? [1] : []),
    ...(style.dim === true ? [2] : []),
    ...(style.inverse === true ? [7] : []),
    ...(style.colour === undefined ? [] : [CODES[style.colour]]),
  ];
  // One sequence a code: what merges them downstream understands single ones best.
  return codes.length === 0 || text === ''
    ? text
    : `${codes.map((code) => `\u001b[${code}m`).join('')}${text}\u001b[0m`;
}
