/** What `daemon run` and `node run` tell a service manager that asks to be told, message by message on a real socket; and what nobody else learns of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../support/free-ports.js';
import { NotifyReceiver } from '../support/notify-receiver.js';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const WITH_MODULE = {
  PALYRA_CAPABILITY_MODULES: fileURLToPath(new URL('../fixtures/environment-capability.js', import.meta.url)),
};
/** As systemd does it: the watchdog is meant for the process that it starts. */
const STARTED = ['sh', '-c', 'WATCHDOG_PID=$$ exec "$@"', 'sh'];

describe('services that a manager wants to hear from', function () {
  this.timeout(60_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let manager: NotifyReceiver;
  let ports: string[];
  let daemon: RunningProcess;
  /** A look every quarter of a second. */
  const env = () => ({ NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '1000000' });
  const runDaemon = (more: Record<string, string> = {}) =>
    sandbox.spawn(['daemon', 'run', ...ports], { env: { ...env(), ...more }, timeoutMs: Infinity });

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox(STARTED);
    const receiver = await NotifyReceiver.start(join(sandbox.directory, 'notify'));
    if (receiver === null) this.skip();
    manager = receiver;
    const [port, nodePort, consolePort] = (await freePorts(3)).map(String);
    ports = ['--port', port!, '--node-port', nodePort!, '--console-port', consolePort!];
  });
  after(async () => {
    await sandbox?.dispose();
    manager?.close();
  });

  it('a daemon is ready when it listens, lives, and says that it stops and how long that may take', async () => {
    daemon = runDaemon();
    const [ready, ...rest] = await manager.message(/^READY=1$/);
    assert.equal(ready, 'READY=1');
    assert.ok(rest.includes(`STATUS=0 of 0 nodes connected; listens on https://127.0.0.1:${ports[1]}`), rest.join());
    for (const at of [1, 3, 5]) {
      const socket = connect(Number(ports[at]), '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    }
    await manager.message(/^WATCHDOG=1$/, 1);
    await manager.message(/^WATCHDOG=1$/, manager.heard.length);
    assert.equal((await daemon.end('SIGTERM')).code, 143);
    const stopping = await manager.message(/^STOPPING=1$/);
    assert.deepEqual(stopping, ['STOPPING=1', 'STATUS=stopping', 'EXTEND_TIMEOUT_USEC=25000000']);
    assert.equal(manager.heard.filter((fields) => fields.includes('READY=1')).length, 1);
  });

  it('a daemon that palyra stops says so as well', async () => {
    const from = manager.heard.length;
    daemon = runDaemon();
    await manager.message(/^READY=1$/, from);
    assert.equal((await sandbox.json(['daemon', 'stop', '--drain', '1m'])).code, 0);
    assert.ok((await manager.message(/^STOPPING=1$/, from)).includes('EXTEND_TIMEOUT_USEC=75000000'));
    assert.equal((await daemon.finished).code, 0);
  });

  it('a daemon that cannot start is never ready', async () => {
    const from = manager.heard.length;
    const { code } = await sandbox.run(['daemon', 'run', '--listen', '192.0.2.1', ...ports], { env: env() });
    assert.equal(code, 78);
    assert.deepEqual(manager.heard.slice(from), []);
  });

  it('a daemon that nobody hears runs all the same, and says so once', async () => {
    daemon = runDaemon({ NOTIFY_SOCKET: join(sandbox.directory, 'nobody') });
    await daemon.line(/ ready/);
    await daemon.line(/the service manager could not be told how this is/);
    const { link } = await sandbox.invite(['--name', 'pi-lab']);
    assert.equal((await sandbox.json(['node', 'pair', link], { home: 'pi', env: WITH_MODULE })).code, 0);
    const { code, stderr } = await daemon.end('SIGTERM');
    assert.equal(code, 143);
    assert.equal(stderr.match(/could not be told/g)?.length, 1);
  });

  it('a node is ready without its daemon, and then says to whom it is connected', async () => {
    const from = manager.heard.length;
    sandbox.spawn(['node', 'run'], { home: 'pi', env: { ...env(), ...WITH_MODULE }, timeoutMs: Infinity });
    const [ready, ...rest] = await manager.message(/^READY=1$/, from);
    assert.equal(ready, 'READY=1');
    assert.match(rest.join(), /STATUS=pi-lab: (not connected|connecting) to /);
    await manager.message(/^STATUS=pi-lab: not connected to \S+ \(.+\)$/, from);
    daemon = runDaemon();
    await manager.message(/^STATUS=pi-lab: connected to \S+ over \w+$/, from);
    await manager.message(/^STATUS=1 of 1 nodes connected/, from);
  });

  it('nothing that runs in a service can speak in its name', async () => {
    const { document } = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'environment.names']);
    assert.equal(document.dispatch?.state, 'succeeded', JSON.stringify(document));
    const { own, child } = document.dispatch.output;
    for (const names of [own, child] as string[][]) {
      assert.ok(names.includes('PATH'));
      assert.deepEqual(
        names.filter((name) => /NOTIFY|WATCHDOG/.test(name)),
        [],
      );
    }
  });
});
