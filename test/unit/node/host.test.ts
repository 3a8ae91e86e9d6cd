import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { PalyraError, type Reason } from '../../../src/lib/base/errors.js';
import { Deferred } from '../../../src/lib/base/lifecycle.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import type { Authority } from '../../../src/lib/identity/authority.js';
import { readHostStatus } from '../../../src/lib/node/control.js';
import { toNodeHostConfig } from '../../../src/lib/node/config.js';
import { createNodeHost, type NodeHost, type NodeHostDeps } from '../../../src/lib/node/host.js';
import type { HostState } from '../../../src/lib/node/status.js';
import { capability, registration } from '../../support/capabilities.js';
import { testAuthority } from '../../support/fake-daemon.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { acceptAll, MemoryDaemon, session } from '../../support/node-daemon.js';
import { DEVICE_ID, pairDirectory } from '../../support/paired-directory.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { until } from '../../support/until.js';

/** No jitter: every delay is its ceiling. */
const steadyRandom = { ...systemRandom, fraction: () => 1 };

describe('the node host', () => {
  const home = temporaryDirectory();
  let authority: Authority;
  let clock: HandClock;
  let daemon: MemoryDaemon;
  let host: NodeHost;
  let stop: AbortController;
  let running: Promise<void>;
  let states: HostState[];
  /** How the host has ended, for a test that waits in vain. */
  let ended: string;
  let held: Deferred<null>[];

  const stateDirectory = () => join(home(), 'node');
  const controlSocketPath = () => join(home(), 'run', 'node.sock');
  const state = () => host.status()?.state;
  const reaches = (wanted: HostState) =>
    until(
      () => state() === wanted,
      () => `${wanted}; it is ${state()}`,
    );

  const newHost = (deps: Partial<NodeHostDeps> = {}) =>
    createNodeHost(
      { stateDirectory: stateDirectory(), controlSocketPath: controlSocketPath(), version: '1.2.3', credit: 2 },
      {
        clock,
        random: steadyRandom,
        log: silentLog,
        links: [{ transport: 'grpc', connect: daemon.connect }],
        registrations: [
          registration(
            capability(),
            capability({
              name: 'test.hold',
              run: ({ signal }) => {
                const end = new Deferred<null>();
                signal.addEventListener('abort', () => end.reject(signal.reason));
                held.push(end);
                return end.promise;
              },
            }),
          ),
        ],
        ...deps,
      },
    );
  const start = (deps: Partial<NodeHostDeps> = {}) => {
    host = newHost(deps);
    host.onState((status) => states.push(status.state));
    running = host.run(stop.signal);
    ended = 'it runs';
    running.then(
      () => (ended = 'it has stopped'),
      (error: unknown) => (ended = String(error)),
    );
  };
  const online = async (index = 0) => {
    await until(
      () => daemon.sessions[index] !== undefined,
      () =>
        `session ${index}; ${ended}; ${JSON.stringify(host.status())}; ${daemon.registrations.length} registrations`,
    );
    const daemonSide = await session(daemon, index);
    daemonSide.welcome({ epoch: index + 1 });
    await reaches('online');
    return daemonSide;
  };

  before(() => {
    authority = testAuthority();
  });
  beforeEach(async () => {
    clock = new HandClock(Date.now());
    daemon = new MemoryDaemon();
    stop = new AbortController();
    states = [];
    held = [];
    await pairDirectory(stateDirectory(), authority, ['memory:0', daemon.endpoint]);
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

  it('tries the endpoints in order, registers, says hello and is online', async () => {
    start();
    const daemonSide = await online();
    assert.deepEqual(states, ['connecting', 'connecting', 'online']);
    assert.deepEqual(daemon.registrations[0]?.capabilities, ['test.hold', 'test.run']);
    const { hello } = daemonSide;
    assert.deepEqual([hello.credit, hello.lastEpoch, hello.known], [2, 0, []]);
    assert.equal(hello.storeId, daemon.registrations[0]?.storeId);
    assert.equal(host.status()?.daemon.endpoint, daemon.endpoint);
  });

  it('runs what it is offered while heartbeats go on, and measures the round trip', async () => {
    start();
    const daemonSide = await online();
    daemonSide.offer({ capability: 'test.hold' });
    await until(() => held.length === 1);
    clock.advance(5);
    daemonSide.send({ kind: 'beat', daemonTimeMs: 0 });
    await until(() => host.status()?.rttMs === 5);
    assert.equal(host.status()?.running, 1);
    clock.advance(1_000);
    const beats = daemonSide.received.filter(({ kind }) => kind === 'heartbeat');
    assert.deepEqual(beats.at(-1), { kind: 'heartbeat', active: [{ id: 'dsp_000001', attempt: 1 }] });
    held[0]!.resolve(null);
    const result = await daemonSide.next('result');
    assert.equal(result.state, 'succeeded');
  });

  it('tells on the link that is up what happened to the machine, until it is known to have arrived', async () => {
    start();
    const daemonSide = await online();
    const told = () => {
      const last = daemonSide.received.filter(({ kind }) => kind === 'heartbeat').at(-1);
      return last?.kind === 'heartbeat' ? last.away?.clockMs : undefined;
    };
    clock.advance(1_000);
    assert.equal(told(), undefined);
    clock.jump(60_000);
    clock.advance(2_000);
    assert.equal(told(), 60_000);
    const beats = daemonSide.received.filter(({ kind }) => kind === 'heartbeat').length;
    for (let i = 1; i < beats; i++) daemonSide.send({ kind: 'beat', daemonTimeMs: 0 });
    await settle();
    clock.jump(7_000);
    clock.advance(2_000);
    assert.equal(told(), 67_000, 'only what was asked before it was answered');
    const all = daemonSide.received.filter(({ kind }) => kind === 'heartbeat').length;
    for (let i = beats; i <= all; i++) daemonSide.send({ kind: 'beat', daemonTimeMs: 0 });
    await settle();
    clock.jump(8_000);
    clock.advance(2_000);
    assert.equal(told(), 8_000, 'what is new since');
  });

  it('answers `palyra node status` on its socket, and removes the socket when it stops', async () => {
    assert.equal(await readHostStatus(controlSocketPath()), null);
    start();
    await online();
    assert.deepEqual(await readHostStatus(controlSocketPath()), host.status());
    stop.abort();
    await until(() => daemon.sessions[0]!.left);
    await running;
    assert.equal(await readHostStatus(controlSocketPath()), null);
  });

  it('comes back for ever after a lost link, with growing pauses that a stable minute resets', async () => {
    start();
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      const daemonSide = await online(i);
      if (i === 8) clock.advance(500);
      daemonSide.end();
      await reaches('offline');
      const { nextTryAt, lastError } = host.status()!;
      assert.equal(lastError?.reason, 'DAEMON_UNREACHABLE');
      pauses.push(Date.parse(nextTryAt!) - clock.now());
      clock.advance(pauses.at(-1)!);
    }
    assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    const daemonSide = await online(9);
    for (let i = 0; i < 61; i++) {
      clock.advance(1_000);
      daemonSide.send({ kind: 'beat', daemonTimeMs: 0 });
      await settle();
      await settle();
    }
    assert.equal(host.status()?.attempts, 0);
    daemonSide.end();
    await reaches('offline');
    assert.equal(Date.parse(host.status()!.nextTryAt!) - clock.now(), 500);
  });

  it('drops a link that says nothing for four heartbeats, whatever the socket says', async () => {
    start();
    const daemonSide = await online();
    clock.advance(4_000);
    assert.equal(state(), 'online');
    clock.advance(1_000);
    await reaches('offline');
    assert.equal(daemonSide.left, true);
  });

  it('gives up on a daemon that does not answer the registration or the hello', async () => {
    daemon.answer = () => new Promise(() => undefined);
    start();
    await until(() => daemon.registrations.length === 1);
    clock.advance(10_000);
    await reaches('offline');
    daemon.answer = acceptAll;
    clock.advance(30_000);
    await session(daemon);
    clock.advance(10_000);
    await reaches('offline');
    assert.match(host.status()!.lastError!.message, /in time/);
  });

  const finals: [string, (reason: Reason) => Promise<void>][] = [
    [
      'RegisterNode',
      async (reason) => {
        daemon.answer = () => {
          throw new PalyraError(reason);
        };
        start();
      },
    ],
    [
      'the link',
      async (reason) => {
        start();
        const daemonSide = await online();
        if (reason === 'NODE_REVOKED') daemonSide.send({ kind: 'revoked', message: 'removed by eva' });
        else daemonSide.end(new PalyraError(reason));
      },
    ],
  ];
  for (const [where, refuse] of finals) {
    for (const reason of ['NODE_REVOKED', 'CERTIFICATE_REVOKED'] as const) {
      it(`stops for good when ${where} says ${reason}, exit code 78, and keeps its identity`, async () => {
        await refuse(reason);
        const error = await rejectsWith(running, reason);
        assert.equal(error.exitCode, 78);
        assert.ok((await readFile(join(stateDirectory(), 'identity.json'))).length > 0);
        assert.match(await readFile(join(stateDirectory(), 'revoked.json'), 'utf8'), new RegExp(reason));
      });
    }
  }

  it('keeps trying, slowly and saying why, a daemon of another version', async () => {
    daemon.answer = () => {
      throw new PalyraError('PROTOCOL_UNSUPPORTED');
    };
    start();
    await reaches('offline');
    const { lastError, nextTryAt } = host.status()!;
    assert.equal(lastError?.reason, 'PROTOCOL_UNSUPPORTED');
    assert.equal(Date.parse(nextTryAt!) - clock.now(), 60_000);
  });

  for (const [told, details, waitMs] of [
    ['as long as a daemon says that cut it off', { retryAfterMs: 45_000 }, 90_000],
    ['a minute where the daemon cannot say how long', {}, 120_000],
    ['not for ever, whatever it is told', { retryAfterMs: 1e12 }, 1_200_000],
  ] as const)
    it(`stays away ${told}`, async () => {
      daemon.answer = () => {
        throw new PalyraError('NODE_CUT_OFF', { details });
      };
      start();
      await reaches('offline');
      const { lastError, nextTryAt } = host.status()!;
      assert.equal(lastError?.reason, 'NODE_CUT_OFF');
      assert.equal(Date.parse(nextTryAt!) - clock.now(), waitMs);
    });

  it('backs off as a conflict when another process took its place, but not when it was itself', async () => {
    start();
    const first = await online();
    first.send({ kind: 'superseded', bootId: 'another' });
    await reaches('conflict');
    assert.equal(host.status()?.lastError?.reason, 'NODE_ALREADY_RUNNING');
    clock.advance(60_000);
    const second = await online(1);
    second.send({ kind: 'superseded', bootId: second.hello.bootId });
    await reaches('offline');
  });

  it('refuses a daemon that was rolled back behind what it has seen', async () => {
    start();
    const daemonSide = await online();
    daemonSide.end();
    await reaches('offline');
    clock.advance(1_000);
    const second = await session(daemon, 1);
    assert.equal(second.hello.lastEpoch, 1);
    second.welcome({ epoch: 0 });
    await reaches('offline');
    assert.equal(host.status()?.lastError?.reason, 'DAEMON_STATE_REGRESSED');
    assert.equal(second.left, true);
  });

  it('keeps handlers running over a lost link and tells the next session so', async () => {
    start();
    const first = await online();
    first.offer({ capability: 'test.hold' });
    await first.next('started');
    first.end();
    await reaches('offline');
    assert.equal(host.status()?.running, 1);
    clock.advance(1_000);
    const second = await session(daemon, 1);
    assert.deepEqual(second.hello.known, [{ id: 'dsp_000001', attempt: 1, state: 'started', alive: true }]);
    assert.equal(second.hello.bootId, first.hello.bootId);
    second.welcome({ epoch: 2, keep: ['dsp_000001'] });
    held[0]!.resolve(null);
    const result = await second.next('result');
    assert.equal(result.epoch, 2);
  });

  it('stops gracefully: says so, lets a handler finish, waits for the confirmation, says goodbye', async () => {
    start();
    const daemonSide = await online();
    daemonSide.offer({ capability: 'test.hold' });
    await daemonSide.next('started');
    stop.abort();
    await daemonSide.next('stopping');
    held[0]!.resolve(null);
    await daemonSide.next('result');
    assert.equal(daemonSide.left, false);
    daemonSide.send({ kind: 'result_ack', id: 'dsp_000001', attempt: 1 });
    await running;
    assert.equal(daemonSide.left, true);
    assert.equal(state(), 'stopping');
  });

  it('stops after the grace period although a handler goes on, and aborts it', async () => {
    start();
    const daemonSide = await online();
    daemonSide.offer({ capability: 'test.hold' });
    await daemonSide.next('started');
    stop.abort();
    await daemonSide.next('stopping');
    clock.advance(5_000);
    await running;
    await assert.rejects(held[0]!.promise, /stops/);
  });

  it('says goodbye also to a daemon that has its hello and has not welcomed it yet', async () => {
    start();
    const daemonSide = await session(daemon, 0);
    stop.abort();
    await settle();
    assert.equal(daemonSide.left, false);
    daemonSide.welcome({ epoch: 1 });
    await daemonSide.next('stopping');
    await running;
    assert.equal(daemonSide.left, true);
  });

  it('waits two seconds for a welcome when it stops', async () => {
    start();
    const daemonSide = await session(daemon, 0);
    stop.abort();
    clock.advance(2_000);
    await running;
    assert.equal(daemonSide.left, true);
  });

  it('stops at once while it waits for the next try', async () => {
    daemon.answer = () => {
      throw new PalyraError('DAEMON_UNREACHABLE');
    };
    start();
    await reaches('offline');
    stop.abort();
    await running;
  });

  it('refuses to run without a pairing, and twice over one identity', async () => {
    start();
    await online();
    const second = newHost();
    const error = await rejectsWith(second.run(stop.signal), 'NODE_ALREADY_RUNNING');
    assert.equal(error.details['pid'], process.pid);
    const unpaired = createNodeHost(
      { stateDirectory: join(home(), 'other'), controlSocketPath: controlSocketPath(), version: '1' },
      { clock, random: steadyRandom, log: silentLog, registrations: [] },
    );
    await rejectsWith(unpaired.run(stop.signal), 'NODE_NOT_PAIRED');
  });

  it('refuses a configuration that cannot work before it touches anything', () => {
    const make = (over: object) =>
      createNodeHost(
        { stateDirectory: stateDirectory(), controlSocketPath: controlSocketPath(), version: '1', ...over },
        { clock, random: steadyRandom, log: silentLog, registrations: [] },
      );
    assert.throws(() => make({ credit: 17 }), { reason: 'CONFIG_INVALID' });
    assert.throws(() => make({ credit: 0 }), { reason: 'CONFIG_INVALID' });
    const directories = { stateDirectory: stateDirectory(), controlSocketPath: controlSocketPath(), version: '1' };
    assert.equal(toNodeHostConfig(directories).credit, 16);
    assert.throws(() => make({ controlSocketPath: `/${'x'.repeat(120)}` }), { reason: 'SOCKET_PATH_TOO_LONG' });
    running = Promise.resolve();
  });

  it('names itself by its device id in the registration', async () => {
    start();
    await online();
    assert.equal(daemon.registrations[0]?.deviceId, DEVICE_ID);
  });
});
