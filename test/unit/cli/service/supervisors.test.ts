/** Supervisors of other systems, told what to do through a port that plays their programs; and the identity of processes, with the real ones. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FileChanges } from '../../../../src/lib/cli/service/file-changes.js';
import { LaunchdSupervisor } from '../../../../src/lib/cli/service/launchd-supervisor.js';
import { ensureLingering, lingeringOf } from '../../../../src/lib/cli/service/lingering.js';
import { identityOfProcess } from '../../../../src/lib/cli/service/process-identity.js';
import {
  TIMED_OUT,
  runProgram,
  type ProgramResult,
  type RunProgram,
} from '../../../../src/lib/cli/service/programs.js';
import { serviceSpec } from '../../../../src/lib/cli/service/service-spec.js';
import { serviceSentence, viewService } from '../../../../src/lib/cli/service/service-view.js';
import type { Supervisor } from '../../../../src/lib/cli/service/supervisor.js';
import { SystemdSupervisor } from '../../../../src/lib/cli/service/systemd-supervisor.js';
import { TaskSupervisor } from '../../../../src/lib/cli/service/task-supervisor.js';
import { temporaryDirectory } from '../../../support/temporary.js';

const DONE: ProgramResult = { code: 0, stdout: '', stderr: '' };

/** Plays programs: each call is written down, and the first answer whose pattern matches is given. */
function played(answers: readonly [RegExp, Partial<ProgramResult>][]): { run: RunProgram; calls: string[] } {
  const calls: string[] = [];
  const run: RunProgram = async (program, words) => {
    const call = [program, ...words].join(' ');
    calls.push(call);
    return { ...DONE, ...answers.find(([pattern]) => pattern.test(call))?.[1] };
  };
  return { run, calls };
}

describe('supervisors', () => {
  const home = temporaryDirectory();
  const spec = (platform: NodeJS.Platform) =>
    serviceSpec({ role: 'node', data: join(home(), 'data'), logs: join(home(), 'logs'), home: null, platform });
  const write = async (supervisor: Supervisor) => {
    const changes = new FileChanges();
    for (const file of await supervisor.files()) changes.write(file);
  };

  it('launchd: loads the agent once, starts it, unloads it', async () => {
    let loaded = false;
    const { run, calls } = played([]);
    const launchctl: RunProgram = async (program, words) => {
      await run(program, words);
      if (words[0] === 'print')
        return loaded ? { ...DONE, stdout: '\tstate = running\n\tpid = 4121\n\truns = 3\n' } : { ...DONE, code: 113 };
      if (words[0] === 'bootstrap') loaded = true;
      if (words[0] === 'bootout') loaded = false;
      return DONE;
    };
    const agent = new LaunchdSupervisor(launchctl, { spec: spec('darwin'), home: home(), uid: 501 });
    assert.equal(agent.isInstalled(), false);
    await write(agent);
    assert.equal(agent.place, join(home(), 'Library', 'LaunchAgents', 'dev.palyra.node.plist'));
    assert.equal(agent.isInstalled(), true);
    await agent.register();
    await agent.start();
    const state = await agent.state();
    assert.deepEqual([state.running, state.pid, state.restarts], [true, 4121, 2]);
    await agent.unregister();
    await agent.stop();
    assert.deepEqual(
      calls.filter((call) => !call.includes('print')),
      [
        'launchctl enable gui/501/dev.palyra.node',
        `launchctl bootstrap gui/501 ${agent.place}`,
        'launchctl kickstart gui/501/dev.palyra.node',
        'launchctl bootout gui/501/dev.palyra.node',
      ],
    );
    assert.equal((await agent.state()).running, false);
    assert.equal(await agent.survivesLogout(), false);
  });

  it('Task Scheduler: gives it the definition as UTF-16, runs it, ends it, deletes it', async () => {
    const { run, calls } = played([[/\/Query/, { stdout: '"DESK","\\palyra-node","N/A","Running","267009"\r\n' }]]);
    const task = new TaskSupervisor(run, { spec: spec('win32'), account: 'DESK\\eva' });
    await write(task);
    const bytes = readFileSync(task.place);
    assert.deepEqual([...bytes.subarray(0, 2)], [0xff, 0xfe]);
    assert.match(bytes.toString('utf16le'), /<ExecutionTimeLimit>PT0S<\/ExecutionTimeLimit>\r\n/);
    await task.register();
    await task.start();
    assert.equal((await task.state()).running, true);
    await task.unregister();
    assert.deepEqual(
      calls.filter((call) => !call.includes('/Query')),
      [
        `schtasks /Create /TN palyra-node /XML ${task.place} /F`,
        'schtasks /Run /TN palyra-node',
        'schtasks /End /TN palyra-node',
        'schtasks /Delete /TN palyra-node /F',
      ],
    );
  });

  const systemd = (answers: Parameters<typeof played>[0]) =>
    new SystemdSupervisor(played(answers).run, {
      spec: spec('linux'),
      scope: 'user',
      units: join(home(), 'units'),
      user: 'eva',
    });

  it('systemd: a unit waits for its service only where the service can say that it is ready', async () => {
    const missing = { code: 127 };
    const machines: readonly [Parameters<typeof played>[0], string][] = [
      [[[/^\/usr\/bin\/systemd-notify --version$/, { stdout: 'systemd 246 (246.1)\n+PAM\n' }]], 'notify'],
      [
        [
          [/^\/usr\/bin\/systemd-notify/, missing],
          [/^\/bin\/systemd-notify --version$/, { stdout: 'systemd 252 (252.39-1~deb12u2)\n' }],
        ],
        'notify',
      ],
      // It would end before its message is read, and the message be dropped.
      [[[/systemd-notify --version$/, { stdout: 'systemd 245 (245.4-4ubuntu3)\n' }]], 'exec'],
      [[[/systemd-notify/, missing]], 'exec'],
      [[[/systemd-notify/, { stdout: 'something else\n' }]], 'exec'],
    ];
    for (const [answers, type] of machines) {
      const [file] = await systemd(answers).files();
      assert.match(String(file?.text), new RegExp(`^Type=${type}$`, 'm'), JSON.stringify(answers));
    }
  });

  it('systemd: a service that ran and ended is for its log to explain; one that never ran is told at once', async () => {
    const failed = { code: 1, stderr: 'Job for palyra-node.service failed because the control process exited' };
    const start = (shown: string) =>
      systemd([
        [/ start /, failed],
        [/ show .*ExecMain/, { stdout: shown }],
      ]).start();
    await start('ExecMainCode=1\nExecMainStatus=78\n');
    await start('ExecMainCode=2\nExecMainStatus=9\n');
    for (const shown of ['ExecMainCode=1\nExecMainStatus=203\n', 'ExecMainCode=0\nExecMainStatus=0\n', '']) {
      await assert.rejects(start(shown), { reason: 'SERVICE_FAILED' }, JSON.stringify(shown));
    }
    await systemd([[/ start /, { code: TIMED_OUT }]]).start();
  });

  it('systemd: says nothing about when a service began that is still starting', async () => {
    const state = (active: string) =>
      systemd([
        [/ show /, { stdout: `ActiveState=${active}\nMainPID=7\nActiveEnterTimestamp=Sun 2026-11-22 14:36:11 UTC\n` }],
      ]).state();
    assert.equal((await state('active')).startedAt, Date.parse('2026-11-22T14:36:11Z'));
    const starting = await state('activating');
    assert.deepEqual([starting.running, starting.pid, starting.startedAt], [true, 7, null]);
  });

  it('say which program failed and what it said', async () => {
    const { run } = played([
      [/bootstrap|\/Create/, { code: 5, stderr: 'Input/output error\nmore\n' }],
      [/print/, { code: 113 }],
    ]);
    const agent = new LaunchdSupervisor(run, { spec: spec('darwin'), home: home(), uid: 501 });
    await assert.rejects(agent.start(), {
      reason: 'SERVICE_FAILED',
      detail: 'launchctl bootstrap gui/501 ended with 5: Input/output error',
    });
    const task = new TaskSupervisor(run, { spec: spec('win32'), account: 'eva' });
    await assert.rejects(task.register(), { reason: 'SERVICE_FAILED' });
  });

  it('tell by its start time and a boot that a service came back with the machine', async () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    const startedAt = now - 3 * 86_400_000;
    const supervisor = (restarts: number) =>
      ({
        name: 'systemd-user',
        place: '/u',
        state: async () => ({ enabled: true, running: true, pid: 1, startedAt, restarts }),
        survivesLogout: async () => true,
      }) as unknown as Supervisor;
    const sentence = async (restarts: number, bootedAt: number) =>
      serviceSentence((await viewService(supervisor(restarts), bootedAt))!, now);
    assert.equal(await sentence(0, startedAt - 30_000), 'user service, starts at boot · last restart 3 d ago (reboot)');
    assert.equal(
      await sentence(2, startedAt - 30_000),
      'user service, starts at boot · last restart 3 d ago (failure)',
    );
    assert.equal(await sentence(0, startedAt - 86_400_000), 'user service, starts at boot · started 3 d ago');
  });

  it('lingering: knows a machine without a login manager, and a user it does not know', async () => {
    const missing = await runProgram('palyra-no-such-program', []);
    assert.equal(missing.code, 127);
    assert.equal(await lingeringOf('eva', async () => missing), 'unknown');
    const stranger = played([
      [/show-user/, { code: 1, stderr: 'Failed to get user: User ID 1000 is not logged in or lingering' }],
    ]);
    assert.equal(await lingeringOf('eva', stranger.run), 'off');
    assert.equal(await ensureLingering('eva', stranger.run), 'refused');
  });

  it('a program that hangs is ended', async function () {
    if (process.platform === 'win32') this.skip();
    assert.equal((await runProgram('sleep', ['60'], 50)).code, 124);
  });

  for (const platform of ['linux', 'darwin'] as const) {
    it(`a process is told from another by its number and its start (as on ${platform})`, async function () {
      if (process.platform !== 'linux' && platform !== process.platform) this.skip();
      const child = spawn('sleep', ['60'], { stdio: 'ignore' });
      await once(child, 'spawn');
      const identity = await identityOfProcess(child.pid!, runProgram, platform);
      assert.ok(identity !== null && identity !== '');
      assert.equal(await identityOfProcess(child.pid!, runProgram, platform), identity);
      // On macOS the start is told in whole seconds: one that was surely started before.
      assert.notEqual(await identityOfProcess(1, runProgram, platform), identity);
      child.kill('SIGKILL');
      await once(child, 'exit');
      assert.equal(await identityOfProcess(child.pid!, runProgram, platform), null);
      assert.equal(await identityOfProcess(0, runProgram, platform), null);
    });
  }

  it('files: undo gives back what was there, and takes away the directories that were made', () => {
    const kept = join(home(), 'units', 'kept.service');
    mkdirSync(dirname(kept));
    writeFileSync(kept, 'mine', { mode: 0o640 });
    const changes = new FileChanges();
    changes.write({ path: kept, text: 'theirs', mode: 0o644 });
    changes.write({ path: join(home(), 'a', 'b', 'new'), text: 'x', mode: 0o700 });
    changes.write({ path: join(home(), 'a', 'other'), text: 'y', mode: 0o600 });
    assert.equal(changes.written.length, 3);
    const again = new FileChanges();
    again.write({ path: kept, text: 'theirs', mode: 0o644 });
    assert.deepEqual(again.written, []);
    changes.undo();
    assert.equal(readFileSync(kept, 'utf8'), 'mine');
    if (process.platform !== 'win32') assert.equal(statSync(kept).mode & 0o777, 0o640);
    assert.equal(existsSync(join(home(), 'a')), false);
    assert.deepEqual(readdirSync(home()), ['units']);
  });
});
