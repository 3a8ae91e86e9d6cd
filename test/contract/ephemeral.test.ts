/** Machines that joined for a while, over real sockets: a daemon whose clock is pushed on, so that hours pass in seconds. */
import assert from 'node:assert/strict';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { createDaemon, type Daemon } from '../../src/lib/daemon/daemon.js';
import { JoinedNode } from '../support/joined-node.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

const DAY = 86_400_000;

describe('machines that joined for a while', function () {
  this.timeout(60_000);
  let clock: SteppedClock;
  let target: TestDaemon;
  let daemon: Daemon;
  let here: JoinedNode;

  before(async () => {
    clock = new SteppedClock();
    target = await startTestDaemon({ heartbeatMs: 100 }, { clock });
    daemon = target.daemon;
    const forAWhile = { ephemeralMs: 60_000 };
    here = await JoinedNode.join(target, 'here', clock, forAWhile);
    await JoinedNode.join(target, 'gone', clock, forAWhile);
    await JoinedNode.join(target, 'kept', clock);
    void here.start(clock);
    await eventually('it is online', () => here.host?.status()?.state === 'online');
  });
  after(async () => {
    await here.stop();
    await daemon.stop();
    await target.dispose();
  });

  const get = async (path: string) => (await ask({ socketPath: target.socketPath }, { path })).json;
  const names = async () => ((await get('/v1/nodes')).nodes as { name: string }[]).map(({ name }) => name).join();
  /** Half a minute at a time: the daemon takes a minute without a tick for an absence of its own. */
  const pass = async (ms: number, done: () => Promise<boolean>) => {
    for (let left = ms; left > 0 && !(await done()); left -= 30_000) {
      clock.step(30_000);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
  };

  it('say so, and are removed when nobody has seen them for that long; who is connected stays', async () => {
    const { node } = await get('/v1/nodes/gone');
    assert.equal(node.ephemeralMs, 60_000);
    assert.equal(await names(), 'gone,here,kept');
    await pass(180_000, async () => (await names()) === 'here,kept');
    assert.equal(await names(), 'here,kept');
    assert.equal(await here.run(), 'succeeded');
    const { entries } = await get('/v1/audit?action=node.revoked');
    assert.deepEqual([entries[0].actor.name, entries[0].target.name], ['time', 'gone']);
  });

  it('can be had back for a day', async () => {
    const answer = await ask(
      { socketPath: target.socketPath },
      { method: 'POST', path: '/v1/nodes/gone/restore', json: {} },
    );
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await names(), 'gone,here,kept');
  });

  it('are all there after the daemon was away for thirty days', async () => {
    await here.stop();
    await daemon.stop();
    clock.step(30 * DAY);
    daemon = await createDaemon(target.options, { clock, random: systemRandom, log: silentLog });
    // Longer than the time they have to come back, which is twenty heartbeats, and than the time between two looks.
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    assert.equal(await names(), 'gone,here,kept');
    const { candidates } = (
      await ask(
        { socketPath: target.socketPath },
        { method: 'POST', path: '/v1/nodes/prune', json: { notSeenForMs: DAY } },
      )
    ).json;
    assert.deepEqual(candidates, []);
  });
});
