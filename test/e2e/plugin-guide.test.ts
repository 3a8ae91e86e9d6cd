import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox } from '../support/palyra.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GUIDE = readFileSync(join(ROOT, 'docs', 'plugins.md'), 'utf8');
/** "`path`:" and the file below it. */
const FILES = [...GUIDE.matchAll(/^`([\w./-]+)`:\n\n```(?:js|json)\n([\s\S]*?)^```$/gm)];
const STEPS = [...GUIDE.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, text = '']) => text.trim().split('\n'));

describe('docs/plugins.md', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;
  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  it('quotes the worked example as it is', () => {
    assert.ok(FILES.length >= 4);
    for (const [, path = '', text = ''] of FILES) {
      const whole = readFileSync(join(ROOT, 'test/fixtures/plugin-acme', path), 'utf8');
      assert.equal(text, whole, path);
    }
  });

  it('has steps that work, in a folder with the quoted files and what stands for the device', async () => {
    const folder = sandbox.home('acme');
    const sensor = readFileSync(join(ROOT, 'test/fixtures/plugin-acme/lib/sensor.js'), 'utf8');
    for (const [path, text] of [...FILES.map(([, path = '', text = '']) => [path, text]), ['lib/sensor.js', sensor]]) {
      mkdirSync(dirname(join(folder, path!)), { recursive: true });
      writeFileSync(join(folder, path!), text!);
    }
    await sandbox.startDaemon({ home: 'machine' });
    const ran: string[] = [];
    for (const step of STEPS) {
      const [program = '', ...words] = step.split(' ');
      ran.push(words.slice(0, 2).join(' '));
      if (program === 'npm') {
        npm(folder, words);
        continue;
      }
      assert.equal(program, 'palyra', step);
      if (words[0] === 'nodes') await pairHere();
      const done = await sandbox.run(words, { home: 'machine', cwd: folder });
      assert.equal(done.code, 0, `${step}\n${done.stdout}${done.stderr}`);
    }
    assert.deepEqual([...ran].filter((step) => step.startsWith('plugins')).sort(), [
      'plugins inspect',
      'plugins install',
      'plugins link',
      'plugins list',
      'plugins uninstall',
    ]);
  });

  /** The node of the same machine, under the name the guide uses. */
  async function pairHere(): Promise<void> {
    const { document } = await sandbox.json(['node', 'pair', '--name', 'pi-lab'], { home: 'machine' });
    await sandbox.startNode('machine', [document.invite.link]);
  }

  function npm(cwd: string, words: readonly string[]): void {
    if (words[0] === 'install') {
      // What it would fetch: this palyra, and the oclif it depends on.
      for (const [name, target] of [
        ['palyra', ROOT],
        ['@oclif/core', join(ROOT, 'node_modules/@oclif/core')],
      ]) {
        const path = join(cwd, 'node_modules', name!);
        mkdirSync(dirname(path), { recursive: true });
        symlinkSync(target!, path, 'junction');
      }
      return;
    }
    const env = { ...process.env, npm_config_offline: 'true' };
    try {
      execFileSync('npm', [...words], { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`npm ${words.join(' ')}\n${stdout}${stderr}`, { cause: error });
    }
  }
});
