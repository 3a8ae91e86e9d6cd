/** A command that must fail: run for people and as a document, and both say the same, in one line, with the next step and the documented exit code. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { assertDocument } from './document-schemas.js';
import type { Document, RunOptions, Sandbox } from './palyra.js';

export interface Refusal {
  readonly reason: string;
  readonly exit: number;
  /** What the message must say about this very case. */
  readonly says?: RegExp;
  readonly hints?: RegExp;
}

const documented = new Map(
  [
    ...readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').matchAll(
      /^### (\w+)\n[^]*?^exit (\d+)/gm,
    ),
  ].map(([, reason, exit]) => [reason!, Number(exit)]),
);

/** The error of the document. */
export async function assertRefused(
  sandbox: Sandbox,
  args: readonly string[],
  expected: Refusal,
  options: RunOptions = {},
): Promise<Document> {
  const told = args.join(' ');
  const { code, document } = await sandbox.json(args, options);
  const text = JSON.stringify(document);
  assert.equal(document.error?.code, expected.reason, `${told}: ${text}`);
  assertDocument(document);
  const { exitCode, message, hint } = document.error as { exitCode: number; message: string; hint: string };
  assert.deepEqual([code, exitCode, documented.get(expected.reason)], Array(3).fill(expected.exit), `${told}: ${text}`);
  assert.ok(!message.includes('\n') && !hint.includes('\n'), text);
  assert.match(message, expected.says ?? /./);
  assert.match(hint, expected.hints ?? /./);

  const people = await sandbox.run(args, options);
  assert.equal(people.code, expected.exit, `${told}: ${people.stderr}`);
  assert.equal(people.stdout, '', told);
  assert.equal(people.stderr.match(/^✗ /gm)?.length, 1, people.stderr);
  // Process ids and addresses may differ from run to run; everything else may not.
  const steady = (words: string) => words.replace(/\d+/g, '0');
  assert.ok(steady(people.stderr).endsWith(steady(`✗ ${message}\n  ${hint}\n`)), `${people.stderr}\n${text}`);
  assert.doesNotMatch(people.stderr, /\n\s+at .*:\d+:\d+/, 'no stack');
  return document.error;
}
