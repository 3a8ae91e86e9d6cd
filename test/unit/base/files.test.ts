import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, link, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../../../src/lib/base/files.js';
import { systemFs } from '../../../src/lib/base/system-fs.js';

const NOBODY = 65534;
const isRoot = process.geteuid?.() === 0;

describe('private files', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'palyra-files-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
  const refusedNaming = (path: string) => (error: { reason: string; detail: string; details: { path: string } }) =>
    error.reason === 'STATE_NOT_OWNED' && error.details.path === path && error.detail.includes(path);

  for (const umask of [0o000, 0o077, 0o177]) {
    it(`makes directories 0700 and files 0600 with umask ${umask.toString(8).padStart(3, '0')}`, async () => {
      const directory = join(root, 'state');
      const old = process.umask(umask);
      try {
        await ensurePrivateDirectory(directory);
        await writeFileAtomic(join(directory, 'key'), 'secret');
      } finally {
        process.umask(old);
      }
      assert.equal(await modeOf(directory), 0o700);
      assert.equal(await modeOf(join(directory, 'key')), 0o600);
    });
  }

  it('makes parents too, and is content with a directory that is right already', async () => {
    const directory = join(root, 'a', 'b', 'c');
    await ensurePrivateDirectory(directory);
    await ensurePrivateDirectory(`${directory}/`);
    assert.equal(await modeOf(join(root, 'a')), 0o700);
  });

  it('narrows a directory that others could enter', async () => {
    const directory = join(root, 'open');
    await mkdir(directory);
    await chmod(directory, 0o777);
    await ensurePrivateDirectory(directory);
    assert.equal(await modeOf(directory), 0o700);
  });

  it('refuses a symbolic link in the place of the directory, also with a slash behind it', async () => {
    const real = join(root, 'real');
    const alias = join(root, 'alias');
    await mkdir(real, { mode: 0o755 });
    await symlink(real, alias);
    await assert.rejects(ensurePrivateDirectory(alias), refusedNaming(alias));
    await assert.rejects(ensurePrivateDirectory(`${alias}/`), refusedNaming(alias));
    await symlink(join(root, 'nowhere'), join(root, 'dangling'));
    await assert.rejects(ensurePrivateDirectory(join(root, 'dangling')), refusedNaming(join(root, 'dangling')));
    assert.equal(await modeOf(real), 0o755, 'nothing behind the link was changed');
  });

  it('refuses a file in the place of the directory', async () => {
    const path = join(root, 'file');
    await writeFile(path, '');
    await assert.rejects(ensurePrivateDirectory(path), refusedNaming(path));
    await assert.rejects(ensurePrivateDirectory(join(path, 'below')), { reason: 'STATE_NOT_OWNED' });
  });

  it('refuses a directory and a file of another user', async function () {
    if (!isRoot) this.skip();
    const directory = join(root, 'foreign');
    await mkdir(directory, { mode: 0o700 });
    await chown(directory, NOBODY, NOBODY);
    await assert.rejects(ensurePrivateDirectory(directory), refusedNaming(directory));
    const file = join(root, 'foreign-file');
    await writeFile(file, 'x', { mode: 0o600 });
    await chown(file, NOBODY, NOBODY);
    await assert.rejects(readPrivateFile(file), refusedNaming(file));
    await assert.rejects(systemFs.open(file), refusedNaming(file));
    assert.equal((await stat(directory)).uid, NOBODY, 'nothing is repaired');
  });

  it('gives null for a missing file and the bytes of a private one', async () => {
    const path = join(root, 'key');
    assert.equal(await readPrivateFile(path), null);
    await writeFileAtomic(path, Buffer.from([0, 255]));
    assert.deepEqual(await readPrivateFile(path), Buffer.from([0, 255]));
  });

  for (const mode of [0o644, 0o640, 0o620, 0o602]) {
    it(`refuses a file of mode ${mode.toString(8)}`, async () => {
      const path = join(root, 'key');
      await writeFile(path, 'secret');
      await chmod(path, mode);
      await assert.rejects(readPrivateFile(path), refusedNaming(path));
    });
  }

  it('refuses a symbolic link, a directory and a FIFO in the place of a file, without waiting', async () => {
    const target = join(root, 'target');
    await writeFile(target, 'x', { mode: 0o600 });
    await symlink(target, join(root, 'link'));
    await mkdir(join(root, 'directory'), { mode: 0o700 });
    execFileSync('mkfifo', ['-m', '600', join(root, 'fifo')]);
    for (const name of ['link', 'directory', 'fifo']) {
      await assert.rejects(readPrivateFile(join(root, name)), refusedNaming(join(root, name)), name);
      await assert.rejects(systemFs.open(join(root, name)), refusedNaming(join(root, name)), name);
    }
  });

  it('refuses to append to a file with a second name', async () => {
    const path = join(root, 'journal');
    await writeFile(path, 'x', { mode: 0o600 });
    await link(path, join(root, 'elsewhere'));
    await assert.rejects(systemFs.open(path), refusedNaming(path));
  });

  it('replaces a link, never what it points to', async () => {
    const victim = join(root, 'victim');
    const path = join(root, 'key');
    await writeFile(victim, 'untouched');
    await symlink(victim, path);
    await writeFileAtomic(path, 'mine');
    assert.equal(await readFile(victim, 'utf8'), 'untouched');
    assert.deepEqual(await readPrivateFile(path), Buffer.from('mine'));
  });

  it('leaves one whole content and nothing else when many write the same file at once', async () => {
    const path = join(root, 'key');
    const contents = Array.from({ length: 20 }, (_, n) => String(n).repeat(10_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    assert.ok(contents.includes(await readFile(path, 'utf8')));
    assert.deepEqual(await readdir(root), ['key']);
  });

  it('says what failed when the directory is missing', async () => {
    await assert.rejects(writeFileAtomic(join(root, 'none', 'key'), 'x'), {
      reason: 'STORAGE_FAILED',
      detail: /ENOENT/,
    });
  });
});
