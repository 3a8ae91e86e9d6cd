/**
 * The two directions of one JSON form, written once: `read` refuses with MESSAGE_INVALID whatever the protocol does not allow, unknown and missing names
 * included; `write` makes what `read` accepts. Names are `camelCase` here and `snake_case` on the wire.
 */
import {
  invalid,
  readCounter,
  readId,
  readJsonText,
  readLine,
  readList,
  readText,
  readWhole,
  writeLine,
  writeMs,
  writeText,
  type JsonTextLimits,
} from '../../base/fields.js';
import type { JsonValue } from '../../base/model.js';

export interface Shape<T> {
  readonly read: (field: string, value: JsonValue) => T;
  readonly write: (value: T) => JsonValue;
  /** The name may be absent from its object. */
  readonly optional?: true;
}

type Parts<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

/** Exactly these names, but for optional ones. */
export function object<T extends object>(parts: Parts<T>): Shape<T> {
  const names = Object.keys(parts).map((key) => ({ key: key as keyof T & string, name: snake(key) }));
  return {
    read: (field, value) => {
      const given = readObject(field, value);
      const read = {} as Record<string, unknown>;
      let known = 0;
      for (const { key, name } of names) {
        if (!Object.hasOwn(given, name)) {
          if (parts[key].optional === true) continue;
          throw invalid(path(field, name), 'is missing');
        }
        known += 1;
        read[key] = parts[key].read(path(field, name), given[name]!);
      }
      if (Object.keys(given).length > known) throw invalid(field, 'has a field that is not known');
      return read as T;
    },
    write: (value) =>
      Object.fromEntries(
        names
          .filter(({ key }) => value[key] !== undefined)
          .map(({ key, name }) => [name, parts[key].write(value[key])]),
      ),
  };
}

/** One of several objects, told apart by `kind`. */
export function variants<T extends { readonly kind: string }>(shapes: {
  readonly [K in T['kind']]: Shape<Omit<Extract<T, { kind: K }>, 'kind'>>;
}): Shape<T> {
  return {
    read: (field, value) => {
      const { kind, ...rest } = readObject(field, value);
      if (typeof kind !== 'string' || !Object.hasOwn(shapes, kind))
        throw invalid(field, 'is of a kind that is not known');
      return { kind, ...(shapes[kind as T['kind']].read(field, rest) as object) } as T;
    },
    write: (value) => {
      const kind = value.kind as T['kind'];
      return { kind, ...(shapes[kind].write(value as never) as Record<string, JsonValue>) };
    },
  };
}

export function list<T>(item: Shape<T>, max: number): Shape<readonly T[]> {
  return {
    read: (field, value) => {
      if (!Array.isArray(value)) throw invalid(field, 'is not a list');
      return readList(field, value, max, (each) => item.read(field, each));
    },
    write: (values) => values.map((each) => item.write(each)),
  };
}

/** May be absent, and is never null. */
export function optional<T>({ read, write }: Shape<T>): Shape<T | undefined> {
  return { read, write: (value) => (value === undefined ? null : write(value)), optional: true };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    read: (field, value) => (value === null ? null : shape.read(field, value)),
    write: (value) => (value === null ? null : shape.write(value)),
  };
}

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  return {
    read: (field, value) => {
      const word = words.find((each) => each === value);
      if (word === undefined) throw invalid(field, 'is not a value of its kind');
      return word;
    },
    write: (value) => value,
  };
}

export const flag: Shape<boolean> = {
  read: (field, value) => (typeof value === 'boolean' ? value : refuse(field, 'is neither true nor false')),
  write: (value) => value,
};

export const line: Shape<string> = textual((field, value) => readLine(field, value), writeLine);
/** A line that may be empty. */
export const words: Shape<string> = textual((field, value) => readLine(field, value, { optional: true }), writeLine);
export const text: Shape<string> = textual(readText, writeText);
export const id: Shape<string> = textual(readId);
export const named = (read: (field: string, value: string) => string): Shape<string> => textual(read);

/** JSON as text: what people send travels unchanged, to the last space. */
export function jsonText(limits: JsonTextLimits): Shape<string> {
  return textual((field, value) => readJsonText(field, Buffer.from(value), limits));
}

export function whole(min: number, max: number): Shape<number> {
  return { read: (field, value) => readWhole(field, number(field, value), min, max), write: (value) => value };
}

/** A duration or an instant: what does not fit becomes the nearest that does. */
export function milliseconds(min: number, max: number): Shape<number> {
  const { read } = whole(min, max);
  return { read, write: (value) => (max > 2 ** 32 ? Math.round(value) : writeMs(value)) };
}

export const counter: Shape<number> = {
  read: (field, value) => readCounter(field, number(field, value)),
  write: (value) => value,
};

/** The names that are there; the values are the caller's to check. */
export function readObject(field: string, value: JsonValue): Record<string, JsonValue> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'is not an object');
  return value;
}

function textual(read: (field: string, value: string) => string, write = (value: string) => value): Shape<string> {
  return {
    read: (field, value) => (typeof value === 'string' ? read(field, value) : refuse(field, 'is not a text')),
    write,
  };
}

function number(field: string, value: JsonValue): number {
  return typeof value === 'number' ? value : refuse(field, 'is not a number');
}

function refuse(field: string, problem: string): never {
  throw invalid(field, problem);
}

function path(field: string, name: string): string {
  return field === '' ? name : `${field}.${name}`;
}

function snake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
