/** What `daemon status --deep` says of the event loop and the memory of a daemon: real figures of one that is held up and of one that is not, and what they mean. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { DaemonStatus } from '../../src/lib/cli/daemon-report.js';
import { loopFinding, memoryFinding, vitalsChecks } from '../../src/lib/cli/deep/vitals-checks.js';
import { examine } from '../../src/lib/cli/doctor/check.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { measureVitals } from '../../src/lib/daemon/vitals.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

const MB = 1e6;
const HELD_UP_MS = 400;

function holdUp(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('the vitals that daemon status --deep looks at', function () {
  this.timeout(20_000);
  let target: TestDaemon;
  let client: ControlPlaneClient;
  let status: DaemonStatus;

  before(async () => {
    target = await startTestDaemon();
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    status = await client.daemonStatus();
  });
  after(async () => {
    await client.close();
    await target.dispose();
  });

  it('show a loop that is held up, and only while it is', async () => {
    const held = client.daemonVitals();
    const again = setInterval(() => holdUp(HELD_UP_MS), 50);
    const { eventLoop } = await held.finally(() => clearInterval(again));
    assert.ok(eventLoop.p99Ms >= HELD_UP_MS - 60 && eventLoop.maxMs >= eventLoop.p99Ms, JSON.stringify(eventLoop));
    assert.equal(loopFinding(eventLoop).status, 'warn');
    const { eventLoop: after } = await client.daemonVitals();
    assert.ok(after.p50Ms < eventLoop.p99Ms, JSON.stringify(after));
  });

  it('show a loop that stood still from the beginning to the end', async () => {
    const measured = measureVitals(systemClock, new AbortController().signal);
    holdUp(250 + HELD_UP_MS);
    const { eventLoop } = await measured;
    assert.ok(eventLoop.p99Ms >= HELD_UP_MS - 60 && eventLoop.maxMs >= eventLoop.p99Ms, JSON.stringify(eventLoop));
  });

  it('are of this process, and two who ask at once both get them', async () => {
    const [one, other] = await Promise.all([client.daemonVitals(), client.daemonVitals()]);
    for (const { memory, eventLoop } of [one, other]) {
      assert.ok(memory.rssBytes > 20 * MB && memory.rssBytes < 8_000 * MB, `${memory.rssBytes}`);
      assert.ok(memory.heapUsedBytes > MB && memory.heapUsedBytes < memory.heapLimitBytes);
      assert.ok(eventLoop.measuredMs >= 240, `${eventLoop.measuredMs} ms`);
    }
  });

  it('are not measured any more when whoever asked is gone', async () => {
    const gone = new AbortController();
    const measured = measureVitals(systemClock, gone.signal);
    gone.abort(new PalyraError('CANCELLED'));
    await assert.rejects(measured, { reason: 'CANCELLED' });
  });

  it('are measured once for both checks, and skipped for a daemon that cannot', async () => {
    let asked = 0;
    let measured: ReturnType<typeof client.daemonVitals> | null = null;
    const vitals = () => (measured ??= (asked++, client.daemonVitals()));
    const found = await examine(vitalsChecks({ status, vitals }), systemClock);
    assert.deepEqual([found.map(({ id }) => id), asked], [['daemon.loop', 'daemon.memory'], 1]);
    const older = () => Promise.reject(new PalyraError('ROUTE_NOT_FOUND'));
    const skipped = await examine(vitalsChecks({ status, vitals: older }), systemClock);
    assert.deepEqual(
      skipped.map(({ status: state }) => state),
      ['skip', 'skip'],
    );
  });

  it('are judged by the documented limits, as warnings', () => {
    const loop = (p99Ms: number) => loopFinding({ measuredMs: 250, p50Ms: 1, p99Ms, maxMs: p99Ms + 3 });
    assert.deepEqual(loop(250), { status: 'pass', detail: 'its event loop was at most 253 ms late within 250 ms' });
    assert.equal(loop(251).status, 'warn');
    assert.match(loop(251).detail, /251 ms at the 99th percentile; over 250 ms/);

    const of = (online: number, connections: number): DaemonStatus => ({
      ...status,
      nodes: { ...status.nodes, online, late: 0 },
      quic: { ...status.quic, connections },
    });
    const memory = (rss: number, heapUsed = 40, facts = of(0, 0)) =>
      memoryFinding({ rssBytes: rss * MB, heapUsedBytes: heapUsed * MB, heapLimitBytes: 2_000 * MB }, facts);
    assert.deepEqual(memory(150), { status: 'pass', detail: 'the daemon uses 150 MB, its heap 40 MB of 2000 MB' });
    assert.match(memory(151).detail, /with 0 connected it should need at most 150 MB/);
    assert.equal(memory(260, 40, of(1_000, 0)).status, 'pass');
    assert.equal(memory(261, 40, of(1_000, 0)).status, 'warn');
    assert.equal(memory(300, 40, of(1_000, 1_000)).status, 'pass');
    assert.equal(memory(301, 40, of(1_000, 1_000)).status, 'warn');
    const full = memory(1_700, 1_601, of(100_000, 0));
    assert.deepEqual([full.status, memory(1_700, 1_600, of(100_000, 0)).status], ['warn', 'pass']);
    assert.match(full.detail, /its heap 1601 MB of 2000 MB: it ends when that is full/);
    assert.match(full.fix!, /daemon restart/);
  });
});
