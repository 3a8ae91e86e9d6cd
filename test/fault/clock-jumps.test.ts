/**
 * Clocks that are set: the node's or the daemon's, by an hour, by more than a certificate lives, back to before it began. Real sockets and TLS; the clocks are
 * stepped by hand, and what OpenSSL reads is the machine's. Nothing that runs ends sooner or later for it, nobody gives up, and all is well once the clock is.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { JoinedNode } from '../support/joined-node.js';
import { NetShim } from '../support/net-shim.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HEARTBEAT_MS = 300;
const JUMPS = [
  ['an hour ahead', HOUR_MS],
  ['an hour back', -HOUR_MS],
  ['400 days ahead', 400 * DAY_MS],
  ['back to before the certificate began', -DAY_MS],
] as const;

describe('clocks that are set', function () {
  this.timeout(60_000);
  let target: TestDaemon;
  let node: JoinedNode;
  let shim: NetShim;
  let clocks: { readonly node: SteppedClock; readonly daemon: SteppedClock };
  let ended: unknown;

  const start = async (transport: 'grpc' | 'quic') => {
    clocks = { node: new SteppedClock(), daemon: new SteppedClock() };
    ended = null;
    target = await startTestDaemon({ heartbeatMs: HEARTBEAT_MS }, { clock: clocks.daemon });
    node = await JoinedNode.join(target, 'pi', clocks.node);
    shim = await NetShim.start(target.ports.node);
    const file = join(node.stateDirectory, 'identity.json');
    const identity = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...identity, nodeEndpoints: [shim.endpoint] }));
    node
      .start(clocks.node, { transport, timings: { backoffBaseMs: 50, backoffCapMs: 500, connectTimeoutMs: 1_500 } })
      .catch((error: unknown) => (ended = error));
    await online();
  };
  afterEach(async () => {
    await node.stop();
    shim.close();
    await target.dispose();
  });

  const online = () =>
    eventually(() => node.host?.status()?.state === 'online', 'it is online', 20_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(node.host?.status())}`);
    });
  const latest = () => target.daemon.runtime.nodeDetails('pi').absences[0];
  /** Until the node has a new link; over UDP there is nothing to cut, so it hears nothing until it gives up. */
  const loseLink = async (transport: string) => {
    if (transport === 'quic') shim.dark('up', 'down');
    else shim.cut();
    await eventually(() => node.host?.status()?.state !== 'online', 'it has lost the link');
    shim.light();
  };

  for (const whose of ['node', 'daemon'] as const) {
    for (const [words, ms] of JUMPS) {
      // Each of them once; which transport carries it matters to none of what is asserted.
      const transport = ms > 0 === (whose === 'node') ? 'grpc' : 'quic';
      it(`${whose}: ${words}, over ${transport}`, async () => {
        await start(transport);
        const asked = node.run();
        const inTheDark = (async () => {
          shim.dark('up', 'down');
          const late = node.run();
          await pause(HEARTBEAT_MS);
          clocks[whose].set(ms);
          shim.light();
          return late;
        })();
        const outcomes = Promise.all([asked, inTheDark]);
        const apart = ms > 30 * DAY_MS;
        // A daemon that is so far ahead ends the link, whose certificate is over by its clock: what was asked for waits for the next one.
        const waits = apart && whose === 'daemon';
        if (!waits) assert.deepEqual(await outcomes, ['succeeded', 'succeeded']);
        if (!apart) {
          await pause(4 * HEARTBEAT_MS);
          assert.equal(node.host?.status()?.state, 'online');
        }
        // A certificate that has ended is not accepted any more, within the minute; whoever has the wrong clock cannot have another.
        if (!waits) await loseLink(transport);
        if (apart) {
          await eventually(() => target.daemon.runtime.listNodes().summary.online === 0, 'it is refused', 20_000);
          await pause(1_000);
          assert.notEqual(node.host?.status()?.state, 'online');
          clocks[whose].set(0);
        }
        await online();
        assert.deepEqual(await outcomes, ['succeeded', 'succeeded']);
        assert.equal(await node.run(), 'succeeded');
        assert.equal(ended, null, 'it never gives up');
        const absence = latest();
        assert.ok(
          typeof absence?.to === 'string' && Date.parse(absence.from) <= Date.parse(absence.to),
          JSON.stringify(absence),
        );
        if (apart && whose === 'node') assert.equal(absence.reason, 'clock', JSON.stringify(absence));
        // To a daemon whose clock is set ahead it looks as if it had stood still itself.
        const seenByDaemon = ['lost', 'silent', 'certificate', 'clock', 'daemon-away'];
        if (waits) assert.ok(seenByDaemon.includes(absence.reason), absence.reason);
      });
    }
  }
});
