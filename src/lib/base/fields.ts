/**
 * Reading single fields of a decoded message. A peer is not trusted to be ours: whatever is out of bounds is MESSAGE_INVALID naming the field, never
 * repeating its value. Human text is cut when written, so that what we write is always readable by us.
 */
import { PalyraError } from './errors.js';
import { parseBoundedJson } from './json.js';
import type { JsonSchema } from './model.js';

/** Names, versions, codes: one line. */
const MAX_LINE_BYTES = 1024;
/** Messages for people. */
const MAX_TEXT_BYTES = 8 * 1024;
const MAX_UINT32 = 2 ** 32 - 1;
const ID = /^[a-z]{3}_[0-9A-Za-z]{6,40}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function invalid(field: string, problem: string, cause?: unknown): PalyraError {
  return new PalyraError('MESSAGE_INVALID', { detail: `${field} ${problem}`, cause });
}

/** A part that proto3 lets a peer leave out and the protocol does not. */
export function readPresent<T>(field: string, value: T | undefined): T {
  if (value === undefined) throw invalid(field, 'is missing');
  return value;
}

/** `dsp_` and the like: three letters and 6 to 40 letters or digits. */
export function readId(field: string, value: string): string {
  if (!ID.test(value)) throw invalid(field, 'is not an id');
  return value;
}

/** One line, 1 byte to 1 KiB, no control characters: these reach terminals and logs. */
export function readLine(field: string, value: string, options: { readonly optional?: boolean } = {}): string {
  if (value === '' && options.optional !== true) throw invalid(field, 'is empty');
  if (Buffer.byteLength(value) > MAX_LINE_BYTES) throw invalid(field, `is longer than ${MAX_LINE_BYTES} bytes`);
  if (/\p{Cc}/u.test(value)) throw invalid(field, 'has control characters');
  return value;
}

/** Text for people, up to 8 KiB. Control characters but line breaks and tabs become spaces: a message cannot move somebody's cursor. */
export function readText(field: string, value: string): string {
  if (Buffer.byteLength(value) > MAX_TEXT_BYTES) throw invalid(field, `is longer than ${MAX_TEXT_BYTES} bytes`);
  return value.replace(/[^\P{Cc}\n\t]/gu, ' ');
}

export function writeText(value: string): string {
  return cut(value, MAX_TEXT_BYTES);
}

export function writeLine(value: string): string {
  return cut(value.replace(/\p{Cc}/gu, ' '), MAX_LINE_BYTES);
}

export function readWhole(field: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) throw invalid(field, `is not between ${min} and ${max}`);
  return value;
}

/** Durations as uint32 milliseconds; what does not fit becomes the nearest that does. */
export function writeMs(value: number): number {
  return Math.round(Math.min(Math.max(value, 0), MAX_UINT32));
}

/** An attempt or an epoch is the fencing token: 0 is never given out. */
export function readCounter(field: string, value: number): number {
  return readWhole(field, value, 1, Number.MAX_SAFE_INTEGER);
}

export function readList<T, R>(field: string, values: readonly T[], max: number, read: (value: T) => R): R[] {
  if (values.length > max) throw invalid(field, `has more than ${max} entries`);
  return values.map(read);
}

/** Bytes that must be UTF-8 JSON within `maxBytes` and `maxDepth`; kept as text, because text is what travels on. */
export function readJsonText(field: string, bytes: Uint8Array, limits: JsonTextLimits): string {
  const text = decode(field, bytes, limits.maxBytes);
  parse(field, text, limits.maxDepth);
  return text;
}

export interface JsonTextLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/** UTF-8 JSON that is an object. */
export function readSchema(field: string, bytes: Uint8Array, limits: JsonTextLimits): JsonSchema {
  const value = parse(field, decode(field, bytes, limits.maxBytes), limits.maxDepth);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'is not an object');
  return value;
}

export function writeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Both directions of an enum whose names on our side are strings. Zero and unknown numbers are refused. */
export class EnumTable<Wire extends number, Name extends string> {
  readonly #names: ReadonlyMap<number, Name>;
  constructor(
    readonly field: string,
    readonly numbers: Readonly<Record<Name, Wire>>,
  ) {
    this.#names = new Map(Object.entries(numbers).map(([name, number]) => [number as Wire, name as Name]));
  }

  read(value: number): Name {
    const name = this.#names.get(value);
    if (name === undefined) throw invalid(this.field, 'is not a value of its kind');
    return name;
  }

  write(name: Name): Wire {
    return this.numbers[name];
  }
}

function decode(field: string, bytes: Uint8Array, maxBytes: number): string {
  if (bytes.length > maxBytes) throw invalid(field, `is longer than ${maxBytes} bytes`);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw invalid(field, 'is not UTF-8', cause);
  }
}

function parse(field: string, text: string, maxDepth: number) {
  try {
    // Every key takes at least five bytes, so the size already bounds their number.
    return parseBoundedJson(text, { maxDepth, maxKeys: text.length });
  } catch (cause) {
    throw invalid(field, 'is not acceptable JSON', cause);
  }
}

/** At most `maxBytes` of UTF-8, cut between characters. */
function cut(value: string, maxBytes: number): string {
  if (Buffer.byteLength(value) <= maxBytes) return value;
  const ellipsis = '…';
  const bytes = Buffer.alloc(maxBytes - Buffer.byteLength(ellipsis));
  // `encodeInto` stops before a character that does not fit whole.
  const { written } = new TextEncoder().encodeInto(value, bytes);
  return bytes.subarray(0, written).toString() + ellipsis;
}
