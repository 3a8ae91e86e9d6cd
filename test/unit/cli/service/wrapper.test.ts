/** The wrapper for POSIX, really run by /bin/sh; what stands in for Node says that it was started and with which words. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { WrapperPlan } from '../../../../src/lib/cli/service/wrapper-plan.js';
import { shellWrapper } from '../../../../src/lib/cli/service/wrapper-sh.js';
import { temporaryDirectory } from '../../../support/temporary.js';

describe('the wrapper of a service', function () {
  this.timeout(30_000);
  if (process.platform === 'win32') return;
  const home = temporaryDirectory();
  const at = (...path: string[]) => join(home(), ...path);

  const script = (path: string, lines: readonly string[]) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${lines.join('\n')}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  /** `old`: it refuses the question about its version. */
  const fakeNode = (path: string, kind: 'new' | 'old' = 'new') =>
    script(path, [
      '#!/bin/sh',
      `[ "$1" = -e ] && exit ${kind === 'new' ? 0 : 1}`,
      'echo "node=$0"',
      'for word; do echo "word=$word"; done',
    ]);
  const fakePalyra = (path: string) => script(path, ['#!/usr/bin/env node']);
  const plan = (changes: Partial<WrapperPlan> = {}): WrapperPlan => ({
    role: 'node',
    node: at('recorded', 'bin', 'node'),
    entry: at('recorded', 'lib', 'node_modules', 'palyra', 'bin', 'run.js'),
    words: ['node', 'run', '--log-file', "/tmp/it's here/$HOME.log"],
    environment: {},
    endsQuietlyWhenFinal: false,
    ...changes,
  });
  const start = (text: string, path = '/nowhere') => {
    const wrapper = script(at('palyra-node'), [text]);
    const { status, stdout, stderr } = spawnSync('/bin/sh', [wrapper], {
      env: { HOME: at('user'), PATH: path },
      encoding: 'utf8',
    });
    return { status, lines: stdout.trim().split('\n'), stderr };
  };
  /** A machine's own Node in /usr/bin would be found in the end; the tests are about what comes before. */
  const only = (text: string) => text.replace(/ {2}\/(opt|usr)\S+( \\)?;? ?/g, '').replace(/ \\\n+do/, '; do');

  it('starts what was recorded, with every word as it was', () => {
    const { node, entry, words } = plan();
    fakeNode(node);
    fakePalyra(entry);
    const { status, lines } = start(shellWrapper(plan()));
    assert.equal(status, 0);
    assert.deepEqual(lines, [`node=${node}`, ...[entry, ...words].map((word) => `word=${word}`)]);
  });

  it('finds both after Node and the global prefix have moved', () => {
    fakeNode(plan().node);
    fakePalyra(plan().entry);
    const versions = at('user', '.nvm', 'versions', 'node');
    mkdirSync(versions, { recursive: true });
    renameSync(at('recorded'), join(versions, 'v22.22.0'));
    const { lines } = start(shellWrapper(plan()));
    assert.equal(lines[0], `node=${join(versions, 'v22.22.0', 'bin', 'node')}`);
    assert.equal(lines[1], `word=${join(versions, 'v22.22.0', 'lib', 'node_modules', 'palyra', 'bin', 'run.js')}`);
  });

  it('takes PATH before the usual places, and passes over a Node that is too old', () => {
    fakeNode(at('recorded', 'bin', 'node'), 'old');
    fakeNode(at('path', 'node'));
    fakeNode(at('user', '.volta', 'bin', 'node'));
    fakePalyra(plan().entry);
    assert.equal(start(shellWrapper(plan()), at('path')).lines[0], `node=${at('path', 'node')}`);
    fakeNode(at('path', 'node'), 'old');
    assert.equal(start(shellWrapper(plan()), at('path')).lines[0], `node=${at('user', '.volta', 'bin', 'node')}`);
  });

  it('takes the palyra on PATH through its link, but not a script of a package manager', () => {
    fakeNode(plan().node);
    const real = fakePalyra(at('elsewhere', 'palyra', 'bin', 'run.js'));
    mkdirSync(at('path'));
    symlinkSync(real, at('path', 'palyra'));
    assert.equal(start(shellWrapper(plan()), at('path')).lines[1], `word=${at('path', 'palyra')}`);
    rmSync(at('path', 'palyra'));
    script(at('path', 'palyra'), ['#!/bin/sh', 'exec node "$@"']);
    const pnpm = fakePalyra(
      at('user', '.local', 'share', 'pnpm', 'global', '5', 'node_modules', 'palyra', 'bin', 'run.js'),
    );
    assert.equal(start(shellWrapper(plan()), at('path')).lines[1], `word=${pnpm}`);
  });

  it('says what is missing and where it was, with the exit code that is not answered by a restart', () => {
    const noNode = start(only(shellWrapper(plan())));
    assert.equal(noNode.status, 78, noNode.stderr);
    assert.match(
      noNode.stderr,
      /^palyra: no Node 20\.19 or newer was found\. It was at .*recorded\/bin\/node;.*palyra node start\n$/,
    );
    fakeNode(plan().node);
    const noPalyra = start(only(shellWrapper(plan())));
    assert.equal(noPalyra.status, 78, noPalyra.stderr);
    assert.match(noPalyra.stderr, /^palyra: palyra itself was not found\. .*npm i -g palyra.*palyra node install\n$/);
  });

  it('hides 78 from launchd, passes every other code and the signals on', async () => {
    const text = shellWrapper(plan({ endsQuietlyWhenFinal: true }));
    fakePalyra(plan().entry);
    const ending = (code: number) => script(plan().node, ['#!/bin/sh', '[ "$1" = -e ] && exit 0', `exit ${code}`]);
    ending(78);
    assert.equal(start(text).status, 0);
    ending(9);
    assert.equal(start(text).status, 9);
    script(plan().node, [
      '#!/bin/sh',
      '[ "$1" = -e ] && exit 0',
      // By its whole path: there is no PATH here. It goes on until the signal comes back.
      '/bin/sleep 20 &',
      'trap "kill $!; exit 143" TERM',
      'kill -TERM $PPID',
      'wait',
    ]);
    assert.equal(start(text).status, 143);
  });
});
