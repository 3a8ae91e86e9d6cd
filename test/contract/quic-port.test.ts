/** What happens to open connections when the UDP port of a daemon moves, or a certificate comes to its end. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { QuicLink } from '../../src/lib/node/link/quic.js';
import { connectQuic } from '../../src/lib/quic/endpoint-client.js';
import { QUIC_PROTOCOL_CLOSE } from '../../src/lib/wire/quic/methods.js';
import { rejectsWith } from '../support/rejects-with.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode, type TestNode } from '../support/test-node.js';

const DAY_MS = 86_400_000;
const OTHER = '127.0.0.2';
const deps = { clock: systemClock, random: systemRandom, log: silentLog };

describe('the UDP port of a daemon', function () {
  this.timeout(30_000);
  let target: TestDaemon;
  let node: TestNode;
  const clock = new SteppedClock();

  beforeEach(async () => {
    target = await startTestDaemon({}, { clock });
    node = await pairTestNode(target);
  });
  afterEach(() => target.dispose());

  const dial = (host: string) => {
    const { certificatePem, keyPem, caPem } = node;
    return connectQuic(deps, { host, port: target.ports.node, tls: { certificatePem, keyPem, caPem } });
  };
  const health = async (host: string) => {
    const { certificatePem, keyPem, caPem } = node;
    const material = { certificatePem, keyPem, trustBundle: [caPem] };
    const link = new QuicLink(`${host}:${target.ports.node}`, material, deps);
    return link.health(AbortSignal.timeout(10_000)).finally(() => link.destroy());
  };

  it('moves with `daemon expose`: open connections are told, and the new address answers', async function () {
    if (process.platform !== 'linux') this.skip();
    const client = new ControlPlaneClient({ socketPath: target.socketPath });
    try {
      const old = await dial('127.0.0.1');
      await client.exposeDaemon([OTHER]);
      const { by, code } = await old.closed;
      assert.deepEqual([by, code], ['peer', QUIC_PROTOCOL_CLOSE.MOVED]);
      assert.equal((await health(OTHER)).daemonName, 'test-daemon');
      await rejectsWith(health('127.0.0.1'), 'DAEMON_UNREACHABLE');
      // The certificate there is for the new address too.
      const verified = await dial(OTHER);
      assert.equal(verified.isOpen, true);
      verified.close();
      assert.equal((await client.daemonStatus()).quic.state, 'on');
    } finally {
      await client.close();
    }
  });

  it('closes an open connection when its certificate comes to its end, and takes it no more', async () => {
    const open = await dial('127.0.0.1');
    await eventually('the daemon has it', () => target.daemon.quic.connections === 1);
    // Keep-alives see their peer as dead when time jumps; only the last step is after the end.
    clock.step(90 * DAY_MS + 1);
    const at = performance.now();
    const { by, code, reason } = await open.closed;
    assert.deepEqual([by, code, reason], ['peer', QUIC_PROTOCOL_CLOSE.NOT_ALLOWED, 'the certificate has expired']);
    assert.ok(performance.now() - at < 3_000);
    await rejectsWith(health('127.0.0.1'), 'CERTIFICATE_REVOKED');
  });
});
