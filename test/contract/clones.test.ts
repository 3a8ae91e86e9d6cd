/** A copied disk: two machines with one identity, over real sockets. And clocks that disagree, said in words on both sides. */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog, type Log } from '../../src/lib/base/log.js';
import { forgetPairing } from '../../src/lib/node/forget.js';
import { JoinedNode } from '../support/joined-node.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

describe('a node and its copy', function () {
  this.timeout(60_000);
  let target: TestDaemon;
  let node: JoinedNode;
  let copy: JoinedNode;

  beforeEach(async () => {
    target = await startTestDaemon({ heartbeatMs: 1_000 });
    node = await JoinedNode.join(target, 'pi');
    copy = node.twin();
  });
  afterEach(async () => {
    await copy.stop();
    await node.stop();
    await target.dispose();
  });

  const get = async (path: string) => (await ask({ socketPath: target.socketPath }, { path })).json;
  const presence = async () => (await get('/v1/nodes/pi')).node.presence as string;
  const state = (of: JoinedNode) => of.host?.status()?.state;

  for (const journal of ['copied', 'of its own'] as const) {
    it(`are told apart, with a journal ${journal}: one works, the other is held, the operator sees both`, async () => {
      void node.start();
      await eventually('the machine is online', () => state(node) === 'online');
      await cp(node.stateDirectory, copy.stateDirectory, {
        recursive: true,
        filter: (path) => !path.endsWith('/lock') && (journal === 'copied' || !/outbox/.test(path)),
      });
      void copy.start();
      await eventually('the daemon sees two', async () => (await presence()) === 'conflict', 20_000);
      await eventually('one of them knows', () => [state(node), state(copy)].includes('conflict'), 20_000);
      assert.equal(await node.run(), 'succeeded', 'the one that is connected goes on working');
      const { devices } = await get('/v1/inventory');
      const [row] = (devices as { name: string; warnings: { code: string }[] }[]).filter(({ name }) => name === 'pi');
      assert.ok(row?.warnings.some(({ code }) => code === 'identity-copied'));
      const held = state(node) === 'conflict' ? node : copy;
      const other = held === node ? copy : node;
      await held.stop();
      assert.equal(await forgetPairing(held.stateDirectory, { key: true }), true);
      assert.equal(state(other), 'online');
    });
  }

  it('is not what a restart looks like, nor one that lost its journal', async () => {
    const seen = new Set<string>();
    for (let life = 0; life < 3; life++) {
      void node.start();
      await eventually('online', () => state(node) === 'online');
      seen.add(await presence());
      await node.stop();
    }
    assert.deepEqual([...seen], ['online']);
  });
});

describe('clocks that disagree', function () {
  this.timeout(30_000);

  for (const transport of ['grpc', 'quic'] as const) {
    it(`are named on both sides of a link over ${transport}, and work goes on`, async () => {
      const told: string[] = [];
      const log: Log = { ...silentLog, warn: (message) => void told.push(message), scope: () => log };
      const target = await startTestDaemon({}, { log });
      const node = await JoinedNode.join(target, 'pi');
      const ahead = new SteppedClock();
      ahead.step(42.5 * 60_000);
      try {
        void node.start(ahead, { transport });
        await eventually('online', () => node.host?.status()?.state === 'online');
        assert.equal(node.host?.status()?.clock, '42 minutes ahead of');
        assert.ok(told.includes("the clock of pi is 42 minutes ahead of the daemon's"), told.join('\n'));
        assert.equal(await node.run(), 'succeeded');
        await node.stop();
        void node.start(systemClock, { transport });
        await eventually('online', () => node.host?.status()?.state === 'online');
        assert.equal(node.host?.status()?.clock, null);
      } finally {
        await node.stop();
        await target.dispose();
      }
    });
  }
});
