/** A node that is stuck ends, so that its supervisor starts it again; one that is well, or was only stopped for a while, does not. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../support/watched-process.ts', import.meta.url));

describe('the watchdog of a node', function () {
  this.timeout(60_000);
  let child: ChildProcess;

  const start = async (how: string) => {
    child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, how], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
    return once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  };
  afterEach(() => child.kill('SIGKILL'));

  it('ends a process whose event loop is blocked', async () => {
    assert.deepEqual(await start('block'), [null, 'SIGKILL']);
  });

  it('ends one with exit code 1 when a link that counts as up is silent', async () => {
    assert.deepEqual(await start('deaf'), [1, null]);
  });

  it('lets one go on that is well, also after it was stopped for longer than that', async () => {
    const starting = start('well');
    const stop = setTimeout(() => child.kill('SIGSTOP'), 2_500);
    const go = setTimeout(() => child.kill('SIGCONT'), 5_000);
    assert.deepEqual(await starting, [0, null]);
    clearTimeout(stop);
    clearTimeout(go);
  });
});
