import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inputFromPairs, inputFromText } from '../../../src/lib/cli/invoke-input.js';

const SCHEMA = {
  type: 'object',
  properties: {
    text: { type: 'string' },
    count: { type: 'integer' },
    either: { type: ['string', 'null'] },
    deep: { type: 'object' },
  },
};

describe('the input of nodes invoke', () => {
  it('types key=value by the schema of the capability', () => {
    const input = inputFromPairs(['text=42', 'count=42', 'either=null', 'deep={"a":[1]}'], SCHEMA);
    assert.deepEqual(input, { text: '42', count: 42, either: null, deep: { a: [1] } });
  });

  it('keeps text that only looks like another type when the schema allows text', () => {
    assert.deepEqual(inputFromPairs(['either=1.10'], SCHEMA), { either: '1.10' });
  });

  it('reads JSON where there is no schema, and nothing that would lose digits', () => {
    const pairs = [
      'a=1',
      'b=-2.5',
      'c=true',
      'd=null',
      'e=[1]',
      'f=hello',
      'g=007',
      'h=+49',
      'i=',
      'j={broken',
      'k=12345678901234567890',
      'l=x=y',
    ];
    assert.deepEqual(inputFromPairs(pairs, null), {
      ...{ a: 1, b: -2.5, c: true, d: null, e: [1], f: 'hello', g: '007', h: '+49', i: '', j: '{broken' },
      ...{ k: '12345678901234567890', l: 'x=y' },
    });
  });

  it('is an own key even when it is called __proto__', () => {
    const input = inputFromPairs(['__proto__=1'], null) as object;
    assert.deepEqual(Object.keys(input), ['__proto__']);
    assert.equal(Object.getPrototypeOf(input), Object.prototype);
  });

  it('refuses words that are no pair, and a key twice', () => {
    assert.throws(() => inputFromPairs(['hello'], null), { reason: 'USAGE_INVALID' });
    assert.throws(() => inputFromPairs(['=1'], null), { reason: 'USAGE_INVALID' });
    assert.throws(() => inputFromPairs(['a=1', 'a=2'], null), { reason: 'USAGE_INVALID' });
  });

  it('comes whole from the command line, a file or stdin', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'palyra-input-'));
    try {
      const file = join(directory, 'input.json');
      writeFileSync(file, '{"from":"file"}');
      assert.deepEqual(await inputFromText('{"a":1}'), { a: 1 });
      assert.deepEqual(await inputFromText(`@${file}`), { from: 'file' });
      assert.deepEqual(await inputFromText('-', chunks('{"from":', '"stdin"}')), { from: 'stdin' });
      await assert.rejects(inputFromText('@/no/such/file'), { reason: 'USAGE_INVALID' });
      await assert.rejects(inputFromText('{'), { reason: 'USAGE_INVALID' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('stops reading at the limit', async () => {
    async function* endless() {
      for (;;) yield 'x'.repeat(64 * 1024);
    }
    await assert.rejects(inputFromText('-', endless()), { reason: 'INPUT_TOO_LARGE' });
  });
});

async function* chunks(...parts: string[]) {
  yield* parts;
}
