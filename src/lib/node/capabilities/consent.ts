/**
 * What a capability says about being allowed: how its input is shown to a person, what they can allow for good, and whether an input falls under that.
 * Pure functions of the input. Without rules of its own a capability is shown as JSON, and exactly the same input can be allowed for good.
 */
import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';

export interface Subject {
  readonly text: string;
  /** The part of `text` that is emphasised; null: all of it. */
  readonly emphasis: string | null;
  readonly notes: readonly string[];
  /** What `always` remembers: a pattern that fits this input. */
  readonly pattern: string;
}

export interface ConsentRules {
  /** What the first button says: `Open`, `Run`. */
  readonly verb: string;
  /** What `always` is about: `this site`, `this folder`. */
  readonly scope: string;
  /** Throws INPUT_INVALID for what is refused whoever says yes. */
  check(input: JsonValue): void;
  subject(input: JsonValue): Subject;
  /** The pattern in its one spelling. Throws INPUT_INVALID. */
  toPattern(text: string): string;
  matches(pattern: string, input: JsonValue): boolean;
}

export const exactInput: ConsentRules = {
  verb: 'Allow',
  scope: 'exactly this',
  check: () => undefined,
  subject: (input) => ({ text: canonical(input), emphasis: null, notes: [], pattern: canonical(input) }),
  toPattern: (text) => {
    try {
      return canonical(JSON.parse(text) as JsonValue);
    } catch (error) {
      throw new PalyraError('INPUT_INVALID', { detail: 'the pattern is the input as JSON', cause: error });
    }
  },
  matches: (pattern, input) => pattern === canonical(input),
};

/** JSON with sorted keys: equal values have equal texts. */
export function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`).join(',')}}`;
}
