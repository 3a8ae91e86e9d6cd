/**
 * A cheap schema that accepts everything the given one accepts, and usually little more.
 *
 * Each known keyword is copied when it has the type it must have; every other keyword, and every one whose cost a stranger could raise, is left out. A
 * schema from which something was left out is *inexact*: it accepts more. Below a keyword that turns acceptance around (`not`, `oneOf`, `if`,
 * `maxContains`) accepting more would refuse more, so such a keyword stays only over exact schemas.
 *
 * Local references are copied in, so the result has none, and no cycle: a cycle ends at the depth limit, with "anything".
 */
import type { JsonSchema } from './model.js';

export interface RelaxedSchema {
  readonly schema: { [key: string]: unknown };
  /** Parts to look at for one value, at most `MAX_PARTS`. */
  readonly weight: number;
}

const MAX_DEPTH = 32;
const MAX_PARTS = 2_000;

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  maximum: Number.isFinite,
  minimum: Number.isFinite,
  exclusiveMaximum: Number.isFinite,
  exclusiveMinimum: Number.isFinite,
  multipleOf: (value) => typeof value === 'number' && value > 0,
  maxLength: Number.isSafeInteger,
  minLength: Number.isSafeInteger,
  maxItems: Number.isSafeInteger,
  minItems: Number.isSafeInteger,
  maxProperties: Number.isSafeInteger,
  minProperties: Number.isSafeInteger,
};
const TYPES = new Set(['null', 'boolean', 'number', 'integer', 'string', 'array', 'object']);
/** Left out, with the reason: cost (patterns backtrack, uniqueness is quadratic), or a meaning that depends on what else was left out. */
const LEFT_OUT = [
  'pattern',
  'patternProperties',
  'format',
  'uniqueItems',
  'unevaluatedItems',
  'unevaluatedProperties',
  'dependencies',
];
const LEFT_OUT_REFERENCES = ['$dynamicRef', '$recursiveRef', 'additionalItems'];

interface Part {
  readonly schema: boolean | { [key: string]: unknown };
  readonly exact: boolean;
}
const ANYTHING: Part = { schema: true, exact: false };

export function relaxSchema(schema: JsonSchema): RelaxedSchema {
  const relaxer = new Relaxer(schema);
  const { schema: relaxed } = relaxer.relax(schema, 1);
  return { schema: typeof relaxed === 'boolean' ? (relaxed ? {} : { not: {} }) : relaxed, weight: relaxer.parts };
}

class Relaxer {
  readonly #root: JsonSchema;
  parts = 0;

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  relax(schema: unknown, depth: number): Part {
    if (typeof schema === 'boolean') return { schema, exact: true };
    if (!isObject(schema) || depth > MAX_DEPTH || !this.#spend(1)) return ANYTHING;
    // A document of its own: its references start elsewhere.
    if (this.#isForeign(schema)) return ANYTHING;
    const out: { [key: string]: unknown } = {};
    let exact = ![...LEFT_OUT, ...LEFT_OUT_REFERENCES].some((key) => Object.hasOwn(schema, key));
    const take = (key: string, part: Part): void => {
      out[key] = part.schema;
      exact &&= part.exact;
    };
    const below = (child: unknown): Part => this.relax(child, depth + 1);
    for (const [key, value] of Object.entries(schema)) {
      const isScalar = SCALARS[key];
      if (isScalar !== undefined) {
        if (isScalar(value)) out[key] = value;
        else exact = false;
        continue;
      }
      switch (key) {
        case 'type': {
          const names = Array.isArray(value) ? value : [value];
          if (names.every((name) => TYPES.has(name as string))) out[key] = value;
          else exact = false;
          break;
        }
        case 'const':
          out[key] = value;
          break;
        case 'enum':
          if (Array.isArray(value) && this.#spend(value.length)) out[key] = value;
          else exact = false;
          break;
        case 'required':
          if (isStrings(value) && this.#spend(value.length)) out[key] = [...value];
          else exact = false;
          break;
        case 'dependentRequired':
          if (isObject(value) && Object.values(value).every((names) => isStrings(names) && this.#spend(names.length))) {
            out[key] = value;
          } else exact = false;
          break;
        case 'items':
        case 'contains':
        case 'propertyNames':
          if (key === 'items' && !Array.isArray(schema['prefixItems'] ?? [])) exact = false;
          else if (Array.isArray(value)) exact = false;
          else take(key, below(value));
          break;
        case 'additionalProperties':
          // Applies to what the patterns, which are left out, and the properties leave over.
          if (!Object.hasOwn(schema, 'patternProperties') && isObject(schema['properties'] ?? {}))
            take(key, below(value));
          else exact = false;
          break;
        case 'allOf':
        case 'anyOf':
        case 'prefixItems':
          if (Array.isArray(value) && value.length > 0) exact = this.#list(out, key, value.map(below)) && exact;
          else exact = false;
          break;
        case 'oneOf': {
          const parts = Array.isArray(value) ? value.map(below) : [ANYTHING];
          if (parts.every((part) => part.exact)) this.#list(out, key, parts);
          else exact = false;
          break;
        }
        case 'not': {
          const part = below(value);
          if (part.exact) out[key] = part.schema;
          else exact = false;
          break;
        }
        case 'if': {
          const condition = below(value);
          if (!condition.exact) exact = false;
          else {
            out[key] = condition.schema;
            if (Object.hasOwn(schema, 'then')) take('then', below(schema['then']));
            if (Object.hasOwn(schema, 'else')) take('else', below(schema['else']));
          }
          break;
        }
        case 'properties':
        case 'dependentSchemas': {
          const parts = isObject(value)
            ? Object.entries(value).map(([name, child]) => [name, below(child)] as const)
            : null;
          if (parts === null) exact = false;
          else {
            out[key] = Object.fromEntries(parts.map(([name, part]) => [name, part.schema]));
            exact = parts.every(([, part]) => part.exact) && exact;
          }
          break;
        }
      }
    }
    exact = this.#contained(schema, out) && exact;
    if (Object.hasOwn(schema, '$ref')) {
      const target = below(this.#resolve(schema['$ref']));
      out['allOf'] = [...((out['allOf'] as unknown[] | undefined) ?? []), target.schema];
      exact &&= target.exact;
    }
    return { schema: out, exact };
  }

  #list(out: { [key: string]: unknown }, key: string, parts: readonly Part[]): boolean {
    out[key] = parts.map((part) => part.schema);
    return parts.every((part) => part.exact);
  }

  /** `minContains` and `maxContains` count what `contains` accepts; the maximum stays only when that is exact. */
  #contained(schema: { [key: string]: unknown }, out: { [key: string]: unknown }): boolean {
    const { minContains, maxContains } = schema;
    if (Number.isSafeInteger(minContains)) out['minContains'] = minContains;
    if (maxContains === undefined) return true;
    if (!Number.isSafeInteger(maxContains) || !this.relax(schema['contains'], 1).exact) return false;
    out['maxContains'] = maxContains;
    return true;
  }

  /** Only `#` and `#/…` of the same document (RFC 6901); anything else is unknown. */
  #resolve(reference: unknown): unknown {
    if (typeof reference !== 'string' || !/^#(\/[^%]*)?$/.test(reference)) return undefined;
    let target: unknown = this.#root;
    for (const token of reference.split('/').slice(1)) {
      const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
      if (!(isObject(target) || Array.isArray(target)) || !Object.hasOwn(target, key)) return undefined;
      if (isObject(target) && this.#isForeign(target)) return undefined;
      target = (target as { [key: string]: unknown })[key];
    }
    return target;
  }

  #isForeign(schema: { [key: string]: unknown }): boolean {
    return schema !== this.#root && (Object.hasOwn(schema, '$id') || Object.hasOwn(schema, 'id'));
  }

  #spend(parts: number): boolean {
    if (this.parts + parts > MAX_PARTS) return false;
    this.parts += parts;
    return true;
  }
}

function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
