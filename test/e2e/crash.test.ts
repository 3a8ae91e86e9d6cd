import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { JsonValue } from '../../src/lib/base/model.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';

const TERMINAL = ['succeeded', 'failed', 'denied', 'expired', 'timed-out', 'cancelled', 'unknown'];
/** Short enough that a lost node is noticed within the test. */
const HEARTBEAT = ['--heartbeat', '1s'];
const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };

describe('kill -9', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  let node: RunningProcess;

  beforeEach(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon({ args: HEARTBEAT });
    node = await sandbox.joinNode('pi', WITH_PROBE);
  });
  afterEach(() => sandbox.dispose());

  const invoke = (args: readonly string[]) => sandbox.json(['nodes', 'invoke', 'pi', ...args], { timeoutMs: 90_000 });
  const daemonStatus = async () => (await sandbox.json(['daemon', 'status'])).document;
  const untilRunning = async (file: string) => {
    for (;;) {
      const text = readIfAny(file);
      if (text.includes('start')) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  it('of the daemon with 50 dispatches in flight: each ends exactly once, nothing runs twice, the node comes back by itself', async () => {
    const files = Array.from({ length: 25 }, (_, index) => `${sandbox.directory}/effect-${index}`);
    const before = await daemonStatus();
    const accepted = await withClient(sandbox, async (client) => {
      const create = (capability: string, input: JsonValue) =>
        client.createDispatch('pi', { capability, input, timeoutMs: 60_000, wait: false });
      const dispatches = await Promise.all([
        ...files.map((file) => create('probe.effect', { ms: 150, file })),
        ...files.map((_, index) => create('probe.sleep', { ms: 150, marker: `m${index}` })),
      ]);
      return dispatches.map(({ id }) => id);
    });
    assert.equal(new Set(accepted).size, 50);
    process.kill(before.pid as number, 'SIGKILL');
    const ports = Object.fromEntries(
      before.listen.map(({ purpose, url }: Document) => [purpose, url.split(':').at(-1)]),
    );
    const { code, document } = await sandbox.json([
      ...['daemon', 'start', ...HEARTBEAT, '--port', ports['public'], '--node-port', ports['node-rpc']],
      ...['--console-port', ports['console']],
    ]);
    assert.equal(code, 0, JSON.stringify(document));
    // One that needs the node to be back, behind all the others.
    const last = await invoke(['echo', 'text=last', '--queue', '1m']);
    assert.equal(last.document.dispatch?.state, 'succeeded', JSON.stringify(last.document));
    const states = await withClient(sandbox, (client) =>
      Promise.all(accepted.map(async (id) => (await client.showDispatch(id, { waitMs: 60_000 })).state)),
    );
    assert.ok(
      states.every((state) => TERMINAL.includes(state)),
      states.join(' '),
    );
    assert.deepEqual([...new Set(states)], ['succeeded']);
    for (const file of files) assert.equal(readFileSync(file, 'utf8').match(/start/g)?.length, 1, file);
    assert.equal(node.child.exitCode, null);
  });

  it('of a node inside an effectful capability: unknown, exit code 9, not run again', async () => {
    const file = `${sandbox.directory}/effect`;
    const running = invoke(['probe.effect', 'ms=60000', `file=${file}`, '--timeout', '50s']);
    await untilRunning(file);
    await node.end('SIGKILL');
    await sandbox.startNode('pi', [], WITH_PROBE);
    const { code, document } = await running;
    assert.equal(code, 9, JSON.stringify(document));
    assert.equal(document.dispatch.state, 'unknown');
    assert.equal(readFileSync(file, 'utf8').match(/start/g)?.length, 1);
  });

  it('of a node inside an idempotent capability: run again, and it succeeds', async () => {
    const running = invoke(['probe.sleep', 'ms=1500', '--timeout', '50s']);
    for (let status = await daemonStatus(); status.dispatches.open === 0; status = await daemonStatus());
    await node.end('SIGKILL');
    await sandbox.startNode('pi', [], WITH_PROBE);
    const { code, document } = await running;
    assert.equal(code, 0, JSON.stringify(document));
    assert.equal(document.dispatch.state, 'succeeded');
  });
});

async function withClient<T>(sandbox: Sandbox, use: (client: ControlPlaneClient) => Promise<T>): Promise<T> {
  const client = new ControlPlaneClient({ socketPath: `${sandbox.home('daemon')}/run/daemon.sock` });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function readIfAny(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
