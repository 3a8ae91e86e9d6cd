/** Node and daemon as services of a real systemd user manager: over kills, refusals and reboots. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { canTellReady } from '../../src/lib/cli/service/notify-program.js';
import { runProgram } from '../../src/lib/cli/service/programs.js';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { processesBelow } from '../support/processes.js';
import { filesBelow } from '../support/service-sandbox.js';
import { stepByStep } from '../support/step-by-step.js';
import { UserManager } from '../support/user-manager.js';

/** What the unit says, and what a busy machine adds. */
const RESTART_MS = 5_000;

/** Systemd, processes that start and what a busy machine adds. */
const PATIENT_MS = 40_000;
/** A program counts as started within a few; Node alone needs more before it runs anything of ours. */
const NODE_STARTS_MS = 40;

describe('services of a real user manager', function () {
  this.timeout(120_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let manager: UserManager;
  let daemon: LiveDaemon;
  let ports: string;
  let daemonUnit: string;
  let unit: string;
  let invite: Document;
  const run = (home: string, ...args: string[]) =>
    sandbox.json(args, { home, env: { ...manager.env, A_TOKEN: 'of the shell' }, timeoutMs: 60_000 });
  const node = (...args: string[]) => run('pi', 'node', ...args);
  const portsOf = (document: Document) => JSON.stringify(document.listen);
  let tellsReady: boolean;
  /** The settings of the daemon's unit that differ, beside the unit, as an administrator changes them. */
  const change = (...settings: string[]) => {
    const directory = join(manager.units, `${daemonUnit}.d`);
    rmSync(directory, { recursive: true, force: true });
    if (settings.length > 0) mkdirSync(directory);
    if (settings.length > 0) writeFileSync(join(directory, 'test.conf'), ['[Service]', ...settings, ''].join('\n'));
    manager.systemctl('daemon-reload');
    manager.systemctl('restart', daemonUnit);
  };
  const statusOf = (of: string) => manager.property(of, 'StatusText');
  const isDaemon = (...states: string[]) => states.includes(manager.property(daemonUnit, 'ActiveState'));
  /** NaN for a unit that is not there. */
  const mainPid = (of: string) => Number(manager.property(of, 'MainPID') || NaN);

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    const started = await UserManager.start(sandbox);
    if (started === null) this.skip();
    manager = started;
    tellsReady = await canTellReady(runProgram);
    if (!tellsReady)
      process.stderr.write('    no systemd-notify of 246 or newer: readiness and watchdog are not tested here\n');
  });
  after(async () => {
    await manager?.shutDown();
    await sandbox?.dispose();
  });

  it('takes a daemon over from the background, where it listens', async () => {
    const started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    ports = portsOf((await run('daemon', 'daemon', 'status')).document);
    const { code, document } = await run('daemon', 'daemon', 'install');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.service.manager, 'systemd-user');
    daemonUnit = basename(document.service.unit as string);
    assert.equal(mainPid(daemonUnit), document.pid);
    assert.equal(portsOf((await run('daemon', 'daemon', 'status')).document), ports);
  });

  it('installs a node that is online when the command ends, with nothing of the shell in its environment', async () => {
    invite = await sandbox.invite(['--name', 'pi-lab']);
    const { code, document } = await node('install', invite.link);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    unit = basename(document.service.unit as string);
    assert.deepEqual([document.service.manager, document.service.enabled], ['systemd-user', true]);
    assert.equal(manager.property(unit, 'UnitFileState'), 'enabled');
    assert.equal(mainPid(unit), document.pid);
    assert.match(
      readFileSync(`/proc/${document.pid}/cgroup`, 'utf8'),
      new RegExp(`/${unit.replaceAll('.', '\\.')}$`, 'm'),
    );
    const seen = processesBelow(sandbox.home('pi'));
    assert.deepEqual(
      seen.map(({ pid, environment }) => [pid, environment['A_TOKEN']]),
      [[document.pid, undefined]],
    );
    assert.equal((await sandbox.json(['nodes', 'show', 'pi-lab'])).document.node.presence, 'online');
    assert.ok((await node('logs')).document.entries.some((entry: { msg: string }) => entry.msg === 'online'));
  });

  it('starts both again after kill -9', async () => {
    for (const [home, of] of [
      ['pi', unit],
      ['daemon', daemonUnit],
    ] as const) {
      const before = mainPid(of);
      assert.ok(before > 1, `${of} runs`);
      process.kill(before, 'SIGKILL');
      await eventually(() => ![0, before].includes(mainPid(of)), `${of} runs again`, PATIENT_MS);
      assert.equal(manager.property(of, 'NRestarts'), '1');
      await eventually(
        async () => (await run(home, home === 'pi' ? 'node' : 'daemon', 'status')).code === 0,
        `${home} answers`,
        PATIENT_MS,
      );
    }
    assert.equal(portsOf((await run('daemon', 'daemon', 'status')).document), ports);
    await daemon.nodeWhen('pi-lab', 'online', 30_000);
  });

  it('stops, starts and restarts through the manager, and says what it did', async () => {
    for (const [verb, changed, state] of [
      ['stop', true, 'inactive'],
      ['stop', false, 'inactive'],
      ['start', true, 'active'],
      ['start', false, 'active'],
      ['restart', true, 'active'],
    ] as const) {
      const { code, document } = await node(verb);
      assert.equal(code, 0, JSON.stringify(document));
      assertDocument(document);
      assert.deepEqual([document.changed, manager.property(unit, 'ActiveState')], [changed, state], verb);
    }
    const { document } = await node('status');
    assert.deepEqual([document.service.running, document.process.pid], [true, mainPid(unit)]);
  });

  it('says why a service ended before it was ready, with the end of its log', async () => {
    assert.equal((await node('stop')).code, 0);
    const identity = join(sandbox.home('pi'), 'state', 'node', 'identity.json');
    renameSync(identity, `${identity}.away`);
    const started = await sandbox.run(['node', 'start'], { home: 'pi', env: manager.env, timeoutMs: 60_000 });
    renameSync(`${identity}.away`, identity);
    assert.equal(started.code, 1, started.stderr);
    assert.match(started.stderr, /This machine is not paired[^]*The service ended right after it was started/);
    assert.equal(manager.property(unit, 'ExecMainStatus'), '78');
    assert.equal((await node('start')).code, 0);
  });

  it('takes a daemon for started when it listens, not before, and shows what it is about', async function () {
    if (!tellsReady) this.skip();
    manager.systemctl('stop', daemonUnit);
    manager.systemctl('start', '--no-block', daemonUnit);
    await eventually(() => isDaemon('active'), 'the unit is active', PATIENT_MS);
    for (const { url } of JSON.parse(ports) as { url: string }[]) {
      const { port, pathname, protocol } = new URL(url);
      const socket = protocol === 'unix:' ? connect(pathname) : connect(Number(port), '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    }
    const at = (name: string) => Number(manager.property(daemonUnit, name));
    const startedForMs = (at('ActiveEnterTimestampMonotonic') - at('InactiveExitTimestampMonotonic')) / 1_000;
    assert.ok(startedForMs > NODE_STARTS_MS, `active after ${startedForMs} ms`);
    assert.match(statusOf(daemonUnit), /^[01] of 1 nodes connected; listens on https:\/\/127\.0\.0\.1:\d+$/);
    assert.match(statusOf(unit), /^pi-lab: \w+ .*to \S+/);
  });

  it('kills a daemon that stands still and starts it again, and leaves one alone that is well', async function () {
    if (!tellsReady) this.skip();
    change('WatchdogSec=10', 'RestartSec=1');
    const pings = () => manager.property(daemonUnit, 'WatchdogTimestampMonotonic');
    const ready = pings();
    await eventually(() => pings() !== ready, 'a sign of life', PATIENT_MS);
    assert.equal(manager.property(daemonUnit, 'NRestarts'), '0');
    const before = mainPid(daemonUnit);
    process.kill(before, 'SIGSTOP');
    await eventually(() => manager.property(daemonUnit, 'Result') === 'watchdog', 'the watchdog bites', PATIENT_MS);
    await eventually(() => isDaemon('active') && mainPid(daemonUnit) !== before, 'it runs again', PATIENT_MS);
    assert.equal(manager.property(daemonUnit, 'NRestarts'), '1');
    assert.equal(portsOf((await run('daemon', 'daemon', 'status')).document), ports);
    assert.equal((await run('daemon', 'daemon', 'status')).code, 0);
  });

  it('lets a daemon wait for its dispatches longer than the unit says, when a person asked for that', async function () {
    if (!tellsReady) this.skip();
    change('TimeoutStopSec=3');
    assert.equal((await node('stop')).code, 0);
    const asked = ['nodes', 'invoke', 'pi-lab', 'echo', 'text=later', '--queue', '1h', '--no-wait'];
    const { document } = await sandbox.json(asked);
    const stopped = await run('daemon', 'daemon', 'stop', '--drain', '6s');
    assert.equal(stopped.code, 0, JSON.stringify(stopped.document));
    await eventually(() => isDaemon('inactive', 'failed'), 'it has stopped');
    assert.equal(manager.property(daemonUnit, 'Result'), 'success');
    change();
    assert.equal((await sandbox.json(['dispatches', 'cancel', document.dispatch.id])).code, 0);
    assert.equal((await node('start')).code, 0);
  });

  it('comes back after a reboot', async () => {
    const before = mainPid(unit);
    await manager.shutDown();
    assert.deepEqual(processesBelow(sandbox.directory), []);
    await manager.boot();
    await eventually(() => mainPid(unit) > 0 && mainPid(daemonUnit) > 0, 'both run', PATIENT_MS);
    await eventually(
      async () => (await run('daemon', 'daemon', 'status')).code === 0,
      'the daemon answers',
      PATIENT_MS,
    );
    assert.notEqual(mainPid(unit), before);
    await daemon.nodeWhen('pi-lab', 'online', 30_000);
    assert.equal(portsOf((await run('daemon', 'daemon', 'status')).document), ports);
    const { document } = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'echo', 'text=after']);
    assert.equal(document.dispatch.state, 'succeeded');
  });

  it('is not started again when a person must act: the machine was removed', async () => {
    assert.equal((await sandbox.json(['nodes', 'remove', 'pi-lab', '--yes'])).code, 0);
    await eventually(() => manager.property(unit, 'ActiveState') === 'failed', 'it has ended', PATIENT_MS);
    await pause(RESTART_MS + 1_000);
    assert.deepEqual(
      ['ActiveState', 'ExecMainStatus', 'NRestarts'].map((name) => manager.property(unit, name)),
      ['failed', '78', '0'],
    );
    const { document } = await node('status');
    assert.equal(document.service.running, false);
  });

  it('leaves nothing behind', async () => {
    assert.equal((await node('uninstall')).code, 0);
    const { code, document } = await run('daemon', 'daemon', 'uninstall');
    assert.equal(code, 0, JSON.stringify(document));
    assert.deepEqual(filesBelow(manager.units), []);
    assert.deepEqual(processesBelow(sandbox.directory), []);
    assert.equal(manager.systemctl('list-unit-files', 'palyra-*', '--no-legend').trim(), '');
    assert.ok(!existsSync(join(sandbox.home('pi'), 'data', 'bin')));
    assert.ok(existsSync(join(sandbox.home('daemon'), 'state', 'daemon', 'identity', 'ca.key')));
  });
});
