/** The systemd user service: with a played user manager everywhere, and with the real one where there is one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { processesBelow } from '../support/processes.js';
import { codeSecret, secretsIn, textSecret } from '../support/secret-search.js';
import { PlayedSystemd, filesBelow, type LingerMode } from '../support/service-sandbox.js';
import { stepByStep } from '../support/step-by-step.js';

describe('a node as a service of a user manager that is played', function () {
  this.timeout(180_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let systemd: PlayedSystemd;
  let invite: Document;
  const run = (args: readonly string[], more: Record<string, string> = {}) =>
    sandbox.json(args, { home: 'pi', env: { ...systemd.env, ...more }, timeoutMs: 60_000 });
  const node = (...args: string[]) => run(['node', ...args]);

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    systemd = new PlayedSystemd(sandbox, 'pi');
    await sandbox.startDaemon();
    invite = await sandbox.invite(['--name', 'pi-lab']);
  });
  after(() => sandbox?.dispose());

  it('takes back the unit, the registration and the wrapper when a step fails', async () => {
    assert.equal((await node('pair', invite.link)).code, 0);
    const before = filesBelow(sandbox.home('pi'));
    for (const verb of ['daemon-reload', 'enable', 'start']) {
      const { code, document } = await run(['node', 'install'], { FAKE_SYSTEMD_FAILS: verb });
      assert.equal(code, 1);
      assert.equal(document.error.code, 'SERVICE_FAILED');
      assert.match(document.error.message, new RegExp(`systemctl --user ${verb}.*: Job for (palyra-node|the manager)`));
      assert.deepEqual(filesBelow(sandbox.home('pi')), before);
      assert.deepEqual(filesBelow(systemd.unitsDirectory), []);
      assert.deepEqual(processesBelow(sandbox.home('pi')), []);
    }
  });

  it('installs a user unit, enables and starts it, and waits until it is connected', async () => {
    const { code, document } = await node('install', invite.link);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.service.manager, 'systemd-user');
    assert.equal(document.service.enabled, true);
    assert.equal(document.service.survivesLogout, true);
    assert.ok(existsSync(document.service.unit));
    assert.deepEqual(document.warnings, []);
    const unit = readFileSync(document.service.unit, 'utf8');
    assert.match(unit, /^RestartPreventExitStatus=78$/m);
    assert.equal((await sandbox.json(['nodes', 'show', 'pi-lab'])).document.node.presence, 'online');
  });

  it('runs under the manager: its parent is not this shell, and its log is palyra’s own', async () => {
    const { document } = await node('status');
    assertDocument(document);
    const [found] = processesBelow(sandbox.home('pi'));
    assert.equal(found?.pid, document.process.pid);
    assert.equal(found?.environment['FAKE_SYSTEMD'], undefined, 'nothing of the shell reaches the service');
    assert.ok((await node('logs')).document.entries.some((entry: { msg: string }) => entry.msg === 'online'));
    const people = await sandbox.run(['node', 'status'], { home: 'pi', env: systemd.env });
    assert.match(people.stdout, /^ {2}service {6}user service, starts at boot · /m);
  });

  it('does each verb twice without an error', async () => {
    const verbs = [
      ['install', false],
      ['stop', true],
      ['stop', false],
      ['start', true],
      ['start', false],
      ['restart', true],
    ] as const;
    for (const [verb, changed] of verbs) {
      const { code, document } = await node(verb);
      assert.equal(code, 0, JSON.stringify(document));
      assertDocument(document);
      assert.equal(document.changed, changed, verb);
    }
  });

  const answers: readonly [LingerMode, boolean | null, RegExp][] = [
    ['on', true, /Starts at boot without you logging in \(lingering is on\)/],
    ['off', true, /lingering was turned on/],
    ['refused', false, /It will stop when you log out.*Run once: sudo loginctl enable-linger \S+/],
    ['no-bus', null, /No login manager answers/],
  ];
  for (const [mode, survives, words] of answers) {
    it(`says whether it outlives the session when lingering is ${mode}`, async () => {
      systemd.linger(mode);
      const people = await sandbox.run(['node', 'install'], { home: 'pi', env: systemd.env, timeoutMs: 60_000 });
      assert.equal(people.code, 0, people.stderr);
      assert.match(people.stderr, words);
      const { document } = await node('status');
      assert.equal(document.service.survivesLogout, survives);
      const doctor = await run(['doctor']);
      const check = doctor.document.checks.find(({ id }: { id: string }) => id === 'service.lingering');
      assert.equal(check.status, { on: 'pass', off: 'pass', refused: 'fail', 'no-bus': 'warn' }[mode]);
      if (mode === 'refused')
        assert.match(check.fix, new RegExp(`^sudo loginctl enable-linger ${userInfo().username}$`));
    });
  }

  it('never asks for a password and never runs sudo', () => {
    assert.doesNotMatch(systemd.calls, /sudo/);
    assert.match(systemd.calls, /^loginctl --no-ask-password enable-linger$/m);
  });

  it('puts no secret into units, wrappers and words of other programs', () => {
    const secrets = [codeSecret('the code', invite.code), textSecret('the link', [invite.link as string])];
    const texts = [
      systemd.calls,
      ...filesBelow(systemd.unitsDirectory).map((file) => readFileSync(join(systemd.unitsDirectory, file), 'utf8')),
      readFileSync(join(sandbox.home('pi'), 'data', 'bin', 'palyra-node'), 'utf8'),
    ];
    assert.equal(texts.length, 3);
    for (const text of texts) assert.deepEqual(secretsIn(Buffer.from(text), secrets), []);
  });

  it('lets doctor turn lingering on', async () => {
    systemd.linger('off');
    const { code, document } = await run(['doctor', '--fix']);
    assert.equal(code, 0, JSON.stringify(document));
    assert.deepEqual(document.fixed, ['service.lingering']);
    assert.equal((await node('status')).document.service.survivesLogout, true);
  });

  it('puts an edited unit back as it was when the new one does not start', async () => {
    const { document: before } = await node('status');
    const edited = `${readFileSync(before.service.unit, 'utf8')}# mine\n`;
    writeFileSync(before.service.unit, edited);
    const { code } = await run(['node', 'install'], { FAKE_SYSTEMD_FAILS: 'start' });
    assert.equal(code, 1);
    assert.equal(readFileSync(before.service.unit, 'utf8'), edited);
    assert.equal((await node('start')).code, 0);
  });

  it('is told by doctor, writes an edited unit anew and restarts the service', async () => {
    const before = (await node('status')).document;
    const unit = async () => {
      const { document } = await run(['doctor']);
      return document.checks.find(({ id }: { id: string }) => id === 'service.unit');
    };
    writeFileSync(before.service.unit, `${readFileSync(before.service.unit, 'utf8')}# mine\n`);
    const found = await unit();
    assert.deepEqual([found.status, found.fix], ['warn', 'palyra node install']);
    assert.ok(found.detail.startsWith(`${before.service.unit} is not as `), found.detail);
    const { document } = await node('install');
    assert.equal(document.changed, true);
    assert.notEqual(document.pid, before.process.pid);
    assert.doesNotMatch(readFileSync(before.service.unit, 'utf8'), /mine/);
    const { status, detail } = await unit();
    assert.equal(status, 'pass');
    assert.match(detail, /^as this version writes it: palyra-node/);
  });

  it('leaves nothing of the service behind', async () => {
    const { code, document } = await node('uninstall');
    assert.equal(code, 0);
    assertDocument(document);
    assert.deepEqual(filesBelow(systemd.unitsDirectory), []);
    assert.deepEqual(
      filesBelow(sandbox.home('pi')),
      ['device.key', 'identity.json', 'outbox.journal'].map((name) => `state/node/${name}`),
    );
    assert.deepEqual(processesBelow(sandbox.home('pi')), []);
    assert.equal((await node('uninstall')).document.changed, false);
  });
});

describe('a daemon as a service of a user manager that is played', function () {
  this.timeout(180_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let systemd: PlayedSystemd;
  const daemon = (...args: string[]) => sandbox.json(['daemon', ...args], { env: systemd.env, timeoutMs: 60_000 });
  const portsOf = (document: Document) =>
    document.listen
      .filter(({ purpose }: { purpose: string }) => purpose !== 'local')
      .map(({ url }: { url: string }) => url)
      .sort();
  let ports: string[];

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    systemd = new PlayedSystemd(sandbox, 'daemon');
    ports = portsOf(await sandbox.startDaemon());
  });
  after(async () => {
    await daemon('uninstall');
    await sandbox?.dispose();
  });

  it('lets a daemon run on in the background when it cannot become a service', async () => {
    const env = { ...systemd.env, FAKE_SYSTEMD_FAILS: 'start' };
    const { code, document } = await sandbox.json(['daemon', 'install'], { env, timeoutMs: 60_000 });
    assert.equal(code, 1);
    assert.equal(document.error.code, 'SERVICE_FAILED');
    assert.deepEqual(filesBelow(systemd.unitsDirectory), []);
    const { document: status } = await daemon('status');
    assert.equal(status.service, null);
    assert.deepEqual(portsOf(status), ports);
  });

  it('takes a daemon that runs in the background over where it listens', async () => {
    const { code, document } = await daemon('install');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.service.manager, 'systemd-user');
    const { document: status } = await daemon('status');
    assertDocument(status);
    assert.equal(status.pid, document.pid);
    assert.equal(status.service.unit, document.service.unit);
    assert.deepEqual(portsOf(status), ports);
    assert.equal((await daemon('install')).document.changed, false);
  });

  it('stops, starts and restarts through its service', async () => {
    assert.equal((await daemon('stop')).code, 0);
    assert.equal((await daemon('status')).document.service.running, false);
    const started = await daemon('start');
    assert.equal(started.code, 0, JSON.stringify(started.document));
    assertDocument(started.document);
    assert.match(started.document.unit, /palyra-daemon/);
    const restarted = await daemon('restart');
    assert.equal(restarted.code, 0, JSON.stringify(restarted.document));
    const { document } = await daemon('status');
    assert.equal(document.service.running, true);
    assert.deepEqual(portsOf(document), ports);
  });

  it('is uninstalled with its state kept', async () => {
    const { document } = await daemon('uninstall');
    assertDocument(document);
    assert.equal(document.changed, true);
    assert.deepEqual(filesBelow(systemd.unitsDirectory), []);
    assert.ok(existsSync(join(sandbox.home('daemon'), 'state', 'daemon', 'identity', 'ca.key')));
    assert.equal((await daemon('status')).code, 5);
  });
});

describe('a node as a service of the user manager of this machine', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;

  before(function () {
    const manager = spawnSync('systemctl', ['--user', 'show', '--property=Version']);
    if (manager.status !== 0) {
      process.stderr.write('    no systemd user manager answers on this machine: the real one is not tested here\n');
      this.skip();
    }
    sandbox = new Sandbox();
  });
  after(() => sandbox?.dispose());

  it('is installed, started, stopped and removed for real', async () => {
    await sandbox.startDaemon();
    const { link } = await sandbox.invite(['--name', 'real']);
    const node = (...args: string[]) => sandbox.json(['node', ...args], { home: 'real', timeoutMs: 60_000 });
    const { code, document } = await node('install', link);
    try {
      assert.equal(code, 0, JSON.stringify(document));
      assert.equal(document.service.manager, 'systemd-user');
      const unit = document.service.unit.split('/').at(-1);
      const shown = spawnSync('systemctl', ['--user', 'show', unit, '--property=MainPID', '--value'], {
        encoding: 'utf8',
      });
      assert.equal(Number(shown.stdout), document.pid);
      assert.equal((await node('restart')).code, 0);
      assert.equal((await node('stop')).document.changed, true);
    } finally {
      await node('leave', '--yes');
    }
    assert.ok(!existsSync(document.service.unit));
  });
});
