import assert from 'node:assert/strict';
import { PalyraError, REASONS, type Reason } from '../../../src/lib/base/errors.js';
import { EXIT_CODES } from '../../../src/lib/cli/exit-codes.js';
import { Output, wantsJson } from '../../../src/lib/cli/output.js';
import { toPalyraError } from '../../../src/lib/cli/usage-errors.js';

describe('output', () => {
  const create = (argv: string[], env = {}) => {
    const written = { stdout: '', stderr: '' };
    const stream = (name: 'stdout' | 'stderr') => ({
      write: (text: string) => {
        written[name] += text;
        return true;
      },
      isTTY: false,
    });
    return { output: new Output({ stdout: stream('stdout'), stderr: stream('stderr') }, argv, env), written };
  };

  it('writes one document with the warnings in it, and nothing else, under --json', () => {
    const { output, written } = create(['--json']);
    output.say('story');
    output.warn('careful');
    output.result('table');
    output.document({ schema: 'palyra.x/v1', a: 1 });
    output.document({ schema: 'palyra.y/v1' });
    output.fail(new PalyraError('INTERNAL'));
    assert.deepEqual(JSON.parse(written.stdout), { schema: 'palyra.x/v1', a: 1, warnings: ['careful'] });
    assert.equal(written.stderr, '');
  });

  it('keeps results and the story apart for people, and is short when quiet', () => {
    const { output, written } = create([]);
    output.result('table');
    output.done('it is so');
    output.quiet = true;
    output.say('more');
    output.warn('careful');
    assert.deepEqual(written, { stdout: 'table\n', stderr: '✓ it is so\n! careful\n' });
  });

  it('asks for JSON by flag or variable, not behind --', () => {
    assert.ok(wantsJson(['nodes', 'list', '--json'], {}));
    assert.ok(wantsJson([], { PALYRA_JSON: '1' }));
    assert.ok(!wantsJson([], { PALYRA_JSON: '0' }));
    assert.ok(!wantsJson(['nodes', 'invoke', 'pi', 'echo', '--', '--json'], {}));
  });

  it('gives every reason an exit code of the documented table', () => {
    const codes = EXIT_CODES.map(({ code }) => code);
    assert.equal(new Set(codes).size, codes.length);
    for (const reason of Object.keys(REASONS) as Reason[]) {
      assert.ok(codes.includes(new PalyraError(reason).exitCode), reason);
    }
  });

  it('never shows the cause but to somebody who asked for it', () => {
    const { output, written } = create([]);
    output.fail(new PalyraError('STORAGE_FAILED', { cause: new Error('private') }));
    assert.ok(!written.stderr.includes('private'));
    output.verbose = true;
    output.fail(new PalyraError('STORAGE_FAILED', { cause: new Error('private') }));
    assert.ok(written.stderr.includes('private'));
  });

  it('does not let an error message write escape sequences', () => {
    const { output, written } = create([]);
    output.fail(new PalyraError('NODE_NOT_FOUND', { detail: '\u001b[2J' }));
    assert.ok(!written.stderr.includes('\u001b'));
  });

  it('turns what nobody expected into INTERNAL and keeps what has a reason', () => {
    assert.equal(toPalyraError(new TypeError('x is undefined'), '', []).reason, 'INTERNAL');
    assert.equal(toPalyraError({ reason: 'QUEUE_FULL' }, '', []).reason, 'QUEUE_FULL');
    assert.equal(toPalyraError('a string', '', []).reason, 'INTERNAL');
  });
});
