/** What others write while a screen is up: kept in order, bounded, and written once. */
import assert from 'node:assert/strict';
import { holdForeignOutput } from '../../../src/lib/cli/foreign-output.js';

describe('Output of others', () => {
  const { stdout, stderr } = process;
  const own = [stdout.write.bind(stdout), stderr.write.bind(stderr)] as const;
  const giveBack = () => {
    stdout.write = own[0];
    stderr.write = own[1];
  };
  let written = '';
  beforeEach(() => {
    written = '';
    const take = (chunk: string | Uint8Array) => {
      written += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    };
    stdout.write = take;
    stderr.write = take;
  });
  afterEach(giveBack);

  it('waits for the release, which may come twice; what is written to the screen does not', async () => {
    const held = holdForeignOutput();
    stdout.write('one ');
    await new Promise<void>((resolve) => stderr.write('two ', () => resolve()));
    held.write('screen ');
    const before = written;
    held.release();
    held.release();
    stdout.write('three');
    const after = written;
    giveBack();
    assert.deepEqual([before, after], ['screen ', 'screen one two three']);
  });

  it('is bounded, and says what is missing', () => {
    const held = holdForeignOutput();
    stderr.write('x'.repeat(60_000));
    stderr.write('y'.repeat(60_000));
    stderr.write('z');
    held.release();
    const all = written;
    giveBack();
    assert.equal(all.length < 61_000, true);
    assert.match(all, /^x+z\(60000 more bytes were written meanwhile and are not kept\)\n$/);
  });

  it('takes warnings of Node too, and gives their printers back', async () => {
    const printers = process.rawListeners('warning');
    const seen: string[] = [];
    const printer = (warning: Error) => seen.push(warning.message);
    process.on('warning', printer);
    const held = holdForeignOutput();
    process.emitWarning('on purpose', { code: 'PALYRA_TEST' });
    await new Promise((resolve) => setImmediate(resolve));
    const before = [...seen];
    for (const one of printers) process.off('warning', one as () => void);
    held.release();
    const after = [...seen];
    process.removeAllListeners('warning');
    for (const one of printers) process.on('warning', one as () => void);
    giveBack();
    assert.deepEqual([before, after], [[], ['on purpose']]);
  });
});
