/** The QUIC link where connections are lost and messages are large: what was sent arrives once and in order, whatever was on the way. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { DownMessage, UpMessage } from '../../src/lib/base/link-messages.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import type { NodeLink } from '../../src/lib/node/link/link.js';
import { QuicLink } from '../../src/lib/node/link/quic.js';
import { AFTER_SILENCE_MS, OUTAGE_MS } from '../../src/lib/node/link/quic-session.js';
import { checkUdp } from '../../src/lib/node/udp-check.js';
import { nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { FakeQuicDaemon, type FakeQuicOptions } from '../support/fake-quic-daemon.js';
import { session } from '../support/node-daemon.js';
import { rejectsWith } from '../support/rejects-with.js';
import { seededRandom } from '../support/seeded-random.js';
import { UdpProxy } from '../support/udp-proxy.js';
import { TIMER_EARLY_MS } from '../support/timers.js';
import { until } from '../support/until.js';

const DEVICE_ID = 'nod_01JTESTTESTTESTTESTTESTTES';
const COUNT = 300;

describe('the QUIC link on a network that cuts', function () {
  this.timeout(60_000);
  let authority: Authority;
  let daemon: FakeQuicDaemon;
  let proxy: UdpProxy;
  let link: NodeLink;
  let messages: DownMessage[];
  let ends: (PalyraError | null)[];

  before(() => {
    authority = testAuthority();
  });
  const start = async (options: FakeQuicOptions = {}) => {
    daemon = await FakeQuicDaemon.start(authority, options);
    proxy = await UdpProxy.start(daemon.port, { random: () => seeded.fraction() });
    messages = [];
    ends = [];
  };
  const seeded = seededRandom(5);
  afterEach(() => {
    link.destroy();
    proxy.close();
    daemon.stop();
  });

  const newLink = () =>
    new QuicLink(`127.0.0.1:${proxy.port}`, nodeMaterial(authority, DEVICE_ID), {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
  const open = async () => {
    link = newLink();
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
  const idOf = (index: number) => `dsp_${String(index).padStart(6, '0')}`;
  const result = (index: number, length: number): UpMessage => ({
    kind: 'result',
    id: idOf(index),
    attempt: 1,
    epoch: 1,
    state: 'succeeded',
    outputJson: JSON.stringify('"'.repeat(length)),
    error: null,
    executionMs: index,
  });

  it('loses and doubles nothing, in either direction, when connections are cut again and again', async () => {
    await start();
    Object.assign(proxy.quality, { delayMs: 2, reorder: 0.1 });
    const { stream, daemonSide } = await open();
    const isCarried = () => daemon.links[0]!.uncarriedSince === null;
    const up = Array.from({ length: COUNT }, (_, index) => result(index, index % 10 === 0 ? 40_000 : index));
    const down: DownMessage[] = Array.from({ length: COUNT }, (_, index) => ({
      kind: 'result_ack',
      id: idOf(index),
      attempt: index + 1,
    }));
    for (let index = 0; index < COUNT; index++) {
      stream.send(up[index]!);
      daemonSide.send(down[index]!);
      // Every other cut comes whether or not it is back. All of them at once could keep it away for as long as ends it (`OUTAGE_MS`),
      // and so could a handshake that loses the same datagram again and again.
      if (index % 80 === 39) await until(isCarried);
      if (index % 40 === 39) daemon.cut();
      proxy.quality.loss = isCarried() ? 0.02 : 0;
      await new Promise((resolve) => setTimeout(resolve, seeded.fraction() * 10));
    }
    await until(
      () => daemonSide.received.length > COUNT && messages.length === COUNT,
      () => `${daemonSide.received.length} up, ${messages.length} down, ended: ${ends[0]?.message}`,
      30_000,
    );
    assert.deepEqual(daemonSide.received.slice(1), up);
    assert.deepEqual(messages, down);
    assert.deepEqual([ends, daemon.sessions.length], [[], 1]);
    assert.ok(daemon.connections >= 3, `${daemon.connections} connections`);
  });

  it('carries the largest input and the largest output, beside small messages', async () => {
    await start();
    const { stream, daemonSide } = await open();
    const fence = { id: idOf(1), attempt: 1, epoch: 1 };
    const inputJson = JSON.stringify('"'.repeat(256 * 1024 - 1));
    daemonSide.welcome();
    daemonSide.send({
      kind: 'offer',
      ...fence,
      capability: 'echo',
      inputJson,
      runTimeoutMs: 1,
      deadlineInMs: 1,
      requestedBy: 'eva',
    });
    const large = result(1, 512 * 1024 - 1);
    for (let index = 0; index < 5; index++) stream.send(large);
    stream.send({ kind: 'heartbeat', active: [] });
    await until(
      () => daemonSide.received.length === 7 && messages.length === 2,
      () => `${ends[0]?.message}`,
      20_000,
    );
    assert.equal((messages[1] as { inputJson: string }).inputJson, inputJson);
    assert.deepEqual(
      daemonSide.received.slice(1, 6),
      Array.from({ length: 5 }, () => large),
    );
  });

  it('ends by itself once the daemon was out of reach for a while', async () => {
    await start();
    await open();
    const startedAt = performance.now();
    daemon.service.close = () => undefined;
    daemon.stop();
    await until(
      () => ends.length > 0,
      () => 'the end',
      30_000,
    );
    assert.equal(ends[0]?.reason, 'DAEMON_UNREACHABLE');
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= OUTAGE_MS - TIMER_EARLY_MS, `${tookMs} ms`);
  });

  it('ends soon after its connection died of silence, and both sides know by then', async () => {
    await start({ transport: { idleTimeoutMs: 1_000, keepAliveMs: 300 } });
    const { daemonSide } = await open();
    daemonSide.welcome();
    await until(() => messages.length === 1);
    await until(() => daemon.links[0]!.uncarriedSince === null);
    const startedAt = performance.now();
    proxy.quality.dark = true;
    await until(
      () => ends.length > 0,
      () => 'the end',
      30_000,
    );
    assert.equal(ends[0]?.reason, 'DAEMON_UNREACHABLE');
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= AFTER_SILENCE_MS - TIMER_EARLY_MS && tookMs < AFTER_SILENCE_MS + OUTAGE_MS, `${tookMs} ms`);
    assert.notEqual(daemon.links[0]!.uncarriedSince, null);
    // The daemon knows it too, in its own time.
    await until(
      () => daemon.sessions[0]!.left,
      () => 'the daemon gives up',
      30_000,
    );
  });

  it('goes on in the same session when the connection died of silence and the path is back in time', async () => {
    await start({ transport: { idleTimeoutMs: 1_000, keepAliveMs: 300 } });
    const { stream, daemonSide } = await open();
    daemonSide.welcome();
    await until(() => messages.length === 1);
    proxy.quality.dark = true;
    // It dials again.
    await until(() => proxy.clients === 2);
    stream.send({ kind: 'heartbeat', active: [] });
    daemonSide.send({ kind: 'beat', daemonTimeMs: 7 });
    proxy.quality.dark = false;
    await until(
      () => messages.length === 2 && daemonSide.received.length === 2,
      () => 'both',
      20_000,
    );
    assert.deepEqual([ends, daemon.sessions.length, daemon.connections > 1], [[], 1, true]);
  });

  it('ends at once when the daemon was started again: a new link says hello with what is known now', async () => {
    await start();
    const { daemonSide } = await open();
    daemonSide.welcome();
    await until(() => messages.length > 0);
    const { port } = daemon;
    daemon.service.close = () => undefined;
    daemon.stop();
    daemon = await FakeQuicDaemon.start(authority, { port });
    await until(
      () => ends.length > 0,
      () => 'the end',
      20_000,
    );
    assert.equal(ends[0]?.reason, 'LINK_SESSION_UNKNOWN');
  });

  it('says what a refused device is told, for good', async () => {
    await start({
      authorize: () => {
        throw new PalyraError('PERMISSION_DENIED', { detail: 'NODE_REVOKED' });
      },
    });
    link = newLink();
    await rejectsWith((link as QuicLink).health(new AbortController().signal), 'NODE_REVOKED');
  });

  it('is checked for diagnosis: how far away it is, or why it cannot be reached', async () => {
    await start();
    const material = nodeMaterial(authority, DEVICE_ID);
    link = newLink();
    const deps = { clock: systemClock, random: systemRandom, log: silentLog };
    const near = await checkUdp(daemon.endpoint, material, deps);
    assert.ok(near.reachable && near.rttMs >= 0 && near.daemonVersion === '1.0.0');
    const dead = await checkUdp('127.0.0.1:1', material, deps);
    assert.ok(!dead.reachable && dead.error.reason === 'DAEMON_UNREACHABLE');
  });

  it('takes no daemon of another authority', async () => {
    await start();
    const own = authority;
    authority = testAuthority();
    link = newLink();
    authority = own;
    const refused = (link as QuicLink).health(new AbortController().signal);
    await rejectsWith(refused, 'DAEMON_IDENTITY_MISMATCH');
  });

  it('waits for a stream that the daemon does not allow, but no longer than it may', async () => {
    await start({ transport: { maxStreams: 0 } });
    link = newLink();
    const late = new PalyraError('DAEMON_UNREACHABLE', { detail: 'in time' });
    const controller = new AbortController();
    const refused = rejectsWith((link as QuicLink).health(controller.signal), 'DAEMON_UNREACHABLE');
    await until(() => daemon.connections === 1);
    controller.abort(late);
    await refused;
  });

  it('answers node.health while another request is still being answered', async () => {
    await start();
    daemon.answer = () => new Promise(() => undefined);
    link = newLink();
    const { signal } = new AbortController();
    const facts = { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1', protocol: 1, capabilities: [] };
    const ids = { bootId: 'boot-1', storeId: 'store-1' };
    const asked = { deviceId: DEVICE_ID, protocol: { min: 1, max: 1 }, facts, ...ids, pluginFailures: [] };
    link.register(asked, signal).catch(() => undefined);
    await until(() => daemon.registrations.length === 1);
    assert.equal((await (link as QuicLink).health(signal)).daemonName, 'nas');
    assert.equal(daemon.connections, 1);
  });
});
