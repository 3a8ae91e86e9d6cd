import { strict as assert } from 'node:assert';
import { join } from 'node:path';

import { PalyraError } from '../../../src/lib/base/errors.js';
import { Deferred } from '../../../src/lib/base/lifecycle.js';
import { silentLog } from '../../../src/lib/base/log.js';
import type { TransportMode } from '../../../src/lib/base/transports.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { createNodeHost, type NodeHost } from '../../../src/lib/node/host.js';
import { capability, registration } from '../../support/capabilities.js';
import { testAuthority } from '../../support/fake-daemon.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { acceptAll, MemoryDaemon, session } from '../../support/node-daemon.js';
import { pairDirectory } from '../../support/paired-directory.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { until } from '../../support/until.js';

/** No jitter: a hold is five quarters of its base. */
const steadyRandom = { ...systemRandom, fraction: () => 1 };
const HOLD_MS = 75_000;

describe('the node host and its transports', () => {
  const home = temporaryDirectory();
  const authority = testAuthority();
  let clock: HandClock;
  let stream: MemoryDaemon;
  let poll: MemoryDaemon;
  let host: NodeHost;
  let stop: AbortController;
  let running: Promise<void>;
  let held: Deferred<null>[];
  let epoch: number;

  const start = (transport: TransportMode = 'auto') => {
    host = createNodeHost(
      {
        stateDirectory: join(home(), 'node'),
        controlSocketPath: join(home(), 'node.sock'),
        version: '1.2.3',
        transport,
      },
      {
        clock,
        random: steadyRandom,
        log: silentLog,
        links: [
          { transport: 'grpc', connect: stream.connect },
          { transport: 'poll', connect: poll.connect },
        ],
        registrations: [
          registration(
            capability({
              name: 'test.hold',
              executionTimeoutMs: 600_000,
              run: () => {
                const end = new Deferred<null>();
                held.push(end);
                return end.promise;
              },
            }),
          ),
        ],
      },
    );
    running = host.run(stop.signal);
    running.catch(() => undefined);
  };
  const used = () => host.status()?.transport.used;
  const online = async (daemon: MemoryDaemon, index: number) => {
    const daemonSide = await session(daemon, index);
    daemonSide.welcome({ epoch: ++epoch, heartbeatMs: 15_000 });
    await until(() => host.status()?.state === 'online' && used() === (daemon === poll ? 'poll' : 'grpc'));
    return daemonSide;
  };
  /** Cut after two seconds, and online over the next stream after the pause. */
  const cutStreams = async () => {
    for (let round = 0; round < 3; round++) {
      const daemonSide = await online(stream, round);
      clock.advance(2_000);
      daemonSide.end(new PalyraError('DAEMON_UNREACHABLE', { detail: 'the connection was cut' }));
      await until(() => host.status()?.state === 'offline');
      clock.advance(round < 2 ? 2_000 : 50);
    }
  };
  /** A minute and a half in which the daemon answers every heartbeat. */
  const pass = async (ms: number, daemonSide: { send: (message: { kind: 'beat'; daemonTimeMs: number }) => void }) => {
    for (let passed = 0; passed < ms; passed += 5_000) {
      clock.advance(5_000);
      daemonSide.send({ kind: 'beat', daemonTimeMs: 0 });
      await settle();
      await settle();
    }
  };

  beforeEach(async () => {
    clock = new HandClock(Date.now());
    stream = new MemoryDaemon();
    poll = new MemoryDaemon();
    stop = new AbortController();
    held = [];
    epoch = 0;
    await pairDirectory(join(home(), 'node'), authority, [stream.endpoint]);
  });
  afterEach(async () => {
    stop.abort();
    const ended = running.then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([ended, settle().then(() => false)]))) clock.advance(100);
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  it('polls when streams are cut, and changes back in place when the time is over, with what runs', async () => {
    start();
    await cutStreams();
    const polled = await online(poll, 0);
    assert.match(host.status()!.transport.why, /the stream was cut 3 times/);
    polled.offer({ capability: 'test.hold', epoch, runTimeoutMs: 600_000, deadlineInMs: 600_000 });
    await until(() => held.length === 1);
    const streams = stream.sessions.length;
    await pass(HOLD_MS, polled);
    const back = await session(stream, streams);
    await until(() => polled.left);
    assert.deepEqual(
      back.hello.known.map(({ id, state, alive }) => [id, state, alive]),
      [['dsp_000001', 'started', true]],
    );
    back.welcome({ epoch: ++epoch, keep: ['dsp_000001'] });
    await until(() => used() === 'grpc');
    held[0]!.resolve(null);
    assert.equal((await back.next('result')).state, 'succeeded');
    assert.equal(poll.sessions.length, 1);
  });

  for (const answers of [true, false]) {
    it(`says goodbye when it is stopped while it changes, ${answers ? 'over the new link' : 'or gives up after two seconds'}`, async () => {
      start();
      await cutStreams();
      const polled = await online(poll, 0);
      const [streams, before] = [stream.sessions.length, stream.registrations.length];
      const change = new Deferred<void>();
      stream.answer = async (seen) => {
        if (stream.registrations.length > before + 1) await change.promise;
        return acceptAll(seen);
      };
      await pass(HOLD_MS, polled);
      await until(() => polled.left && stream.registrations.length === before + 2);
      stop.abort();
      await settle();
      assert.equal(host.status()?.state, 'stopping');
      if (answers) {
        change.resolve();
        const back = await session(stream, streams);
        back.welcome({ epoch: ++epoch });
        await back.next('stopping');
        await running;
        assert.equal(back.left, true);
      } else {
        clock.advance(2_000);
        await running;
        assert.equal(stream.sessions.length, streams);
      }
    });
  }

  it('stays where it is while the better one cannot even register', async () => {
    start();
    await cutStreams();
    const polled = await online(poll, 0);
    const streams = stream.sessions.length;
    const before = stream.registrations.length;
    stream.answer = () => {
      throw new PalyraError('DAEMON_UNREACHABLE');
    };
    await pass(HOLD_MS, polled);
    await until(() => stream.registrations.length === before + 1);
    await settle();
    assert.deepEqual([used(), polled.left, stream.sessions.length], ['poll', false, streams]);
    assert.match(host.status()!.transport.why, /the stream did not work/);
  });

  it('uses what it is told to, whatever happens', async () => {
    start('poll');
    for (let round = 0; round < 4; round++) {
      const daemonSide = await online(poll, round);
      assert.equal(host.status()?.transport.why, 'it was asked for');
      clock.advance(1_000);
      daemonSide.end(new PalyraError('DAEMON_UNREACHABLE'));
      await until(() => host.status()?.state === 'offline');
      clock.advance(30_000);
    }
    assert.deepEqual(stream.registrations, []);
  });

  it('refuses QUIC when there is none, before it touches anything', () => {
    running = Promise.resolve();
    return rejectsWith(
      Promise.resolve().then(() => start('quic')),
      'QUIC_UNAVAILABLE',
    );
  });
});
