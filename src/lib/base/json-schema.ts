/**
 * Whether a JSON value fits a JSON Schema (draft 2020-12), with an error that names the place. The only user of @cfworker/json-schema.
 *
 * A schema of this machine is trusted and applied whole. A schema that another machine announced is not: it must cost little and decide little. What
 * could be made to cost time without bound (patterns, remote references, cycles, deep nesting) is left out, always in the direction of accepting
 * more; the machine that wrote the schema applies it whole before it acts.
 */
import { Validator } from '@cfworker/json-schema';
import { PalyraError } from './errors.js';
import { relaxSchema } from './json-schema-relax.js';
import type { JsonSchema, JsonValue } from './model.js';

/** Schema parts times values: about 50 ms of work. Beyond it an untrusted schema is not applied. */
const MAX_UNTRUSTED_WORK = 1_000_000;
/** Comparing and measuring a string costs about as much as a value per this many characters. */
const CHARACTERS_PER_VALUE = 16;
/** Schemas kept ready, the latest of each kind: more than the capabilities that a busy daemon is asked for at the same time. */
const MAX_KEPT = 256;
/** An error is one line for a person. */
const MAX_PROBLEM_LENGTH = 200;

/**
 * Throws INPUT_INVALID with `what` (for example "the input"), the JSON Pointer of the place and the problem in `detail`, and `pointer` in `details`.
 * Throws CAPABILITY_INVALID when a trusted schema cannot be applied at all; an untrusted one that cannot be applied accepts everything.
 * `value` has passed `parseBoundedJson`: its depth bounds the recursion.
 */
export function assertMatchesSchema(
  value: JsonValue,
  schema: JsonSchema,
  what: string,
  options: { readonly trusted: boolean } = { trusted: false },
): void {
  const failure = options.trusted ? applyWhole(value, schema, what) : applyRelaxed(value, schema);
  if (failure === null) return;
  const pointer = failure.instanceLocation.replace(/^#/, '') || '/';
  const problem = failure.error.replace(/\s+/g, ' ').slice(0, MAX_PROBLEM_LENGTH);
  throw new PalyraError('INPUT_INVALID', { detail: `${what} at ${pointer}: ${problem}`, details: { pointer } });
}

interface Failure {
  readonly instanceLocation: string;
  readonly error: string;
}

interface Prepared {
  readonly validator: Validator;
  /** Parts of the schema that a value may meet. */
  readonly weight: number;
}

// Getting a schema ready costs many times what applying it to a small value does. By identity: a schema is never changed once it is in use.
const prepareWhole = keepLatest((schema) => ready(structuredClone(schema), 0));
const prepareRelaxed = keepLatest((schema) => {
  const relaxed = relaxSchema(schema);
  return ready(relaxed.schema, relaxed.weight);
});

/** The library marks every subschema with its address, so it gets a copy of its own. */
function ready(schema: JsonSchema, weight: number): Prepared {
  return { validator: new Validator(schema, '2020-12', true), weight };
}

function keepLatest(prepare: (schema: JsonSchema) => Prepared): (schema: JsonSchema) => Prepared {
  const kept = new Map<JsonSchema, Prepared>();
  return (schema) => {
    const known = kept.get(schema);
    if (known !== undefined) return known;
    const prepared = prepare(schema);
    if (kept.size >= MAX_KEPT) for (const oldest of [...kept.keys()].slice(0, MAX_KEPT / 2)) kept.delete(oldest);
    kept.set(schema, prepared);
    return prepared;
  };
}

function applyWhole(value: JsonValue, schema: JsonSchema, what: string): Failure | null {
  try {
    return firstFailure(value, prepareWhole(schema));
  } catch (error) {
    throw new PalyraError('CAPABILITY_INVALID', { detail: `the schema of ${what} cannot be applied`, cause: error });
  }
}

function applyRelaxed(value: JsonValue, schema: JsonSchema): Failure | null {
  const relaxed = prepareRelaxed(schema);
  if (relaxed.weight * weightOf(value) > MAX_UNTRUSTED_WORK) return null;
  return firstFailure(value, relaxed);
}

/** The innermost error of the first branch that failed: the outer ones only say that something inside did. */
function firstFailure(value: JsonValue, { validator }: Prepared): Failure | null {
  const result = validator.validate(value);
  return result.valid ? null : (result.errors.at(-1) ?? { instanceLocation: '#', error: 'it does not fit' });
}

/** How much there is to look at: values, and long strings by their length. */
function weightOf(root: JsonValue): number {
  let weight = 0;
  const open: JsonValue[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    weight += 1;
    if (typeof value === 'string') weight += value.length / CHARACTERS_PER_VALUE;
    else if (Array.isArray(value)) for (const item of value) open.push(item);
    else if (value !== null && typeof value === 'object') {
      for (const [key, item] of Object.entries(value)) {
        weight += key.length / CHARACTERS_PER_VALUE;
        open.push(item);
      }
    }
  }
  return weight;
}
