/** The polled link where connections are cut all the time: what was sent arrives once and in order, whatever was on the way. */
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { strict as assert } from 'node:assert';

import { systemClock } from '../../src/lib/base/clock.js';
import type { PalyraError } from '../../src/lib/base/errors.js';
import type { DownMessage, UpMessage } from '../../src/lib/base/link-messages.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import type { NodeLink } from '../../src/lib/node/link/link.js';
import { LARGE_RESULT_BYTES } from '../../src/lib/node/link/poll-window.js';
import { OUTAGE_MS, pollLinks, RETRY_ANSWER_MS } from '../../src/lib/node/link/poll.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { FakeDaemon, nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { NetShim } from '../support/net-shim.js';
import { session } from '../support/node-daemon.js';
import { seededRandom } from '../support/seeded-random.js';
import { TIMER_EARLY_MS } from '../support/timers.js';
import { until } from '../support/until.js';

const COUNT = 300;

describe('the polled link on a network that cuts', function () {
  this.timeout(60_000);
  let authority: Authority;
  let daemon: FakeDaemon;
  let proxy: CuttingProxy;
  let link: NodeLink;
  let messages: DownMessage[];
  let ends: (PalyraError | null)[];

  before(() => {
    authority = testAuthority();
  });
  beforeEach(async () => {
    daemon = await FakeDaemon.start(authority);
    proxy = await CuttingProxy.start(daemon.port);
    messages = [];
    ends = [];
  });
  afterEach(() => {
    link.destroy();
    proxy.close();
    daemon.stop();
  });

  const open = async (endpoint = proxy.endpoint) => {
    link = pollLinks(nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES'), {
      clock: systemClock,
      random: systemRandom,
      connector: new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY }),
    })(endpoint);
    const stream = link.open(
      {
        kind: 'hello',
        bootId: 'boot-1',
        storeId: 'store-1',
        protocol: { min: 1, max: 1 },
        version: '1.0.0',
        credit: 4,
        lastEpoch: 0,
        known: [],
      },
      { message: (message) => messages.push(message), ended: (error) => ends.push(error) },
    );
    return { stream, daemonSide: await session(daemon) };
  };
  const result = (index: number): UpMessage => ({
    kind: 'result',
    id: `dsp_${String(index).padStart(6, '0')}`,
    attempt: 1,
    epoch: 1,
    state: 'succeeded',
    // Some go by CompleteCapability.
    outputJson: JSON.stringify('x'.repeat(index % 10 === 0 ? LARGE_RESULT_BYTES + index : index)),
    error: null,
    executionMs: index,
  });

  it('loses and doubles nothing, in either direction, when connections are cut at random', async () => {
    const random = seededRandom(7);
    proxy.lifeMs = () => 30 + random.fraction() * 250;
    const { stream, daemonSide } = await open();
    const up: UpMessage[] = Array.from({ length: COUNT }, (_, index) => result(index));
    const down: DownMessage[] = Array.from({ length: COUNT }, (_, index) => ({
      kind: 'result_ack',
      id: `dsp_${String(index).padStart(6, '0')}`,
      attempt: index + 1,
    }));
    for (let index = 0; index < COUNT; index++) {
      stream.send(up[index]!);
      daemonSide.send(down[index]!);
      await new Promise((resolve) => setTimeout(resolve, random.fraction() * 20));
    }
    await until(
      () => daemonSide.received.length > COUNT && messages.length === COUNT,
      () => `${daemonSide.received.length} up, ${messages.length} down, ended: ${ends[0]?.message}`,
      30_000,
    );
    assert.deepEqual(daemonSide.received.slice(1), up);
    assert.deepEqual(messages, down);
    assert.deepEqual(ends, []);
    assert.equal(daemon.sessions.length, 1);
    assert.ok(proxy.accepted > 10, `${proxy.accepted} connections`);
  });

  it('does not end when the connection is cut while it waits', async () => {
    const { daemonSide } = await open();
    for (let round = 1; round <= 3; round++) {
      proxy.cut();
      daemonSide.send({ kind: 'beat', daemonTimeMs: round });
      await until(() => messages.length === round);
    }
    assert.deepEqual([ends, daemon.sessions.length], [[], 1]);
  });

  it('ends by itself once nothing has been answered for a while', async () => {
    await open();
    const startedAt = performance.now();
    proxy.close();
    await until(
      () => ends.length > 0,
      () => 'the end',
      30_000,
    );
    assert.equal(ends[0]?.reason, 'DAEMON_UNREACHABLE');
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= OUTAGE_MS - TIMER_EARLY_MS, `${tookMs} ms`);
  });

  it('ends soon when a call was lost and not even the next connection is answered: the network is dark', async () => {
    const shim = await NetShim.start(daemon.port);
    const { daemonSide } = await open(shim.endpoint);
    daemonSide.welcome();
    await until(() => messages.length === 1);
    const startedAt = performance.now();
    shim.dark('up', 'down');
    shim.cut();
    await until(
      () => ends.length > 0,
      () => 'the end',
      30_000,
    );
    const tookMs = performance.now() - startedAt;
    shim.close();
    assert.equal(ends[0]?.reason, 'DAEMON_UNREACHABLE');
    // It would be given ten seconds otherwise.
    assert.ok(tookMs >= RETRY_ANSWER_MS - TIMER_EARLY_MS && tookMs < RETRY_ANSWER_MS + OUTAGE_MS, `${tookMs} ms`);
  });

  it('ends at once when the daemon does not know the session: it was started again', async () => {
    const { daemonSide } = await open();
    daemonSide.welcome();
    await until(() => messages.length > 0);
    const { port } = daemon;
    daemon.stop();
    daemon = await FakeDaemon.start(authority, { port });
    await until(() => ends.length > 0);
    assert.ok(['LINK_SESSION_UNKNOWN', 'DAEMON_STOPPING'].includes(ends[0]?.reason ?? ''), ends[0]?.reason);
  });
});
