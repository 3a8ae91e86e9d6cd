/**
 * A node with a good certificate that asks for what is refused, in a loop and over one connection after another: it is cut off, told so, and let in again a
 * minute later. Real sockets and TLS; only the minute is moved on by hand.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { PalyraError } from '../../src/lib/base/errors.js';
import { DENIAL_PENALTY_MS } from '../../src/lib/base/link-limits.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { DENIALS_PER_WINDOW } from '../../src/lib/daemon/denial-budget.js';
import { DeviceDenials, TOLD_ANSWERS, TOLD_CONNECTIONS } from '../../src/lib/daemon/device-denials.js';
import { QuicLink } from '../../src/lib/node/link/quic.js';
import { fromFacts } from '../../src/lib/wire/grpc/convert.js';
import { fromServiceError } from '../../src/lib/wire/grpc/status.js';
import { ShiftedClock } from '../support/access.js';
import { HandClock } from '../support/hand-clock.js';
import { JoinedNode } from '../support/joined-node.js';
import { linesOf } from '../support/log-lines.js';
import { eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { call, pairTestNode, TEST_FACTS, type TestNode } from '../support/test-node.js';

/** As in the promise: so many calls, over so many connections. */
const CALLS = 100_000;
const CALLS_OF_A_CONNECTION = 500;
const GRPC = 'application/grpc';
const REFUSED = [
  ['/palyra.node.v1.NodeService/Nothing', GRPC],
  ['/palyra.pairing.v1.PairingService/BeginPairingSession', GRPC],
  ['/palyra.node.v1.NodeService/PollCapability', 'text/plain'],
  ['/palyra.node.v1.NodeService/RegisterNode', GRPC],
] as const;
const MAX_LOG_BYTES = 64 * 1024;

describe('a node that asks for what is refused in a loop', function () {
  this.timeout(120_000);
  const clock = new ShiftedClock();
  const { log, lines } = linesOf();
  let target: TestDaemon;
  let looping: TestNode;
  let honest: JoinedNode;

  before(async () => {
    target = await startTestDaemon({ heartbeatMs: 500 }, { clock, log });
    looping = await pairTestNode(target, { name: 'looping' });
    honest = await JoinedNode.join(target, 'honest', clock);
    void honest.start(clock);
    await eventually('the honest node is online', async () => (await honest.run()) === 'succeeded');
    lines.length = 0;
  });
  after(async () => {
    await honest?.stop();
    await target?.dispose();
  });

  /** Calls over one connection, so many at a time: how many were made and answered until the daemon ended it, or they all were. */
  const flood = (most: number, atOnce: number): Promise<{ made: number; answered: number; cut: boolean }> =>
    new Promise((resolve) => {
      let [made, open, answered] = [0, 0, 0];
      const session = connect(`https://127.0.0.1:${target.ports.node}`, {
        ...{ key: looping.keyPem, cert: looping.certificatePem, ca: looping.caPem, servername: 'localhost' },
      });
      session.on('error', () => undefined);
      session.once('close', () => resolve({ made, answered, cut: made < most || answered < made }));
      const next = () => {
        if (session.destroyed || session.closed) return;
        if (made === most) {
          if (open === 0) session.destroy();
          return;
        }
        const [path, type] = REFUSED[made % REFUSED.length]!;
        made += 1;
        open += 1;
        const request = session.request({ ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' });
        request.on('response', () => (answered += 1));
        request.on('error', () => undefined);
        request.once('close', () => {
          open -= 1;
          next();
        });
        request.resume();
        request.end();
      };
      for (let index = 0; index < atOnce; index++) next();
    });
  const register = (node: TestNode) => {
    const client = node.client();
    const protocol = { min: 1, max: 1 };
    const facts = fromFacts(TEST_FACTS);
    return call((done) =>
      client.registerNode(
        { deviceId: node.deviceId, protocol, facts, bootId: 'b', storeId: 's', pluginFailures: [], nodeTimeMs: 0 },
        done,
      ),
    )
      .then(
        () => 'registered',
        (error: unknown) => fromServiceError(error),
      )
      .finally(() => client.close());
  };

  it('is cut off, and the daemon neither answers it nor writes about it without end', async () => {
    const began = process.cpuUsage();
    const first = await flood(CALLS, 4);
    assert.ok(first.cut);
    assert.ok(first.answered >= DENIALS_PER_WINDOW - 4 && first.made <= 2 * DENIALS_PER_WINDOW, JSON.stringify(first));
    // The first that comes again is told why, and how long.
    const refusal = await register(looping);
    assert.ok(refusal instanceof PalyraError);
    assert.equal(refusal.reason, 'NODE_CUT_OFF');
    const { retryAfterMs } = refusal.details as { retryAfterMs: number };
    assert.ok(retryAfterMs > 0 && retryAfterMs <= DENIAL_PENALTY_MS);

    let later = 0;
    for (let calls = first.made; calls < CALLS; calls += CALLS_OF_A_CONNECTION) {
      const { answered, cut } = await flood(CALLS_OF_A_CONNECTION, CALLS_OF_A_CONNECTION);
      assert.ok(cut);
      later += answered;
    }
    // One turn of the event loop may bring as many as there may be streams, beside the last one that counts.
    assert.ok(later <= TOLD_CONNECTIONS * (TOLD_ANSWERS + 64), String(later));
    assert.equal(await honest.run(), 'succeeded');
    const logBytes = Buffer.byteLength(lines.join('\n'));
    assert.ok(logBytes <= MAX_LOG_BYTES, `${logBytes} bytes of log`);
    assert.equal(lines.filter((line) => line.includes('cut off: too many')).length, 1);
    const { user, system } = process.cpuUsage(began);
    process.stdout.write(
      `      ${first.answered} of the first ${first.made} and ${later} of ${CALLS} calls were answered, ${logBytes} bytes of log, ${Math.round((user + system) / 1000)} ms of processor for both sides\n`,
    );
  });

  it('is refused over QUIC as well', async () => {
    const { certificatePem, keyPem, caPem } = looping;
    const material = { certificatePem, keyPem, trustBundle: [caPem] };
    const deps = { clock, random: systemRandom, log: silentLog };
    const link = new QuicLink(`127.0.0.1:${target.ports.node}`, material, deps);
    const ids = { deviceId: looping.deviceId, bootId: 'b', storeId: 's' };
    const registration = { ...ids, protocol: { min: 1, max: 1 }, facts: TEST_FACTS, pluginFailures: [] };
    await assert.rejects(link.register(registration, new AbortController().signal), { reason: 'NODE_CUT_OFF' });
    link.destroy();
  });

  it('is let in again when the minute is over', async () => {
    clock.advance(DENIAL_PENALTY_MS);
    assert.equal(await register(looping), 'registered');
  });
});

describe('the denials of devices', () => {
  const denials = () => {
    const clock = new HandClock();
    const cut: string[] = [];
    const counted = new DeviceDenials({ clock, log: silentLog });
    counted.onCut((id) => cut.push(id));
    return { clock, cut, counted };
  };

  it('are counted within a minute, each device for itself', () => {
    const { clock, cut, counted } = denials();
    for (let count = 0; count < DENIALS_PER_WINDOW; count++) counted.denied('a');
    counted.denied('b');
    assert.deepEqual(cut, []);
    clock.advance(60_000);
    counted.denied('a');
    assert.deepEqual(cut, [], 'another minute');
    for (let count = 0; count < DENIALS_PER_WINDOW; count++) counted.denied('a');
    assert.deepEqual(cut, ['a']);
    assert.equal(counted.refusal('b'), null);
    clock.advance(59_000);
    counted.denied('a');
    assert.deepEqual(counted.refusal('a')?.details, { retryAfterMs: 1_000 }, 'asking on does not make it longer');
    clock.advance(1_000);
    assert.equal(counted.refusal('a'), null);
  });

  it('take bounded room, whoever comes', () => {
    const { counted } = denials();
    for (let count = 0; count < 10_000; count++) counted.denied(`device-${count}`);
    assert.equal(counted.size, 4096);
  });
});
