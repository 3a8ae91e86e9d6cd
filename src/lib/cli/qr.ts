/**
 * QR codes for a terminal. Half blocks, two modules a cell; always black on white whatever the theme, because a code in theme colours cannot be read
 * on half of them; a quiet zone of two modules, because zero fails on black. Colour here is data, so NO_COLOR does not switch it off.
 */
import { encodeQR } from 'qr';
import { encodeGreyPng } from './png.js';

const QUIET_ZONE = 2;
/** Lines that the invite needs beside the code. */
const TEXT_ROWS = 6;

export type Modules = readonly (readonly boolean[])[];

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The modules of a text, quiet zone included; true is dark. Upper-case links use the alphanumeric mode and the lowest version that fits. */
export function qrModules(text: string): Modules {
  return encodeQR(text, 'raw', { ecc: 'low', border: QUIET_ZONE });
}

/** Cells of the half-block form. */
export function qrSize(modules: Modules): TerminalSize {
  return { columns: modules.length, rows: Math.ceil(modules.length / 2) };
}

export function fitsTerminal(modules: Modules, terminal: TerminalSize, large = false): boolean {
  const size = large ? { columns: modules.length * 2, rows: modules.length } : qrSize(modules);
  return terminal.columns >= size.columns && terminal.rows >= size.rows + TEXT_ROWS;
}

/** Lines with their own colours. `trueColour` where the terminal says so: some themes bend the sixteen basic colours. */
export function qrLines(
  modules: Modules,
  options: { readonly trueColour: boolean; readonly large?: boolean },
): string[] {
  const open = options.trueColour ? '\u001b[38;2;0;0;0;48;2;255;255;255m' : '\u001b[30;107m';
  const lines = options.large === true ? modules.map(wideRow) : halfBlockRows(modules);
  return lines.map((line) => `${open}${line}\u001b[0m`);
}

/** A picture of it, eight pixels a module. */
export function qrPng(modules: Modules, scale = 8): Buffer {
  const side = modules.length * scale;
  const pixels = Buffer.alloc(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      pixels[y * side + x] = modules[Math.floor(y / scale)]?.[Math.floor(x / scale)] === true ? 0 : 255;
    }
  }
  return encodeGreyPng(pixels, side, side);
}

/** The foreground is black, so a dark module is ink: upper half, lower half, both or none. */
function halfBlockRows(modules: Modules): string[] {
  const lines: string[] = [];
  for (let y = 0; y < modules.length; y += 2) {
    const [upper = [], lower = []] = [modules[y], modules[y + 1]];
    lines.push(
      upper.map((dark, x) => (dark ? (lower[x] === true ? '█' : '▀') : lower[x] === true ? '▄' : ' ')).join(''),
    );
  }
  return lines;
}

/** Two cells a module, for terminals whose half blocks leave gaps. */
function wideRow(row: readonly boolean[]): string {
  return row.map((dark) => (dark ? '██' : '  ')).join('');
}
