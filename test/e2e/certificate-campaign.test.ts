/** Certificates that live a minute, under load: nothing that was asked for is lost or refused while one certificate takes the place of another. */
import assert from 'node:assert/strict';
import { readCredentials } from '../../src/lib/node/credentials.js';
import { FastClock } from '../support/fast-clock.js';
import { JoinedNode } from '../support/joined-node.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

/** Long enough for one renewal, by a clock that runs faster; `npm run campaign` goes on for ten real minutes. */
const SECONDS = process.env['PALYRA_CERTIFICATE_SECONDS'];
const RUN_MS = Number(SECONDS ?? 50) * 1_000;
const FASTER = SECONDS === undefined ? 6 : 1;
const LIFE_MS = 60_000;
const PAUSE_MS = 20;
const LANES = 4;

describe('certificates of one minute under load', function () {
  this.timeout(RUN_MS + 60_000);
  let clock: FastClock;
  let target: TestDaemon;
  let node: JoinedNode;

  before(async () => {
    clock = new FastClock(FASTER);
    target = await startTestDaemon({ nodeCertificateMs: LIFE_MS }, { clock });
    node = await JoinedNode.join(target, 'pi', clock);
    void node.start(clock);
  });
  after(async () => {
    await node?.stop();
    await target.dispose();
  });

  it(`loses no dispatch in ${RUN_MS / 1000} s, and renews every forty seconds or so`, async () => {
    while (node.host?.status()?.state !== 'online') await pause(20);
    const until = clock.now() + RUN_MS;
    const outcomes = new Map<string, number>();
    const serials = new Set<string>();
    const lane = async () => {
      while (clock.now() < until) {
        const outcome = await node.run();
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        await pause(PAUSE_MS);
      }
    };
    const watch = async () => {
      while (clock.now() < until) {
        serials.add((await readCredentials(node.stateDirectory))!.certificate.serial);
        await pause(100);
      }
    };
    await Promise.all([...Array.from({ length: LANES }, lane), watch()]);
    const renewals = serials.size - 1;
    process.stdout.write(`      ${JSON.stringify(Object.fromEntries(outcomes))}, ${renewals} renewals\n`);
    assert.deepEqual([...outcomes.keys()], ['succeeded']);
    // Between 37 and 43 s after each one before it.
    assert.ok(renewals >= Math.floor(RUN_MS / 46_000), `${renewals} renewals`);
    assert.ok(renewals <= Math.ceil(RUN_MS / 36_000), `${renewals} renewals`);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
