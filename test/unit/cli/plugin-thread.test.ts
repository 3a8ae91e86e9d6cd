import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadScript } from '../../../src/lib/cli/plugins/load-capabilities.js';
import { PluginThread } from '../../../src/lib/cli/plugins/plugin-thread.js';

const script = threadScript(fileURLToPath(new URL('../../../', import.meta.url)));
const node = {};

/** The thread is the built one: run `npm run build` first. */
describe('the thread of a plugin', () => {
  let root: string;
  let thread: PluginThread;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'palyra-thread-'))));
  afterEach(async () => {
    await thread.close();
    rmSync(root, { recursive: true, force: true });
  });

  function start(run: string, loadWithinMs = 5_000): PluginThread {
    const text = `export default async () => ({ api: 1, capabilities: [{ name: 'a.b', run: ${run} }] });\n`;
    writeFileSync(join(root, 'hook.mjs'), text);
    const hooks = [{ target: './hook', identifier: 'default' }];
    thread = new PluginThread(
      { kind: 'capabilities', root, hooks, palyra: { version: '1.0.0' } },
      { script, loadWithinMs },
    );
    return thread;
  }

  const context = (signal = new AbortController().signal, progress: (value: unknown) => void = () => undefined) => ({
    input: { n: 1 },
    signal,
    progress,
    node,
  });

  it('hands input, progress and output over, and the abort with its reason', async () => {
    start(`async ({ input, progress, signal }) => {
      progress({ at: input.n });
      await new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }`);
    const registrations = JSON.parse(await thread.load()) as unknown[];
    assert.deepEqual(registrations, [{ api: 1, capabilities: [{ name: 'a.b', place: 0 }] }]);
    const controller = new AbortController();
    const seen: unknown[] = [];
    const running = thread.run(
      0,
      context(controller.signal, (value) => {
        seen.push(value);
        controller.abort(new Error('enough'));
      }),
    );
    await assert.rejects(running, /enough/);
    assert.deepEqual(seen, [{ at: 1 }]);
  });

  it('sends at most ten values of progress a second, whatever a plugin does', async () => {
    start('async ({ progress }) => { for (let n = 0; n < 100_000; n += 1) progress(n); return null; }');
    let count = 0;
    await thread.run(
      0,
      context(undefined, () => (count += 1)),
    );
    assert.ok(count >= 10 && count <= 30, String(count));
  });

  it('keeps name and code of what was thrown, and gives the plugin none of the secrets of the environment', async () => {
    process.env['PALYRA_TOKEN'] = 'canary';
    try {
      start(
        "async () => { throw Object.assign(new Error(String(process.env.PALYRA_TOKEN)), { name: 'CapabilityFailure', code: 'NO' }); }",
      );
      await assert.rejects(thread.run(0, context()), { name: 'CapabilityFailure', code: 'NO', message: 'undefined' });
    } finally {
      delete process.env['PALYRA_TOKEN'];
    }
  });

  it('fails the runs of a plugin that ends, starts it again for the next, and for nobody once it is closed', async () => {
    start("async ({ input }) => { if (input.n === 1) process.exit(4); return 'here'; }");
    await assert.rejects(thread.run(0, context()), /the plugin ended: it ended itself with exit code 4/);
    assert.equal(await thread.run(0, { ...context(), input: { n: 2 } }), 'here');
    await thread.close();
    await assert.rejects(thread.run(0, context()), /palyra stops/);
  });

  it('is bounded in time and memory', async () => {
    start('async () => null', 1);
    await assert.rejects(thread.load(), /did not load within 0.001 s/);
    start('async () => { const all = []; for (;;) all.push(new Array(1e5).fill(0)); }');
    await assert.rejects(thread.run(0, context()), /the plugin ended: .*memory/);
  });
});
