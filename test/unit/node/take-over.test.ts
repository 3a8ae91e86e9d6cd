/** A certificate that was renewed beside an open link: the link goes on until one with the new certificate is up, however often that fails. */
import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { createNodeHost, type NodeHost } from '../../../src/lib/node/host.js';
import { capability, registration } from '../../support/capabilities.js';
import { testAuthority } from '../../support/fake-daemon.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { acceptAll, MemoryDaemon, session } from '../../support/node-daemon.js';
import { pairDirectory } from '../../support/paired-directory.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { until } from '../../support/until.js';

/** Other processes' renewals are looked for this often. */
const LOOK_MS = 60_000;
const HOUR_MS = 3_600_000;

describe('a take-over with a new certificate', () => {
  const home = temporaryDirectory();
  const authority = testAuthority();
  let clock: HandClock;
  let daemon: MemoryDaemon;
  let host: NodeHost;
  let stop: AbortController;
  let running: Promise<void>;
  let fraction: number;

  const renewedOnDisk = () => pairDirectory(join(home(), 'node'), authority, [daemon.endpoint]);
  const tries = () => daemon.registrations.length - 1;
  const tried = async (count: number) => {
    await until(
      () => tries() === count,
      () => `${count} tries; there were ${tries()}`,
    );
    await settle();
  };
  const online = async (index: number) => {
    const daemonSide = await session(daemon, index);
    daemonSide.welcome({ epoch: index + 1, heartbeatMs: 10 * HOUR_MS });
    await until(() => host.status()?.state === 'online');
    return daemonSide;
  };

  beforeEach(async () => {
    clock = new HandClock(Date.now());
    daemon = new MemoryDaemon();
    stop = new AbortController();
    fraction = 1;
    await renewedOnDisk();
    host = createNodeHost(
      { stateDirectory: join(home(), 'node'), controlSocketPath: join(home(), 'node.sock'), version: '1.2.3' },
      {
        clock,
        random: { ...systemRandom, fraction: () => fraction },
        log: silentLog,
        links: [{ transport: 'grpc', connect: daemon.connect }],
        registrations: [registration(capability())],
      },
    );
    running = host.run(stop.signal);
    running.catch(() => undefined);
  });
  afterEach(async () => {
    stop.abort();
    clock.advance(60_000);
    await running.catch(() => undefined);
  });

  const refuse = () => {
    daemon.answer = () => {
      throw new PalyraError('DAEMON_UNREACHABLE', { detail: 'not now' });
    };
  };
  /** The new certificate is noticed, and the first try with it failed. */
  const firstFails = async () => {
    const first = await online(0);
    refuse();
    await renewedOnDisk();
    clock.advance(LOOK_MS);
    await tried(1);
    return first;
  };

  it('that fails is tried again after a second, and less and less often up to half a minute', async () => {
    const first = await firstFails();
    const delays = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    for (const [index, delayMs] of delays.entries()) {
      clock.advance(delayMs - 1);
      await settle();
      assert.equal(tries(), index + 1, `sooner than ${delayMs} ms`);
      clock.advance(1);
      await tried(index + 2);
    }
    assert.deepEqual([host.status()?.state, first.left], ['online', false]);
    daemon.answer = acceptAll;
    clock.advance(30_000);
    await online(1);
    await until(() => first.left);
    assert.equal(daemon.sessions.length, 2);
  });

  it('has its delay drawn anew each time: a fleet that failed at once does not come back at once', async () => {
    await firstFails();
    // The delay of the second try was drawn already.
    fraction = 0.25;
    clock.advance(1_000);
    await tried(2);
    clock.advance(499);
    await settle();
    assert.equal(tries(), 2);
    clock.advance(1);
    await tried(3);
    // Never at once, whatever is drawn.
    fraction = 0;
    clock.advance(1_000);
    await tried(4);
    clock.advance(49);
    await settle();
    assert.equal(tries(), 4);
    clock.advance(1);
    await tried(5);
  });

  it('is tried at once when there is yet another certificate, and by one timer only', async () => {
    await firstFails();
    for (let count = 2; count <= 7; count++) {
      clock.advance(30_000);
      await tried(count);
    }
    await renewedOnDisk();
    const before = tries();
    for (let second = 0; second < 120; second++) {
      clock.advance(1_000);
      await settle();
      await settle();
    }
    // Two minutes: one each half minute, and one for the certificate, after which the half minute begins anew.
    const more = tries() - before;
    assert.ok(more >= 4 && more <= 5, `${more} tries`);
  });
});
