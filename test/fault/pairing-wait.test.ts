/** A machine that waits for a person while its network forgets it: also a connection that is made and never finished must not be what it waits for. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { enroll } from '../../src/lib/node/enroll.js';
import { testAuthority } from '../support/fake-daemon.js';
import { FakePairing } from '../support/fake-pairing.js';
import { NetShim } from '../support/net-shim.js';
import { temporaryDirectory } from '../support/temporary.js';
import { until } from '../support/until.js';

/** Short, to see the next try soon, and yet enough for a step on a busy machine. */
const STEP_MS = 2_000;
/** Sooner than a keep-alive notices. */
const BACK_WITHIN_MS = 10_000;

describe('waiting for a person over a bad network', function () {
  this.timeout(30_000);
  const home = temporaryDirectory();
  let pairing: FakePairing;
  let shim: NetShim;

  afterEach(() => {
    shim.close();
    pairing.stop();
  });

  it('tries anew when a connection is made and nothing comes over it', async () => {
    pairing = await FakePairing.start(testAuthority(), { waits: [[{ message: 'asked eva' }]] });
    shim = await NetShim.start(pairing.port);
    const facts = { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] };
    const joining = enroll(
      {
        target: { kind: 'link', link: { ...pairing.link, port: shim.port } },
        stateDirectory: join(home(), 'node'),
        facts,
        timeoutMs: STEP_MS,
        onStep: ({ step }) => {
          if (step !== 'waiting') return;
          shim.cut();
          shim.dark('up', 'down');
        },
      },
      { clock: systemClock, random: systemRandom, log: silentLog },
    );
    await Promise.race([until(() => pairing.awaited.length === 1 && shim.live === 1), joining]);
    // What stands between them forgets the connection that is being made, and tells nobody.
    shim.halfOpen();
    shim.light();
    const since = performance.now();
    const { name } = await joining;
    const tookMs = performance.now() - since;
    assert.ok(tookMs < BACK_WITHIN_MS, `${Math.round(tookMs)} ms`);
    assert.equal(name, 'pi-lab');
    assert.equal(pairing.completed.length, 1);
  });
});
