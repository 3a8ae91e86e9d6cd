/**
 * A terminal that draws: the bytes a program wrote, as pixels, in a theme. It knows colours (SGR), line feeds and the block characters, which is all
 * that a QR code needs; anything else in the input is an error of the test.
 */

export interface Theme {
  readonly name: string;
  readonly foreground: Rgb;
  readonly background: Rgb;
  /** The sixteen basic colours as this theme bends them. */
  readonly palette: readonly Rgb[];
}

export type Rgb = readonly [number, number, number];

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** One byte a pixel: luminance. */
  readonly grey: Buffer;
}

const CELL = { width: 8, height: 16 };

interface Cell {
  readonly character: string;
  readonly foreground: Rgb;
  readonly background: Rgb;
}

/** Draws the text in a window of `columns` cells, with one empty row above and below as on a screen. */
export function rasterise(text: string, theme: Theme, columns: number): Picture {
  const rows = [[], ...cellsOf(text, theme), []];
  const width = columns * CELL.width;
  const height = rows.length * CELL.height;
  const grey = Buffer.alloc(width * height, luminance(theme.background));
  rows.forEach((row, y) => row.forEach((cell, x) => drawCell(grey, width, x, y, cell)));
  return { width, height, grey };
}

function cellsOf(text: string, theme: Theme): Cell[][] {
  const rows: Cell[][] = [[]];
  let colours = { foreground: theme.foreground, background: theme.background };
  for (const [token] of text.matchAll(/\u001b\[([0-9;]*)m|\n|[^]/gu)) {
    if (token === '\n') rows.push([]);
    else if (token.startsWith('\u001b[')) colours = applySgr(token.slice(2, -1), colours, theme);
    else rows.at(-1)?.push({ character: token, ...colours });
  }
  return rows;
}

function applySgr(parameters: string, colours: { foreground: Rgb; background: Rgb }, theme: Theme) {
  const codes = parameters.split(';').map(Number);
  let { foreground, background } = colours;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    const basic = (index: number) => theme.palette[index] ?? theme.foreground;
    if (code === 0) ({ foreground, background } = theme);
    else if (code >= 30 && code <= 37) foreground = basic(code - 30);
    else if (code >= 40 && code <= 47) background = basic(code - 40);
    else if (code >= 90 && code <= 97) foreground = basic(code - 90 + 8);
    else if (code >= 100 && code <= 107) background = basic(code - 100 + 8);
    else if ((code === 38 || code === 48) && codes[i + 1] === 2) {
      const colour: Rgb = [codes[i + 2] ?? 0, codes[i + 3] ?? 0, codes[i + 4] ?? 0];
      if (code === 38) foreground = colour;
      else background = colour;
      i += 4;
    } else throw new Error(`this terminal does not know SGR ${code}`);
  }
  return { foreground, background };
}

/** Which halves of the cell are ink. */
const INK: Readonly<Record<string, readonly [boolean, boolean]>> = {
  ' ': [false, false],
  '▀': [true, false],
  '▄': [false, true],
  '█': [true, true],
};

function drawCell(grey: Buffer, width: number, x: number, y: number, cell: Cell): void {
  const ink = INK[cell.character];
  if (ink === undefined) throw new Error(`this terminal cannot draw ${JSON.stringify(cell.character)}`);
  for (let row = 0; row < CELL.height; row++) {
    const dark = ink[row < CELL.height / 2 ? 0 : 1];
    const start = (y * CELL.height + row) * width + x * CELL.width;
    grey.fill(luminance(dark ? cell.foreground : cell.background), start, start + CELL.width);
  }
}

/** Rec. 709. */
function luminance([red, green, blue]: Rgb): number {
  return Math.round(0.2126 * red + 0.7152 * green + 0.0722 * blue);
}
