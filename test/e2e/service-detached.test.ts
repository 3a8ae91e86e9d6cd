/** A machine without a service manager, which is what a container is: install, restart, status, uninstall and leave, as a person runs them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { BIN, Sandbox, type Document } from '../support/palyra.js';
import { processesBelow } from '../support/processes.js';
import { codeSecret, privateKeySecret, secretsIn, textSecret } from '../support/secret-search.js';
import { filesBelow } from '../support/service-sandbox.js';
import { stepByStep } from '../support/step-by-step.js';

const PAIRING = ['device.key', 'identity.json', 'outbox.journal'].map((name) => `state/node/${name}`);
const PROXY = 'http://eva:canary-proxy-password@127.0.0.1:1';
/** What the shell of a person holds and a process that outlives it must not. */
const SHELL = {
  HTTPS_PROXY: PROXY,
  ALL_PROXY: PROXY,
  AWS_SECRET_ACCESS_KEY: 'canary-cloud-key',
  GITHUB_TOKEN: 'canary-forge-token',
  DATABASE_URL: 'postgres://eva:canary-database@127.0.0.1/x',
  PALYRA_TOKEN: 'canary-palyra-token',
};

describe('a node as a service where no service manager is', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let invite: Document;
  // No session bus, whatever the machine of the test has.
  const env = {
    XDG_RUNTIME_DIR: '/nonexistent',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
    NO_PROXY: '*',
    ...SHELL,
  };
  const node = (...args: string[]) => sandbox.json(['node', ...args], { home: 'pi', env, timeoutMs: 60_000 });
  const home = () => sandbox.home('pi');
  const pidFile = (document: Document) => document.service.pidFile as string;

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    invite = await sandbox.invite(['--name', 'pi-lab']);
  });
  after(() => sandbox?.dispose());

  it('says what is missing before there is anything to start', async () => {
    const { code, document } = await node('start');
    assert.equal(code, 1);
    assert.equal(document.error.code, 'SERVICE_NOT_INSTALLED');
    assert.match(document.error.hint, /palyra node install/);
    const stop = await node('stop');
    assert.equal(stop.code, 0);
    assertDocument(stop.document);
    assert.equal(stop.document.changed, false);
    const unpaired = await node('install');
    assert.equal(unpaired.code, 78);
    assert.equal(unpaired.document.error.code, 'NODE_NOT_PAIRED');
    assert.deepEqual(filesBelow(home()), []);
  });

  it('pairs, starts and waits until the node is connected', async () => {
    const { code, document } = await node('install', invite.link);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.changed, true);
    assert.equal(document.state, 'running');
    assert.equal(document.service.manager, 'detached');
    assert.equal(document.node.name, 'pi-lab');
    assert.match(document.warnings.join(), /does not start again after a crash or a reboot/);
    // Connected, not only started: the daemon sees it at once.
    const seen = await sandbox.json(['nodes', 'show', 'pi-lab']);
    assert.equal(seen.document.node.presence, 'online');
  });

  it('is installed already the second time, with the same link and without one', async () => {
    for (const words of [[], [invite.link as string]]) {
      const { code, document } = await node('install', ...words);
      assert.equal(code, 0, JSON.stringify(document));
      assert.equal(document.changed, false);
    }
  });

  it('shows the service in its status', async () => {
    const { document } = await node('status');
    assertDocument(document);
    assert.equal(document.connection.state, 'online');
    assert.deepEqual(
      { ...document.service, lastStart: document.service.lastStart.because },
      {
        manager: 'detached',
        enabled: false,
        running: true,
        survivesLogout: true,
        unit: null,
        pidFile: pidFile(document),
        lastStart: 'request',
      },
    );
    const people = await sandbox.run(['node', 'status'], { home: 'pi', env });
    assert.match(
      people.stdout,
      /^ {2}service {6}background process, does not start by itself after a reboot · started /m,
    );
  });

  it('restarts as another process, connected again', async () => {
    const before = (await node('status')).document.process.pid;
    const { code, document } = await node('restart');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.notEqual(document.pid, before);
    assert.equal((await node('status')).document.connection.state, 'online');
  });

  it('has a log of its own, whatever started it', async () => {
    const { code, document } = await node('logs', '--tail', '50');
    assert.equal(code, 0);
    assertDocument(document);
    const online = document.entries.filter((entry: { msg: string }) => entry.msg === 'online');
    assert.equal(online.length, 2);
    assert.deepEqual(
      document.entries.filter((entry: { scope: string }) => entry.scope === 'runtime'),
      [],
    );
  });

  it('is found dead after kill -9 and starts again', async () => {
    const { pid } = (await node('status')).document.process;
    process.kill(pid, 'SIGKILL');
    const dead = await eventually(async () => {
      const { document } = await node('status');
      return document.service.running === false && document;
    }, 'the status says that it does not run');
    assert.equal(dead.connection, null);
    const { code, document } = await node('start');
    assert.equal(code, 0, JSON.stringify(document));
    assert.equal(document.changed, true);
    assert.equal((await node('start')).document.changed, false);
  });

  it('never takes another process with the same number for its own', async () => {
    const { document } = await node('status');
    process.kill(document.process.pid, 'SIGKILL');
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      const file = JSON.parse(readFileSync(pidFile(document), 'utf8'));
      file.process.pid = stranger.pid;
      writeFileSync(pidFile(document), JSON.stringify(file));
      assert.equal((await node('status')).document.service.running, false);
      assert.equal((await node('stop')).document.changed, false);
      const started = await node('start');
      assert.equal(started.code, 0, JSON.stringify(started.document));
      assert.notEqual(started.document.pid, stranger.pid);
      await node('stop');
      assert.equal(stranger.exitCode ?? stranger.signalCode, null, 'the stranger still runs');
    } finally {
      stranger.kill('SIGKILL');
    }
    assert.equal((await node('start')).code, 0);
  });

  it('keeps no secret in its files and its processes show none', async () => {
    const key = readFileSync(join(home(), 'state', 'node', 'device.key'), 'utf8');
    const secrets = [
      codeSecret('the code', invite.code),
      privateKeySecret('the key', key),
      ...['proxy-password', 'cloud-key', 'forge-token', 'database', 'palyra-token'].map((name) =>
        textSecret(`${name} of the shell`, [`canary-${name}`]),
      ),
    ];
    const files = filesBelow(home()).filter((file) => !PAIRING.includes(file));
    assert.ok(files.some((file) => file.startsWith('data/bin/')));
    for (const file of files) {
      const path = join(home(), file);
      if (file.endsWith('.sock')) continue;
      assert.deepEqual(secretsIn(readFileSync(path), secrets), [], file);
    }
    const processes = processesBelow(home());
    assert.ok(processes.length > 0);
    for (const { argv, environment } of processes) {
      assert.deepEqual(secretsIn(Buffer.from(argv.join(' ')), secrets), []);
      assert.deepEqual(secretsIn(Buffer.from(JSON.stringify(environment)), secrets), []);
      assert.deepEqual(
        ['HOME', 'PATH', 'PALYRA_HOME', 'XDG_RUNTIME_DIR'].filter((name) => environment[name] === undefined),
        [],
      );
    }
    const before = processes.map(({ pid }) => pid);
    assert.equal((await node('restart')).code, 0);
    const after = processesBelow(home());
    assert.ok(after.length > 0 && after.every(({ pid }) => !before.includes(pid)));
    for (const { environment } of after)
      assert.deepEqual(secretsIn(Buffer.from(JSON.stringify(environment)), secrets), []);
  });

  it('starts a node that ended for good with the reason it gave', async () => {
    await node('stop');
    const identity = join(home(), 'state', 'node', 'identity.json');
    renameSync(identity, `${identity}.away`);
    try {
      const { code, stderr } = await sandbox.run(['node', 'start'], { home: 'pi', env, timeoutMs: 60_000 });
      assert.equal(code, 1);
      assert.match(stderr, /This machine is not paired/);
      assert.match(stderr, /The service ended right after it was started/);
    } finally {
      renameSync(`${identity}.away`, identity);
    }
    assert.equal((await node('start')).code, 0);
  });

  it('leaves nothing behind when it is uninstalled: only the pairing stays', async () => {
    const { code, document } = await node('uninstall');
    assert.equal(code, 0);
    assertDocument(document);
    assert.equal(document.changed, true);
    assert.deepEqual(filesBelow(home()), PAIRING);
    assert.deepEqual(processesBelow(home()), []);
    assert.ok(!existsSync(join(home(), 'data')));
    const again = await node('uninstall');
    assert.equal(again.code, 0);
    assert.deepEqual(again.document.removed, []);
    assert.equal((await node('status')).document.service, null);
  });

  it('takes back what it wrote when the service does not start', async () => {
    const trusted = join(home(), 'state', 'node', 'device.key');
    const key = readFileSync(trusted, 'utf8');
    writeFileSync(trusted, 'not a key');
    const { code, stderr } = await sandbox.run(['node', 'install'], { home: 'pi', env, timeoutMs: 60_000 });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /What was written for the service was taken back/);
    assert.deepEqual(
      filesBelow(home()).filter((file) => file.startsWith('data')),
      [],
    );
    writeFileSync(trusted, key);
  });

  it('refuses to become a service beside a node that runs by hand', async () => {
    const byHand = await sandbox.startNode('pi', [], { env });
    const { code, document } = await node('install');
    assert.equal(code, 78);
    assert.equal(document.error.code, 'NODE_ALREADY_RUNNING');
    assert.match(document.error.message, new RegExp(`process ${byHand.child.pid}`));
    assert.match((await node('leave', '--yes')).document.error.code, /NODE_ALREADY_RUNNING/);
    await byHand.end('SIGTERM');
  });

  it('installs without starting when it is told to', async () => {
    const { code, document } = await node('install', '--no-now');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.state, 'stopped');
    assert.equal((await node('start')).code, 0);
  });

  it('prints a system unit and the commands with sudo, and runs none of them', async () => {
    const { code, document } = await node('install', '--system');
    assert.equal(code, 0);
    assertDocument(document);
    assert.equal(document.state, 'printed');
    assert.match(document.unit.text, /^User=\w+$/m);
    assert.match(
      document.unit.commands.join('\n'),
      /sudo tee \/etc\/systemd\/system\/palyra-node.*\n.*sudo systemctl daemon-reload/,
    );
    assert.ok(!existsSync(document.unit.path));
    const people = await sandbox.run(['node', 'install', '--system', '--quiet'], { home: 'pi', env });
    assert.equal(people.stdout, document.unit.text);
    assert.equal(people.stderr, '');
  });

  it('leaves the fleet: service, pairing and keys are gone, and the daemon was told by the node itself', async () => {
    const unasked = await node('leave');
    assert.equal(unasked.code, 2);
    const { code, document } = await node('leave', '--yes');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.daemonTold, true);
    assert.deepEqual(filesBelow(home()), []);
    assert.deepEqual(processesBelow(home()), []);
    const again = await node('leave', '--yes');
    assert.equal(again.code, 0);
    assert.equal(again.document.changed, false);
    const listed = await sandbox.json(['nodes', 'list']);
    assert.ok(!listed.document.nodes.some(({ name }: { name: string }) => name === 'pi-lab'));
  });

  it('tells the daemon when it is on the same machine', async () => {
    const { link } = await sandbox.invite(['--name', 'here']);
    const run = (...args: string[]) => sandbox.json(['node', ...args], { env, timeoutMs: 60_000 });
    assert.equal((await run('install', link)).code, 0);
    const { document } = await run('leave', '--yes');
    assertDocument(document);
    assert.equal(document.daemonTold, true);
    const listed = await sandbox.json(['nodes', 'list']);
    assert.ok(!listed.document.nodes.some(({ name }: { name: string }) => name === 'here'));
  });

  it('stays installed when the daemon does not answer: it goes on trying, and the exit code says to wait', async () => {
    const run = (...args: string[]) => sandbox.json(['node', ...args], { home: 'waits', env, timeoutMs: 60_000 });
    assert.equal((await run('pair', (await sandbox.invite(['--name', 'waits'])).link)).code, 0);
    assert.equal((await sandbox.json(['daemon', 'stop', '--now'])).code, 0);
    const { code, document } = await run('install', '--timeout', '2s');
    assert.equal(code, 8, JSON.stringify(document));
    assert.equal(document.error.code, 'SERVICE_NOT_READY');
    assert.equal((await run('status')).document.service.running, true);
    await sandbox.startDaemon();
    assert.equal((await run('leave', '--yes')).code, 0);
    assert.deepEqual(filesBelow(sandbox.home('waits')), []);
  });

  it('resets a pairing, with the same key or with a new identity', async () => {
    const key = () => readFileSync(join(sandbox.home('copy'), 'state', 'node', 'device.key'), 'utf8');
    const run = (...args: string[]) => sandbox.json(['node', ...args], { home: 'copy', env, timeoutMs: 60_000 });
    assert.equal((await run('pair', (await sandbox.invite(['--name', 'copy'])).link)).code, 0);
    const first = key();
    const reset = await run('reset', '--yes');
    assertDocument(reset.document);
    assert.equal(reset.document.changed, true);
    assert.equal(key(), first);
    assert.equal((await run('status')).document.paired, false);
    const anew = await run('reset', '--new-identity', '--yes');
    assertDocument(anew.document);
    assert.deepEqual(filesBelow(sandbox.home('copy')), []);
    assert.equal((await run('pair', (await sandbox.invite(['--name', 'copy-2'])).link)).code, 0);
    assert.notEqual(key(), first);
  });
});

describe('a service whose Node and global prefix move', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;

  before(function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
  });
  after(() => sandbox?.dispose());

  it('starts again where they are now, between two restarts', async () => {
    await sandbox.startDaemon();
    const user = sandbox.home('user');
    const versions = join(user, '.nvm', 'versions', 'node');
    const old = join(versions, 'v20.19.0');
    const root = dirname(dirname(BIN));
    mkdirSync(join(old, 'bin'), { recursive: true });
    cpSync(process.execPath, join(old, 'bin', 'node'));
    for (const part of ['bin', 'dist', 'package.json', 'oclif.manifest.json']) {
      cpSync(join(root, part), join(old, 'lib', 'node_modules', 'palyra', part), { recursive: true });
    }
    const env = { HOME: user, PATH: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
    const { link } = await sandbox.invite(['--name', 'mover']);
    const palyra = (prefix: string, ...args: string[]) =>
      new Promise<{ code: number | null; text: string }>((resolve, reject) => {
        const run = join(prefix, 'lib', 'node_modules', 'palyra', 'bin', 'run.js');
        const child = spawn(join(prefix, 'bin', 'node'), [run, 'node', ...args, '--json'], {
          env: { ...env, PALYRA_HOME: sandbox.home('mover') },
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let text = '';
        child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
        child.once('error', reject);
        child.once('close', (code) => resolve({ code, text }));
      });
    const installed = await palyra(old, 'install', link);
    assert.equal(installed.code, 0, installed.text);
    const programOf = (text: string) => readFileSync(`/proc/${JSON.parse(text).pid}/cmdline`, 'utf8').split('\0')[0];
    assert.equal(programOf(installed.text), join(old, 'bin', 'node'));

    const now = join(versions, 'v22.0.0');
    renameSync(old, now);
    const restarted = await palyra(now, 'restart');
    assert.equal(restarted.code, 0, restarted.text);
    assert.equal(programOf(restarted.text), join(now, 'bin', 'node'));
    const wrapper = readFileSync(join(sandbox.home('mover'), 'data', 'bin', 'palyra-node'), 'utf8');
    assert.ok(wrapper.includes(old) && !wrapper.includes(now), 'the wrapper found them by itself');
    assert.equal((await palyra(now, 'leave', '--yes')).code, 0);
  });
});
