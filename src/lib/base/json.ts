/**
 * JSON from outside, with limits checked on the text before anything is built from it. One pass, no recursion, no memory of its own: the work is linear
 * in the length, which the carrier has bounded already.
 */
import { PalyraError } from './errors.js';
import type { JsonValue } from './model.js';

export interface JsonLimits {
  /** Nesting of objects and arrays; `{}` is 1. */
  readonly maxDepth?: number;
  /** Keys of all objects together. */
  readonly maxKeys?: number;
}

/** Deeper than any sensible message, shallow enough for every recursive reader behind this one. */
const MAX_DEPTH = 32;
const MAX_KEYS = 10_000;

/**
 * Throws REQUEST_INVALID for what is not JSON, is nested too deeply, has too many keys, or has the key `__proto__` anywhere: as an own property it is
 * harmless, but the first careless copy would make it a prototype. The detail never quotes the text, which may hold a secret.
 */
export function parseBoundedJson(text: string, limits: JsonLimits = {}): JsonValue {
  assertBounds(text, limits.maxDepth ?? MAX_DEPTH, limits.maxKeys ?? MAX_KEYS);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    throw invalid(position === undefined ? 'it is not JSON' : `it is not JSON (at character ${position})`);
  }
  // An escape can spell the key in many ways; text without either cannot contain it.
  if (text.includes('__proto__') || text.includes('\\u')) assertNoPrototypeKey(value);
  return value;
}

/** Counts brackets and colons outside strings. On text that is not JSON the counts mean nothing, but they still bound what `JSON.parse` will do. */
function assertBounds(text: string, maxDepth: number, maxKeys: number): void {
  let depth = 0;
  let keys = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: // "
        index = endOfString(text, index);
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw invalid(`it is nested more than ${maxDepth} levels deep`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x3a: // :
        if (++keys > maxKeys) throw invalid(`it has more than ${maxKeys} keys`);
        break;
    }
  }
}

/** Index of the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (character === 0x22) return index;
    if (character === 0x5c) index++;
  }
  return text.length;
}

function assertNoPrototypeKey(root: JsonValue): void {
  const open: JsonValue[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    if (!Array.isArray(value) && Object.hasOwn(value, '__proto__'))
      throw invalid('the key "__proto__" is not accepted');
    for (const item of Object.values(value)) open.push(item);
  }
}

function invalid(detail: string): PalyraError {
  return new PalyraError('REQUEST_INVALID', { detail });
}
