/**
 * The input of `nodes invoke` from words: `key=value` pairs, typed by the capability's own schema, or one JSON text from the command line, a file
 * or stdin. Throws USAGE_INVALID for what cannot be read; whether it fits the schema is decided by the daemon and the node.
 */
import { readFile } from 'node:fs/promises';
import { PalyraError } from '../base/errors.js';
import type { JsonSchema, JsonValue } from '../base/model.js';

/** The same limit as the daemon's, so that nothing larger is read into memory. */
const MAX_INPUT_BYTES = 512 * 1024;

/** From `--input`, else from pairs; the schema is asked for only when there are pairs to type. No input at all is `{}`. */
export async function readInput(
  pairs: readonly string[],
  text: string | undefined,
  findSchema: () => Promise<JsonSchema | null>,
): Promise<JsonValue> {
  if (text !== undefined) {
    if (pairs.length > 0)
      throw new PalyraError('USAGE_INVALID', { detail: 'give either --input or key=value, not both' });
    return inputFromText(text);
  }
  return pairs.length === 0 ? {} : inputFromPairs(pairs, await findSchema());
}

/** `text=hello count=3`: as the schema says, else JSON when it reads as a number, boolean, null, object or array, else text. */
export function inputFromPairs(pairs: readonly string[], schema: JsonSchema | null): JsonValue {
  const input: { [key: string]: JsonValue } = Object.create(null) as { [key: string]: JsonValue };
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) {
      throw new PalyraError('USAGE_INVALID', { detail: `"${pair}" is not key=value; for JSON use --input` });
    }
    const key = pair.slice(0, at);
    if (key in input) throw new PalyraError('USAGE_INVALID', { detail: `"${key}" is given twice` });
    input[key] = toValue(pair.slice(at + 1), typesOf(schema, key));
  }
  return { ...input };
}

/** `{"a":1}`, `@file` or `-` for stdin. */
export async function inputFromText(text: string, stdin: AsyncIterable<unknown> = process.stdin): Promise<JsonValue> {
  const json = text === '-' ? await readAll(stdin) : text.startsWith('@') ? await readInputFile(text.slice(1)) : text;
  if (Buffer.byteLength(json) > MAX_INPUT_BYTES) throw new PalyraError('INPUT_TOO_LARGE');
  try {
    return JSON.parse(json) as JsonValue;
  } catch (error) {
    throw new PalyraError('USAGE_INVALID', { detail: `the input is not JSON (${(error as Error).message})` });
  }
}

function typesOf(schema: JsonSchema | null, key: string): readonly string[] {
  const properties = schema?.['properties'];
  if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, key)) return [];
  const type = (properties as Record<string, { type?: unknown } | null>)[key]?.type;
  if (typeof type === 'string') return [type];
  return Array.isArray(type) ? type.filter((name): name is string => typeof name === 'string') : [];
}

function toValue(text: string, types: readonly string[]): JsonValue {
  if (types.length === 1 && types[0] === 'string') return text;
  const value = parseLoosely(text);
  // A schema that allows text and not what the text looks like means the text: version=1.10 stays "1.10".
  if (types.includes('string') && !types.some((type) => isOfType(value, type))) return text;
  return value;
}

function parseLoosely(text: string): JsonValue {
  // Only canonical numbers: 007 and +49 are somebody's identifiers, and a number that loses digits is no number.
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) {
    const number = Number(text);
    const exact = !/^-?\d+$/.test(text) || Number.isSafeInteger(number);
    return Number.isFinite(number) && exact ? number : text;
  }
  if (/^(true|false|null|[[{].*)$/s.test(text)) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      return text;
    }
  }
  return text;
}

function isOfType(value: JsonValue, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type && type !== 'string';
  }
}

async function readInputFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    });
  }
}

async function readAll(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += part.length;
    if (bytes > MAX_INPUT_BYTES) throw new PalyraError('INPUT_TOO_LARGE');
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString('utf8');
}
