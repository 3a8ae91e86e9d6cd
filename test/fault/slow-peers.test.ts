import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import type { UpMessage } from '../../src/lib/base/link-messages.js';
import { HELLO_TIMEOUT_MS, STALL_MS } from '../../src/lib/daemon/grpc/node-link.js';
import { fromUpMessage } from '../../src/lib/wire/grpc/convert.js';
import { NodeServiceService } from '../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { fromServiceError } from '../../src/lib/wire/grpc/status.js';
import { openHttp2, tlsConnect } from '../support/raw-http2.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite, pairTestNode, TestPairing } from '../support/test-node.js';
import { TIMER_EARLY_MS } from '../support/timers.js';

/** Together more than a node may leave unread, less than it may never have unread. */
const OFFERS = 5;
/** What a busy machine may add to a time-out of the daemon. Without the time-out, nothing would ever come. */
const LATE_MS = 10_000;

describe('peers that are slow or go away', () => {
  let target: TestDaemon;
  let offsetMs = 0;
  const api = (what: Parameters<typeof ask>[1]) => ask({ socketPath: target.socketPath }, what);

  beforeEach(async () => {
    offsetMs = 0;
    // Wall time that a test can move; leases and time-outs stay on the real clock.
    const clock = { ...systemClock, now: () => Date.now() + offsetMs };
    target = await startTestDaemon({}, { clock });
  });
  afterEach(() => target.dispose());

  it('cuts off a node that does not read, and goes on with the others', async function () {
    this.timeout(30_000);
    const node = await pairTestNode(target, { name: 'deaf' });
    const session = connect(`https://${node.nodeEndpoints[0]}`, {
      ca: node.caPem,
      key: node.keyPem,
      cert: node.certificatePem,
    });
    session.on('error', () => undefined);
    const gone = new Promise<number>((resolve) => session.once('close', () => resolve(performance.now())));
    const stream = session.request({
      ':method': 'POST',
      ':path': NodeServiceService.streamNodeEvents.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.write(
      toGrpcFrame({
        kind: 'hello',
        bootId: 'boot_000001',
        storeId: 'sto_000001',
        protocol: { min: 1, max: 1 },
        version: 'x',
        credit: 16,
        lastEpoch: 0,
        known: [],
      }),
    );
    // Nothing is read, ever: the flow control window fills, then the daemon's own buffer.
    await eventually(
      'the node is online',
      async () => (await api({ path: '/v1/nodes/deaf' })).json.node.presence === 'online',
    );
    const input = { x: 'y'.repeat(500_000) };
    for (let sent = 0; sent < OFFERS; sent += 1) {
      const json = { capability: 'echo', input, wait: false };
      assert.equal((await api({ method: 'POST', path: '/v1/nodes/deaf/dispatches', json })).status, 200);
    }
    const startedAt = performance.now();
    const lived = (await gone) - startedAt;
    assert.ok(lived < STALL_MS + LATE_MS, `it was cut off after ${Math.round(lived)} ms`);
    assert.equal((await api({ path: '/v1/nodes/deaf' })).json.node.presence, 'offline');
  });

  it('ends a link that never says hello', async function () {
    this.timeout(HELLO_TIMEOUT_MS + 2 * LATE_MS);
    const node = await pairTestNode(target);
    const client = node.client();
    const stream = client.streamNodeEvents();
    const startedAt = performance.now();
    const reason = await new Promise((resolve) =>
      stream.on('error', (error) => resolve(fromServiceError(error).reason)),
    );
    assert.equal(reason, 'MESSAGE_INVALID');
    assert.ok(performance.now() - startedAt >= HELLO_TIMEOUT_MS - TIMER_EARLY_MS);
    client.close();
  });

  it('closes an HTTPS connection whose request does not come', async function () {
    this.timeout(40_000);
    const ca = await readFile(join(target.options.stateDirectory, 'identity', 'ca.crt'), 'utf8');
    const quiet = await tlsConnect({ port: target.ports.public, ca });
    quiet.resume();
    const trickling = await tlsConnect({ port: target.ports.public, ca });
    trickling.resume();
    trickling.write('GET /healthz HTTP/1.1\r\n');
    const timer = setInterval(() => trickling.write('x: y\r\n'), 1000);
    const startedAt = performance.now();
    await Promise.all([quiet, trickling].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    clearInterval(timer);
    assert.ok(performance.now() - startedAt < 12_000 + LATE_MS);
  });

  it('closes a connection when its certificate expires, and takes none that has', async () => {
    const node = await pairTestNode(target);
    const credentials = { port: target.ports.node, ca: node.caPem, key: node.keyPem, cert: node.certificatePem };
    const live = await openHttp2(credentials);
    live.resume();
    offsetMs = 91 * 86_400_000;
    const startedAt = performance.now();
    await new Promise((resolve) => live.once('close', resolve));
    assert.ok(performance.now() - startedAt < 5000 + LATE_MS);
    const late = await openHttp2(credentials);
    late.resume();
    await new Promise((resolve) => late.once('close', resolve));
  });

  it('survives machines that give up while they wait for a person, and tells the others when it stops', async () => {
    const { code } = await invite(target, { approval: 'person', uses: 2 });
    const patient = await TestPairing.with(target, code);
    const hasty = await TestPairing.with(target, code);
    const waits = [];
    for (const pairing of [hasty, patient]) {
      const { requestId } = await pairing.complete(await pairing.begin());
      waits.push(pairing.awaitMaterial(requestId).catch((error: unknown) => fromServiceError(error).reason));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    hasty.client.close();
    assert.equal((await api({ path: '/healthz' })).status, 200);
    await target.daemon.stop();
    assert.equal(await waits[1], 'DAEMON_STOPPING');
    patient.client.close();
  });
});

/** A message as it travels in a gRPC stream: not compressed, length, bytes. */
function toGrpcFrame(message: UpMessage): Buffer {
  const bytes = NodeServiceService.streamNodeEvents.requestSerialize(fromUpMessage(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
