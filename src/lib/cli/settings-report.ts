/** Settings for people and programs: the value as it would be typed, and where it comes from. */
import type { Setting } from './settings.js';
import type { Column } from './table.js';

/** As words of a command line. */
export function valueText({ value }: Pick<Setting, 'value'>): string {
  return value === null ? '—' : typeof value === 'object' ? value.join(' ') : String(value);
}

/** `user`, or `/etc/palyra/config.toml:3`. */
export function originText({ origin, file, line }: Setting): string {
  if (file === null) return origin;
  return `${file}${line === null ? '' : `:${line}`}`;
}

export const SETTING_COLUMNS: readonly Column<Setting>[] = [
  { header: 'KEY', value: ({ key }) => key },
  { header: 'VALUE', value: valueText },
];

export const ORIGIN_COLUMN: Column<Setting> = { header: 'FROM', value: originText };
