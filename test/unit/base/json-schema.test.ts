import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assertMatchesSchema } from '../../../src/lib/base/json-schema.js';
import type { JsonSchema, JsonValue } from '../../../src/lib/base/model.js';
import { cpuMs } from '../../support/cpu-time.js';

const accepts = (value: JsonValue, schema: JsonSchema, trusted: boolean): boolean => {
  try {
    assertMatchesSchema(value, schema, 'the input', { trusted });
    return true;
  } catch (error) {
    assert.equal((error as { reason: string }).reason, 'INPUT_INVALID');
    return false;
  }
};

describe('JSON Schema', () => {
  const SCHEMA: JsonSchema = {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      url: { type: 'string', maxLength: 20 },
      tags: { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 2 },
    },
  };

  for (const trusted of [true, false]) {
    describe(trusted ? 'of this machine' : 'of another machine', () => {
      it('accepts what fits', () => {
        assert.ok(accepts({ url: 'x', tags: ['a', 'b'] }, SCHEMA, trusted));
      });

      const cases: [string, JsonValue, string, RegExp][] = [
        ['a missing property', {}, '/', /url/],
        ['a wrong type', { url: 1 }, '/url', /string/],
        ['a wrong item', { url: 'x', tags: ['a', 'c'] }, '/tags/1', /a.*b/],
        ['an unknown property', { url: 'x', other: 1 }, '/other', /./],
        ['a long text', { url: 'x'.repeat(21) }, '/url', /20/],
        ['another kind of value', [], '/', /object/],
      ];
      for (const [what, value, pointer, problem] of cases) {
        it(`refuses ${what}, naming place and problem`, () => {
          assert.throws(
            () => assertMatchesSchema(value, SCHEMA, 'the input', { trusted }),
            (error: { reason: string; detail: string; details: unknown }) => {
              assert.equal(error.reason, 'INPUT_INVALID');
              assert.deepEqual(error.details, { pointer });
              assert.ok(error.detail.startsWith(`the input at ${pointer}: `), error.detail);
              assert.match(error.detail, problem);
              assert.ok(!error.detail.includes('\n') && error.detail.length < 300);
              return true;
            },
          );
        });
      }

      it('leaves the schema as it is, frozen or not', () => {
        const schema = Object.freeze({
          type: 'object',
          properties: Object.freeze({ a: Object.freeze({ type: 'string' }) }),
        });
        assert.ok(accepts({ a: 'x' }, schema, trusted));
        assert.deepEqual(Reflect.ownKeys(schema), ['type', 'properties']);
        assert.deepEqual(Reflect.ownKeys(schema.properties.a), ['type']);
      });

      it('says the same of a schema the second time, and of more schemas than are kept ready', () => {
        const kinds = Array.from({ length: 600 }, (_, n) => ({ type: 'integer', maximum: n }));
        for (let round = 0; round < 2; round++) {
          for (const [n, schema] of kinds.entries()) {
            assertMatchesSchema(n, schema, 'input', { trusted });
            assert.throws(() => assertMatchesSchema(n + 1, schema, 'input', { trusted }), { reason: 'INPUT_INVALID' });
          }
        }
      });

      it('follows references inside the schema', () => {
        const schema = {
          $ref: '#/$defs/a~1b',
          $defs: { 'a/b': { type: 'object', properties: { next: { $ref: '#/$defs/n' } } }, n: { type: 'number' } },
        };
        assert.ok(accepts({ next: 1 }, schema, trusted));
        assert.ok(!accepts({ next: '1' }, schema, trusted));
      });
    });
  }

  it('applies patterns and formats of this machine', () => {
    assert.ok(!accepts('abc', { pattern: '^x' }, true));
    assert.ok(!accepts('abc', { format: 'uri' }, true));
  });

  it('says when a schema of this machine cannot be applied', () => {
    for (const schema of [{ $ref: 'https://example.com/other.json' }, { pattern: '(' }]) {
      assert.throws(() => assertMatchesSchema('x', schema, 'the input', { trusted: true }), {
        reason: 'CAPABILITY_INVALID',
      });
    }
  });

  const HOSTILE: Record<string, JsonSchema> = {
    'a pattern that backtracks': { pattern: '^(a+)+$' },
    'a pattern that is none': { pattern: '(' },
    'a pattern for names': { patternProperties: { '^(a+)+$': false } },
    'a remote reference': { $ref: 'https://example.com/schema' },
    'a reference to itself': { $ref: '#' },
    'a reference to nothing': { $ref: '#/$defs/none' },
    'references that double': {
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, n) => [`d${n}`, { allOf: [{ $ref: `#/d${n + 1}` }, { $ref: `#/d${n + 1}` }] }]),
      ),
      $ref: '#/d0',
    },
    'keywords of wrong types': {
      required: 1,
      properties: [],
      type: 'thing',
      enum: {},
      items: 'x',
      allOf: {},
      minimum: 'a',
      not: 3,
      multipleOf: 0,
      dependentRequired: { a: 1 },
    },
    'a name of its own': {
      properties: { a: { $id: 'https://example.com/a', $ref: '#/$defs/x', $defs: { x: true } } },
      $defs: { x: false },
    },
  };
  for (const [what, schema] of Object.entries(HOSTILE)) {
    it(`accepts in a moment under ${what} of another machine`, () => {
      const started = cpuMs();
      assert.ok(accepts({ a: `${'a'.repeat(50)}!`, b: [1, 2] }, schema, false));
      assert.ok(accepts(`${'a'.repeat(50)}!`, schema, false));
      assert.ok(cpuMs() - started < 500);
    });
  }

  it('ends in a moment with a schema nested thousands deep and with a thousand values under a thousand parts', () => {
    let deep: JsonSchema = { type: 'string' };
    for (let depth = 0; depth < 5_000; depth++) deep = { items: deep };
    const started = cpuMs();
    assert.ok(accepts([[1]], deep, false));
    const wide = { items: { allOf: Array.from({ length: 1_500 }, () => ({ minLength: 1 })) } };
    assert.ok(
      accepts(
        Array.from({ length: 50_000 }, () => 'text'),
        wide,
        false,
      ),
    );
    assert.ok(cpuMs() - started < 1_000);
  });

  it('does not refuse through "not", "oneOf" or "if" what it cannot judge', () => {
    const unknown = { pattern: '^x' };
    assert.ok(accepts('a', { not: unknown }, false));
    assert.ok(accepts('a', { oneOf: [unknown, { pattern: '^a' }] }, false));
    assert.ok(accepts('a', { if: unknown, then: false }, false));
    assert.ok(accepts({ x: 1 }, { patternProperties: { '^x': true }, additionalProperties: false }, false));
    assert.ok(accepts(['a', 'b'], { contains: unknown, minContains: 0, maxContains: 0 }, false));
    assert.ok(!accepts('a', { not: { type: 'string' } }, false));
    assert.ok(!accepts(1, { oneOf: [{ type: 'number' }, { minimum: 0 }] }, false));
  });

  it('of another machine refuses only what the whole schema refuses', () => {
    let refused = 0;
    const leaf = (references: string[]): fc.Arbitrary<JsonSchema> =>
      fc.oneof(
        fc.constantFrom<JsonSchema>(
          { type: 'string' },
          { type: ['array', 'null'] },
          { type: 'object' },
          { pattern: '^a' },
          { minLength: 2 },
          { minimum: 0 },
          { uniqueItems: true },
          { const: 'a' },
          { enum: [1, null] },
          { required: ['a'] },
          { unevaluatedProperties: false },
          {},
          { not: {} },
        ),
        ...references.map((reference) => fc.constant<JsonSchema>({ $ref: reference })),
      );
    const over = (inner: fc.Arbitrary<JsonSchema>): fc.Arbitrary<JsonSchema> => {
      const list = fc.array(inner, { minLength: 1, maxLength: 3 });
      const named = (names: string[]) => fc.dictionary(fc.constantFrom(...names), inner, { minKeys: 1, maxKeys: 2 });
      const keywords: [string, fc.Arbitrary<unknown>][] = [
        ['properties', named(['a', 'b'])],
        ['patternProperties', named(['^a', 'c$'])],
        ['dependentSchemas', named(['a', 'b'])],
        ['maxContains', fc.nat(2)],
        ['minContains', fc.nat(2)],
        ...['allOf', 'anyOf', 'oneOf', 'prefixItems'].map((key): [string, fc.Arbitrary<unknown>] => [key, list]),
        ...['additionalProperties', 'items', 'contains', 'not', 'if', 'then', 'else', 'propertyNames'].map(
          (key): [string, fc.Arbitrary<unknown>] => [key, inner],
        ),
      ];
      return fc
        .subarray(keywords, { minLength: 1, maxLength: 4 })
        .chain((chosen) => fc.record(Object.fromEntries(chosen) as Record<string, fc.Arbitrary<unknown>>));
    };
    const target = over(leaf([]));
    const schema = fc.oneof(over(leaf(['#/$defs/d'])), over(over(leaf(['#/$defs/d']))));
    const value = fc.oneof(
      fc.constantFrom<JsonValue>('a', 'ab', '', 1, 0, -1, null, true),
      fc.array(fc.constantFrom<JsonValue>('a', 1, null), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'ac', 'c'), fc.constantFrom<JsonValue>('a', 1, null), { maxKeys: 3 }),
    );
    fc.assert(
      fc.property(schema, target, value, (top, d, input) => {
        const whole = { ...top, $defs: { d } };
        if (accepts(input, whole, true)) assert.ok(accepts(input, whole, false), JSON.stringify(whole));
        else if (!accepts(input, whole, false)) refused++;
      }),
      { numRuns: 5_000 },
    );
    assert.ok(refused > 500, `it refuses something: ${refused}`);
  });
});
