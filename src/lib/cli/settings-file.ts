/**
 * One `config.toml`: read, and changed without touching what a person wrote around it. Comments, order, blank lines and keys that this version does not know
 * stay. After a change the new text is read again and must say exactly what was meant; otherwise the file stays as it was.
 *
 * The TOML library is loaded here, and only when there is a file or one is to be written.
 */
import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { PalyraError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import type { SettingValue } from './settings-keys.js';

/** A settings file is a page of text; anything larger is something else. */
const MAX_BYTES = 256 * 1024;

type Table = Readonly<Record<string, unknown>>;

export interface SettingEntry {
  readonly key: string;
  readonly value: unknown;
  /** Counted from 1; null when it cannot be told. */
  readonly line: number | null;
}

/** Every leaf of the file by its dotted key; null when there is no file. Throws CONFIG_INVALID naming the file. */
export async function readSettings(file: string): Promise<SettingEntry[] | null> {
  const text = await readText(file);
  if (text === null) return null;
  return leavesOf(await parseToml(text, file)).map(([key, value]) => ({ key, value, line: lineOf(text, key) }));
}

/** Throws CONFIG_INVALID naming the file and what is wrong. */
export async function parseToml(text: string, file: string): Promise<Table> {
  const { parse } = await import('@decimalturn/toml-patch');
  try {
    return parse(text) as Table;
  } catch (error) {
    throw new PalyraError('CONFIG_INVALID', { detail: `${file}: ${problemOf(error as Error)}`, cause: error });
  }
}

/** The library shows the line between where and what. */
function problemOf({ message }: Error): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const [where = 'it is not TOML'] = lines;
  return lines.length > 1 ? `${where} ${lines.at(-1) ?? ''}` : where;
}

/** Sets a key, or takes it away with `undefined`. False when the file said so already. */
export async function editSettings(file: string, key: string, value: SettingValue | undefined): Promise<boolean> {
  const text = (await readText(file)) ?? '';
  const before = await parseToml(text, file);
  const after = changed(before, key.split('.'), value, file);
  if (isDeepStrictEqual(plain(before), plain(after))) return false;
  const { patch } = await import('@decimalturn/toml-patch');
  const edited = `${patch(text, after).trimEnd()}\n`;
  if (!isDeepStrictEqual(plain(await parseToml(edited, file)), plain(after))) {
    throw new PalyraError('INTERNAL', { detail: `${file} could not be changed without changing more than ${key}` });
  }
  await writeSettings(file, edited);
  return true;
}

/** Atomically; a file that is a link is written where it leads. */
export async function writeSettings(file: string, text: string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await writeFileAtomic(target, text);
}

export async function readText(file: string): Promise<string | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code = 'error' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new PalyraError('CONFIG_INVALID', { detail: `cannot read ${file} (${code})`, cause: error });
  }
  if (bytes.length > MAX_BYTES) throw new PalyraError('CONFIG_INVALID', { detail: `${file} is larger than 256 KiB` });
  return bytes.toString('utf8');
}

function changed(table: Table, path: readonly string[], value: unknown, file: string): Table {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    const { [name]: _old, ...others } = table;
    return value === undefined ? others : { ...table, [name]: value };
  }
  const inner = Object.hasOwn(table, name) ? table[name] : {};
  if (!isTable(inner)) throw new PalyraError('CONFIG_INVALID', { detail: `${file}: ${name} is not a table` });
  if (value === undefined && !Object.hasOwn(table, name)) return table;
  return { ...table, [name]: changed(inner, rest, value, file) };
}

function leavesOf(table: Table, prefix = ''): [string, unknown][] {
  return Object.entries(table).flatMap(([name, value]) =>
    isTable(value) ? leavesOf(value, `${prefix}${name}.`) : [[`${prefix}${name}`, value] as [string, unknown]],
  );
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Values without the library's own classes, so that they can be compared; an empty table says nothing. */
function plain(table: Table): [string, string][] {
  return leavesOf(table)
    .map(([key, value]) => [key, JSON.stringify(value, exactly)] as [string, string])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Integers beyond what a number holds are read as bigint. */
function exactly(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

/** Where a person finds it. Bare keys and tables only, which is what the known keys are. */
function lineOf(text: string, key: string): number | null {
  let table = '';
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\s*([A-Za-z0-9_.-]+)\s*\]/.exec(line);
    if (header !== null) table = `${header[1] ?? ''}.`;
    const name = /^\s*([A-Za-z0-9_.-]+)\s*=/.exec(line)?.[1];
    if (name !== undefined && `${table}${name}` === key) return index + 1;
  }
  return null;
}
