import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/base/clock.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import type { DaemonOptions } from '../../../src/lib/daemon/config.js';
import { createDaemon } from '../../../src/lib/daemon/daemon.js';
import { ask, eventually, startTestDaemon, testOptions } from '../../support/test-daemon.js';
import { pairTestNode } from '../../support/test-node.js';

const deps = { clock: systemClock, random: systemRandom, log: silentLog };

describe('starting and stopping a daemon', () => {
  let home: string;
  const others: Server[] = [];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'palyra-test-'));
  });
  afterEach(async () => {
    for (const other of others.splice(0)) other.close();
    await rm(home, { recursive: true, force: true });
  });

  const occupy = async (host = '127.0.0.1') => {
    const server = createServer();
    others.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return (server.address() as AddressInfo).port;
  };
  const start = (more: Partial<DaemonOptions>) => createDaemon(testOptions(home, more), deps);

  it('names the port that is taken and the option to change it, and undoes what it began', async () => {
    const taken = await occupy();
    for (const [option, flag] of [
      ['port', '--port'],
      ['nodePort', '--node-port'],
      ['consolePort', '--console-port'],
    ] as const) {
      await assert.rejects(start({ [option]: taken }), {
        reason: 'PORT_IN_USE',
        details: { address: '127.0.0.1', port: taken, flag },
      });
      await assert.rejects(access(testOptions(home).socketPath), { code: 'ENOENT' });
    }
    const daemon = await start({});
    await daemon.stop();
  });

  it('refuses an address that is not of this machine', async () => {
    await assert.rejects(start({ listen: ['192.0.2.1'] }), { reason: 'ADDRESS_UNAVAILABLE' });
  });

  it('refuses a second daemon on the same state, and works again after the first has stopped', async () => {
    const first = await start({});
    await assert.rejects(start({}), { reason: 'STATE_LOCKED' });
    assert.equal((await ask({ socketPath: first.config.socketPath }, { path: '/healthz' })).status, 200);
    await first.stop();
    const second = await start({});
    await second.stop();
  });

  it('refuses to take over the socket of another daemon', async () => {
    const first = await start({});
    await assert.rejects(start({ stateDirectory: join(home, 'other') }), { reason: 'STATE_LOCKED' });
    await first.stop();
  });

  it('removes the socket a killed daemon left, and nothing else', async () => {
    const { socketPath } = testOptions(home);
    await mkdir(join(home, 'run'), { mode: 0o700 });
    // A listener that is gone without having removed its file is what kill -9 leaves.
    const code = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', code]);
    await access(socketPath);
    const daemon = await start({});
    await daemon.stop();
    await writeFile(socketPath, 'precious');
    await assert.rejects(start({}), { reason: 'STATE_NOT_OWNED' });
    await access(socketPath);
  });

  it('refuses a socket path that the system would cut', async () => {
    await assert.rejects(start({ socketPath: join(home, 'x'.repeat(120), 'daemon.sock') }), {
      reason: 'SOCKET_PATH_TOO_LONG',
    });
  });

  it('closes the directory it works in to everybody else', async () => {
    await mkdir(join(home, 'state'));
    await chmod(join(home, 'state'), 0o755);
    const daemon = await start({});
    assert.equal((await stat(join(home, 'state'))).mode & 0o777, 0o700);
    await daemon.stop();
  });

  it('answers a stop before it stops, and keeps its fleet over a restart', async () => {
    const target = await startTestDaemon();
    try {
      const node = await pairTestNode(target, { name: 'keeper' });
      const answer = await ask(
        { socketPath: target.socketPath },
        { method: 'POST', path: '/v1/daemon/stop', json: {} },
      );
      assert.deepEqual([answer.status, answer.json.stopping], [200, true]);
      assert.deepEqual(await target.daemon.stopped, { reason: 'stopped by tester' });
      const again = await createDaemon(target.options, deps);
      assert.equal(again.runtime.nodeDetails('keeper').node.id, node.deviceId);
      assert.equal(again.runtime.bootEpoch, target.daemon.runtime.bootEpoch + 1);
      await again.stop();
    } finally {
      await target.dispose();
    }
  });

  it('waits for open dispatches when asked to, refuses new ones, and can be hurried', async () => {
    const target = await startTestDaemon();
    const api = (what: Parameters<typeof ask>[1]) => ask({ socketPath: target.socketPath }, what);
    try {
      await pairTestNode(target, { name: 'away' });
      const json = { capability: 'echo', queueMs: 60_000, timeoutMs: 60_000 };
      const waiting = api({ method: 'POST', path: '/v1/nodes/away/dispatches', json });
      await eventually('a dispatch is open', () => target.daemon.runtime.openDispatchCount() > 0);
      const stop = await api({ method: 'POST', path: '/v1/daemon/stop', json: { drainMs: 60_000 } });
      assert.equal(stop.json.waitingFor, 1);
      await eventually('it says so', async () => (await api({ path: '/readyz' })).status === 503);
      const late = await api({ method: 'POST', path: '/v1/nodes/away/dispatches', json });
      assert.equal(late.json.reason, 'DAEMON_STOPPING');
      await target.daemon.stop({ drainMs: 0 });
      assert.equal((await waiting).json.reason, 'DAEMON_STOPPING');
    } finally {
      await target.dispose();
    }
  });

  it('writes no code, link or path of an invite to its log', async () => {
    const lines: string[] = [];
    const write = (message: string, fields?: object) => {
      lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
    };
    const log = { debug: write, info: write, warn: write, error: write, scope: () => log };
    const target = await startTestDaemon({}, { log });
    try {
      const made = await ask({ socketPath: target.socketPath }, { method: 'POST', path: '/v1/invites', json: {} });
      const { link, code } = made.json.invite as { link: string; code: string };
      for (const path of [new URL(link).pathname, `/nowhere${new URL(link).pathname}`]) {
        await ask({ port: target.ports.console }, { path });
      }
      await pairTestNode(target);
      const secrets = [code, code.replaceAll('-', ''), link, '/j/', '/J/'];
      assert.ok(lines.length > 3);
      for (const line of lines) for (const secret of secrets) assert.ok(!line.includes(secret), line);
    } finally {
      await target.dispose();
    }
  });
});
