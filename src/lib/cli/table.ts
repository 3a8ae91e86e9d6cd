/** Columns of text. Nothing is cut: a table that is wider than the terminal wraps there, one that is piped stays whole. */
import { displayWidth, printable } from './text.js';

export interface Column<T> {
  readonly header: string;
  readonly value: (row: T) => string;
}

const GAP = '   ';

/** Aligned lines with a header, for people. */
export function formatTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { header: boolean } = { header: true },
): string[] {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const lines = options.header ? [columns.map((column) => column.header), ...cells] : cells;
  const widths = columns.map((_, index) => Math.max(0, ...lines.map((line) => displayWidth(line[index] ?? ''))));
  return lines.map((line) =>
    line
      .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - displayWidth(cell)))
      .join(GAP)
      .trimEnd(),
  );
}

/** Tab-separated values without a header, for scripts. Tabs and line breaks cannot occur in a cell: they are control characters. */
export function formatTsv<T>(rows: readonly T[], columns: readonly Column<T>[]): string[] {
  return rows.map((row) => columns.map((column) => printable(column.value(row))).join('\t'));
}
