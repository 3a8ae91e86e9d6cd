import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, readdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireLock } from '../../../src/lib/base/lock.js';
import { bundled } from '../../support/bundled.js';

const HOLDER = fileURLToPath(new URL('../../support/lock-holder.ts', import.meta.url));

describe('the lock of a state directory', () => {
  let holder: string;
  let root: string;
  let directory: string;
  const children: ChildProcess[] = [];

  before(() => {
    holder = bundled(HOLDER);
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'palyra-lock-'));
    directory = await mkdtemp(join(root, 'state-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    await rm(root, { recursive: true });
  });

  const kill = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const start = async (path = directory): Promise<{ child: ChildProcess; said: string }> => {
    const child = spawn(process.execPath, [holder, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    return { child, said: text.toString().trim() };
  };
  const lockedBy =
    (pid: number | undefined) => (error: { reason: string; details: { pid: number }; detail: string }) => {
      assert.equal(error.reason, 'STATE_LOCKED');
      assert.equal(error.details.pid, pid);
      assert.ok(error.detail.includes(String(pid)) && error.detail.includes(directory));
      return true;
    };

  it('refuses the same process a second time, and gives the lock back', async () => {
    const release = await acquireLock(directory);
    await assert.rejects(acquireLock(directory), lockedBy(process.pid));
    await release();
    await release();
    assert.deepEqual(await readdir(directory), []);
    const again = await acquireLock(directory);
    await again();
  });

  it('names the holder in a file of mode 0600', async () => {
    const release = await acquireLock(directory);
    const path = join(directory, 'lock');
    assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await release();
  });

  it('lets go when the holder is killed, and not when it is only stopped', async function () {
    this.timeout(60_000);
    const { child, said } = await start();
    assert.equal(said, 'locked');
    await assert.rejects(acquireLock(directory), lockedBy(child.pid));
    child.kill('SIGSTOP');
    const before = await readFile(join(directory, 'lock'), 'utf8');
    const started = performance.now();
    await assert.rejects(acquireLock(directory), lockedBy(child.pid));
    assert.ok(performance.now() - started < 1_000);
    assert.equal(await readFile(join(directory, 'lock'), 'utf8'), before, 'the loser changed nothing');
    await kill(child);
    assert.ok((await readdir(directory)).includes('lock'), 'the killed holder left its file');
    const release = await acquireLock(directory);
    await release();
  });

  it('has one winner in a race of processes', async function () {
    this.timeout(60_000);
    const outcomes = await Promise.all([start(), start(), start()]);
    assert.deepEqual(outcomes.map(({ said }) => said).sort(), ['STATE_LOCKED', 'STATE_LOCKED', 'locked']);
  });

  it('has one winner in a race inside one process', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => acquireLock(directory)));
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    assert.equal(won.length, 1);
    await (won[0] as PromiseFulfilledResult<() => Promise<void>>).value();
  });

  it('follows the directory, whatever name leads to it, and does not hold for a copy', async () => {
    const release = await acquireLock(directory);
    await symlink(directory, join(root, 'alias'));
    await assert.rejects(acquireLock(join(root, 'alias')), { reason: 'STATE_LOCKED' });
    await rename(directory, join(root, 'moved'));
    await assert.rejects(acquireLock(join(root, 'moved')), { reason: 'STATE_LOCKED' });
    await rename(join(root, 'moved'), directory);
    const copy = join(root, 'copy');
    await cp(directory, copy, { recursive: true });
    const releaseCopy = await acquireLock(copy);
    await releaseCopy();
    await release();
  });

  it('is not confused by what a dead or reborn process left in the file', async () => {
    const release = await acquireLock(directory);
    const own = JSON.parse(await readFile(join(directory, 'lock'), 'utf8')) as Record<string, unknown>;
    await release();
    const leftovers = [
      '',
      'null',
      '{"pid":"1"}',
      JSON.stringify({ ...own, pid: 2 ** 22 + 1 }),
      // A live pid, but started at another time, or before the last boot: the number was used again.
      JSON.stringify({ ...own, pid: process.ppid, startTicks: '1' }),
      JSON.stringify({ ...own, pid: process.ppid, bootId: 'another' }),
    ];
    for (const text of leftovers) {
      await writeFile(join(directory, 'lock'), text, { mode: 0o600 });
      const again = await acquireLock(directory);
      await again();
    }
  });

  it('refuses a symbolic link in the place of the file and leaves its target alone', async () => {
    const victim = join(root, 'victim');
    await writeFile(victim, 'untouched', { mode: 0o600 });
    await symlink(victim, join(directory, 'lock'));
    await assert.rejects(acquireLock(directory), { reason: 'STATE_NOT_OWNED' });
    assert.equal(await readFile(victim, 'utf8'), 'untouched');
    await unlink(join(directory, 'lock'));
    const release = await acquireLock(directory);
    await release();
  });

  it('says what is wrong when there is no directory', async () => {
    await assert.rejects(acquireLock(join(root, 'none')), { reason: 'STORAGE_FAILED' });
  });
});
