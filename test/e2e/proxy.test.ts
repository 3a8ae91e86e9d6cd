/**
 * A network whose only way out is a proxy: the daemon has a name that resolves nowhere here, and everything of the node has to be a tunnel. The daemon runs in
 * this process, the node is the real command line.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { CAN_SEE_PROCESSES, processesBelow } from '../support/processes.js';
import { secretsBelow, secretsIn, textSecret } from '../support/secret-search.js';
import { stepByStep } from '../support/step-by-step.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite } from '../support/test-node.js';

const NAME = 'palyra.invalid';
const PASSWORD = 'canary-of-the-proxy-7f3a';
const SECRETS = [textSecret('the password of the proxy', [PASSWORD, `eva:${PASSWORD}`])];

describe('a node behind a proxy', function () {
  this.timeout(60_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let proxy: ConnectProxy;
  let target: TestDaemon;
  let client: ControlPlaneClient;
  let node: RunningProcess;
  const printed: string[] = [];

  before(async () => {
    sandbox = new Sandbox();
    proxy = await ConnectProxy.start();
    proxy.login = `eva:${PASSWORD}`;
    target = await startTestDaemon({ listen: ['0.0.0.0'], hosts: [NAME], heartbeatMs: 200 });
    proxy.names.set(NAME, '127.0.0.1');
    client = new ControlPlaneClient({ socketPath: target.socketPath });
  });
  after(async () => {
    await sandbox.dispose();
    await client.close();
    proxy.close();
    await target.dispose();
  });

  const proxyUrl = (login = `eva:${PASSWORD}@`) => `http://${login}127.0.0.1:${proxy.port}`;
  const env = () => ({ HTTPS_PROXY: proxyUrl(), PALYRA_LOG_LEVEL: 'debug' });
  const link = async (name: string) => (await invite(target, { name, address: `${NAME}:${target.ports.public}` })).link;
  const run = async (args: readonly string[], more: Record<string, string> = env(), home = 'node') => {
    const finished = await sandbox.run(args, { home, env: more });
    printed.push(finished.stdout, finished.stderr);
    return finished;
  };
  const online = async () =>
    eventually(async () => (await client.listNodes()).nodes[0]?.presence === 'online', 'the node is online');
  const echo = async () => {
    const body = { capability: 'echo', input: { text: 'hello' }, timeoutMs: 10_000, wait: true };
    return (await client.createDispatch('behind', body)).state;
  };
  const stop = async () => {
    const { stdout, stderr } = await node.end('SIGTERM');
    printed.push(stdout, stderr);
  };

  it('pairs, connects and works', async () => {
    node = await sandbox
      .startNode('node', [await link('behind'), '--log-level', 'debug'], { env: env() })
      .catch((error: unknown) => assert.fail(String(error)));
    await online();
    assert.equal(await echo(), 'succeeded');
    const ports = [target.ports.public, target.ports.node].map((port) => `${NAME}:${port}`);
    assert.deepEqual([...new Set(proxy.tunnels)].sort(), ports.sort());
    assert.ok(proxy.tunnels.length >= 3, 'a look, a conversation, a link');
  });

  it('has no connection but to the proxy', function () {
    if (!CAN_SEE_PROCESSES) return this.skip();
    const [seen] = processesBelow(sandbox.directory);
    const peers = remotePortsOf(seen!.pid);
    assert.ok(peers.length > 0);
    assert.deepEqual([...new Set(peers)], [proxy.port]);
    assert.deepEqual(secretsIn(Buffer.from(seen!.argv.join('\0')), SECRETS), []);
  });

  it('leaves QUIC out and says why', async () => {
    const status = await sandbox.json(['node', 'status'], { home: 'node', env: env() });
    assertDocument(status.document);
    const { used, why } = status.document.connection.transport;
    assert.equal(used, 'grpc');
    assert.equal(why, `it is the best that works; QUIC cannot go through the proxy http://127.0.0.1:${proxy.port}`);
  });

  it('renews its certificate through it', async () => {
    const before = proxy.tunnels.length;
    assert.equal((await run(['node', 'renew'])).code, 0);
    assert.ok(proxy.tunnels.length > before);
  });

  it('comes back when the proxy cut everything', async () => {
    const before = proxy.tunnels.length;
    proxy.cut();
    await eventually(() => proxy.tunnels.length > before, 'another tunnel', 20_000);
    await online();
    assert.equal(await echo(), 'succeeded');
    await stop();
  });

  it('polls through it', async () => {
    node = await sandbox.startNode('node', ['--transport', 'poll'], { env: env() });
    await online();
    assert.equal(await echo(), 'succeeded');
    await stop();
  });

  it('refuses --transport quic at once, saying why', async () => {
    const { code, stderr } = await run(['node', 'run', '--transport', 'quic']);
    assert.equal(code, 78, stderr);
    assert.match(stderr, /QUIC cannot go through the proxy http:\/\/127\.0\.0\.1:\d+/);
    assert.match(stderr, /palyra config set network\.no_proxy palyra\.invalid/);
  });

  it('installs a service that finds the proxy, without its password in the unit', async function () {
    if (process.platform !== 'linux') return this.skip();
    const noManager = { XDG_RUNTIME_DIR: '/nonexistent', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' };
    const before = proxy.tunnels.length;
    const installed = await sandbox.json(['node', 'install'], { home: 'node', env: { ...env(), ...noManager } });
    assert.equal(installed.code, 0, JSON.stringify(installed.document));
    assertDocument(installed.document);
    const { url, file } = installed.document.proxy;
    assert.equal(url, `http://…@127.0.0.1:${proxy.port}`);
    assert.match(readFileSync(file as string, 'utf8'), /https_proxy = "http:\/\/eva:/);
    assert.equal(statSync(file as string).mode & 0o777, 0o600);
    assert.ok(proxy.tunnels.length > before);
    await online();
    const assertNoSecret = () => {
      const seen = processesBelow(sandbox.directory);
      assert.ok(seen.length > 0);
      for (const { argv, environment } of seen)
        assert.deepEqual(secretsIn(Buffer.from([...argv, JSON.stringify(environment)].join('\0')), SECRETS), []);
    };
    assertNoSecret();
    printed.push(JSON.stringify(installed.document));
    const tunnels = proxy.tunnels.length;
    const again = await run(['node', 'restart'], { ...env(), ...noManager });
    assert.equal(again.code, 0, again.stderr);
    assert.ok(proxy.tunnels.length > tunnels, 'it connects through the proxy of config.toml');
    assertNoSecret();
    assert.equal((await run(['node', 'uninstall'], noManager)).code, 0);
  });

  it('takes the proxy from config.toml, which no variable is needed for', async () => {
    const set = await run(['config', 'set', 'network.https_proxy', proxyUrl()], {});
    assert.equal(set.code, 0, set.stderr);
    assert.match((await run(['config', 'get', 'network.https_proxy'], {})).stdout, /^http:\/\/…@127\.0\.0\.1:\d+$/m);
    node = await sandbox.startNode('node', []);
    await online();
    await stop();
  });

  it('doctor says which way it is', async () => {
    const { document } = await sandbox.json(['doctor'], { home: 'node', env: env() });
    const found = document.checks.find(({ id }: { id: string }) => id === 'network.proxy');
    assert.equal(found.status, 'warn');
    assert.match(
      found.detail,
      /^HTTPS_PROXY is set; palyra\.invalid is not in NO_PROXY: it is reached through the proxy http:\/\/127\.0\.0\.1:\d+$/,
    );
    assert.equal(found.fix, `palyra config set network.no_proxy ${NAME}`);
    const reached = document.checks.find(({ id }: { id: string }) => id === 'daemon.reachable');
    assert.equal(reached.status, 'pass', reached.detail);
    printed.push(JSON.stringify(document));
  });

  it('leaves the fleet through it', async () => {
    const before = proxy.tunnels.length;
    const left = await run(['node', 'leave', '--yes']);
    assert.equal(left.code, 0, left.stderr);
    assert.ok(proxy.tunnels.length > before);
    assert.deepEqual((await client.listNodes()).nodes, []);
  });

  describe('when it is set wrong', () => {
    const pair = async (more: Record<string, string> = env()) => {
      const { code, stderr } = await run(['node', 'pair', await link('other')], more, 'other');
      return { code, stderr };
    };
    it('a wrong password, a closed port, another kind of proxy, an exception that should not be: each is told', async () => {
      const rows: readonly [Record<string, string>, number, RegExp][] = [
        [{ HTTPS_PROXY: proxyUrl('eva:wrong@') }, 5, /wants a name and a password[\s\S]*407[\s\S]*config edit/],
        [{ HTTPS_PROXY: 'http://127.0.0.1:1' }, 5, /The proxy cannot be reached.*http:\/\/127\.0\.0\.1:1: the conn/],
        [{ ALL_PROXY: `socks5://eva:${PASSWORD}@127.0.0.1:1` }, 78, /cannot use a proxy of the kind socks5/],
        [{ ...env(), NO_PROXY: NAME }, 5, /The daemon cannot be reached.*palyra\.invalid.*cannot be resolved/],
      ];
      for (const [more, exit, words] of rows) {
        const { code, stderr } = await pair(more);
        assert.match(stderr, words);
        assert.equal(code, exit, stderr);
      }
    });

    it('wrote the password nowhere but where it was told to', () => {
      const excused = (path: string) => path.endsWith('config.toml');
      assert.deepEqual(secretsBelow(sandbox.directory, SECRETS, excused), []);
      assert.equal(secretsBelow(sandbox.directory, SECRETS).length, 1, 'the search finds it in config.toml');
      assert.ok(printed.join('').length > 1_000);
      assert.deepEqual(secretsIn(Buffer.from(printed.join('\n')), SECRETS), []);
    });
  });
});

/** Of every TCP connection of a process. */
function remotePortsOf(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => inodes.has(fields[9] ?? ''))
      .map((fields) => Number.parseInt(fields[2]!.split(':')[1]!, 16)),
  );
}
