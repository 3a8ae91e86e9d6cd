/** Rules of the house that can be checked: sizes, docstrings at the top of a file, one home for errors, policy rows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { REASONS } from '../../src/lib/base/errors.js';
import { ROUTES } from '../../src/lib/wire/http/routes.js';
import { PROJECT_ROOT, SOURCE_ROOT, sourceFiles } from '../support/source-tree.js';

const files = sourceFiles();

describe('The house', () => {
  it('has no file above 400 lines: above that it wants to be two ideas', () => {
    const long = files
      .map((file) => ({ file: relative(SOURCE_ROOT, file), lines: readFileSync(file, 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400);
    assert.deepEqual(long, []);
  });

  it('opens every file of the library with what it is', () => {
    const mute = files
      .filter((file) => relative(SOURCE_ROOT, file).startsWith('lib/'))
      .filter((file) => !readFileSync(file, 'utf8').startsWith('/**'))
      .map((file) => relative(SOURCE_ROOT, file));
    assert.deepEqual(mute, []);
  });

  it('uses no word of those that say nothing in a file or class name', () => {
    const vague = /(manager|helper|utils?|misc|common|info|data)\.tsx?$/i;
    assert.deepEqual(
      files.filter((file) => vague.test(file)).map((file) => relative(SOURCE_ROOT, file)),
      [],
    );
  });

  it('documents every reason in docs/errors.md, and no other', () => {
    const text = readFileSync(join(PROJECT_ROOT, 'docs', 'errors.md'), 'utf8');
    const documented = [...text.matchAll(/^### ([A-Z_]+)$/gm)].map((match) => match[1]!);
    assert.deepEqual(documented.sort(), Object.keys(REASONS).sort());
  });

  it('uses every reason somewhere', () => {
    const source = files
      .filter((file) => !file.endsWith('base/errors.ts'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    const unused = Object.keys(REASONS).filter((reason) => !source.includes(`'${reason}'`));
    assert.deepEqual(unused, []);
  });

  it('gives every route a policy row, a summary and one meaning per path and method', () => {
    const seen = new Set<string>();
    for (const [id, route] of Object.entries(ROUTES)) {
      assert.ok(['anonymous', 'viewer', 'operator', 'approver', 'owner'].includes(route.access), id);
      assert.ok(route.summary.length > 0, id);
      assert.equal(route.safe, route.method === 'GET', `${id}: only reads are safe to repeat`);
      const key = `${route.method} ${route.path}`;
      assert.ok(!seen.has(key), key);
      seen.add(key);
    }
  });
});
