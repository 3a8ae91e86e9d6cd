import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseBoundedJson } from '../../../src/lib/base/json.js';

describe('JSON from outside', () => {
  const refused = (detail: RegExp) => ({ reason: 'REQUEST_INVALID', detail });

  it('gives what JSON.parse gives within the limits', () => {
    const withoutPrototypeKey = (text: string) => !text.includes('__proto__');
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }).filter(withoutPrototypeKey), (text) => {
        assert.deepEqual(parseBoundedJson(text), JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it('accepts the deepest and refuses one level more', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    parseBoundedJson(nested(32));
    assert.throws(() => parseBoundedJson(nested(33)), refused(/32 levels/));
    parseBoundedJson(`{"a":${nested(31)}}`);
    assert.throws(() => parseBoundedJson(`{"a":${nested(32)}}`), refused(/32 levels/));
    assert.throws(() => parseBoundedJson('[[[]]]', { maxDepth: 2 }), refused(/2 levels/));
  });

  it('refuses a million brackets without a deep stack', () => {
    assert.throws(() => parseBoundedJson('['.repeat(1_000_000)), refused(/levels/));
    assert.throws(() => parseBoundedJson('{"a":'.repeat(1_000_000)), refused(/levels/));
  });

  it('counts the keys of all objects, not the colons in strings', () => {
    const object = (keys: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: keys }, (_, n) => [`k${n}`, ':{[":'])));
    parseBoundedJson(object(10_000));
    assert.throws(() => parseBoundedJson(object(10_001)), refused(/10000 keys/));
    assert.throws(() => parseBoundedJson('[{"a":1},{"b":2}]', { maxKeys: 1 }), refused(/1 keys/));
  });

  it('is not misled by brackets and escapes in strings', () => {
    const text = JSON.stringify(['"'.repeat(50), '\\"['.repeat(50), '{'.repeat(50)]);
    assert.deepEqual(parseBoundedJson(text), JSON.parse(text));
  });

  for (const text of [
    '{"__proto__":{"polluted":1}}',
    '[{"a":[{"\\u005f_proto__":1}]}]',
    '{"a":{"__pro\\u0074o__":null}}',
  ]) {
    it(`refuses ${text}`, () => {
      assert.throws(() => parseBoundedJson(text), refused(/__proto__/));
      assert.equal(({} as { polluted?: number }).polluted, undefined);
    });
  }

  it('accepts the word in a value and the keys that are only unusual', () => {
    assert.equal(parseBoundedJson('"__proto__"'), '__proto__');
    assert.deepEqual(Object.keys(parseBoundedJson('{"constructor":1,"\\u0061":2}') as object), ['constructor', 'a']);
  });

  for (const text of ['', '{', '{"a":}', 'undefined', '[1,]', '"\n"', '{"a":1}}', '\ufeff{}', "{'a':1}", 'NaN']) {
    it(`refuses ${JSON.stringify(text)} as not being JSON`, () => {
      assert.throws(() => parseBoundedJson(text), refused(/not JSON/));
    });
  }

  it('never quotes the text', () => {
    for (const text of ['{"password": hunter2}', 'hunter2', '["hunter2"']) {
      assert.throws(
        () => parseBoundedJson(text),
        (error: Error & { detail: string }) => !error.detail.includes('hunter2') && error.cause === undefined,
      );
    }
  });
});
