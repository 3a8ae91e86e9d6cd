import { Metadata } from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Reason } from '../../../src/lib/base/errors.js';
import type { DownMessage, Hello, UpMessage } from '../../../src/lib/base/link-messages.js';
import { MAX_MESSAGE_BYTES } from '../../../src/lib/daemon/grpc/server.js';
import { fromFacts, fromUpMessage, toDownMessage } from '../../../src/lib/wire/grpc/convert.js';
import {
  RegisterNodeRequest,
  type DaemonMessage,
  type NodeEvent,
  type NodeServiceClient,
  type RegisterNodeResponse,
} from '../../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { fromServiceError } from '../../../src/lib/wire/grpc/status.js';
import { withRemovalGrace } from '../../support/removal-grace.js';
import { ask, startTestDaemon, type TestDaemon } from '../../support/test-daemon.js';
import { call, pairTestNode, TEST_FACTS, type TestNode } from '../../support/test-node.js';

const HELLO: Hello = {
  kind: 'hello',
  bootId: 'boot_000001',
  storeId: 'sto_000001',
  protocol: { min: 1, max: 1 },
  version: '0.0.0-test',
  credit: 4,
  lastEpoch: 0,
  known: [],
};

/** A link driven by hand: what came down, and how it ended. */
class HandLink {
  readonly received: DownMessage[] = [];
  readonly ended: Promise<Reason | 'OK'>;
  readonly #stream: ClientDuplexStream<NodeEvent, DaemonMessage>;

  constructor(client: NodeServiceClient) {
    this.#stream = client.streamNodeEvents();
    this.#stream.on('data', (message: DaemonMessage) => this.received.push(toDownMessage(message)));
    this.ended = new Promise((resolve) => {
      this.#stream.on('error', (error) => resolve(fromServiceError(error).reason));
      this.#stream.on('end', () => setImmediate(() => resolve('OK')));
    });
  }

  say(message: UpMessage): void {
    this.#stream.write(fromUpMessage(message));
  }

  sayRaw(event: NodeEvent): void {
    this.#stream.write(event);
  }

  hangUp(): void {
    this.#stream.end();
  }

  async next<K extends DownMessage['kind']>(kind: K): Promise<Extract<DownMessage, { kind: K }>> {
    for (;;) {
      const index = this.received.findIndex((message) => message.kind === kind);
      if (index >= 0) return this.received.splice(index, 1)[0] as Extract<DownMessage, { kind: K }>;
      const end = await Promise.race([once(this.#stream, 'data').then(() => null), this.ended]);
      if (end !== null && this.received.every((message) => message.kind !== kind))
        throw new Error(`the link ended (${end}) without ${kind}`);
    }
  }
}

describe('the node service', () => {
  let target: TestDaemon;
  let node: TestNode;
  let client: NodeServiceClient;
  const api = (what: Parameters<typeof ask>[1]) => ask({ socketPath: target.socketPath }, what);
  const register = (who: NodeServiceClient, more: Partial<RegisterNodeRequest> = {}) =>
    call<RegisterNodeResponse>((done) =>
      who.registerNode(
        {
          deviceId: '',
          protocol: { min: 1, max: 1 },
          facts: fromFacts(TEST_FACTS),
          bootId: HELLO.bootId,
          storeId: HELLO.storeId,
          nodeTimeMs: 0,
          pluginFailures: [],
          ...more,
        },
        done,
      ),
    );

  beforeEach(async () => {
    target = await startTestDaemon({}, { clock: withRemovalGrace(30_000) });
    node = await pairTestNode(target, { name: 'one' });
    client = node.client();
  });
  afterEach(async () => {
    client.close();
    await target.dispose();
  });

  it('takes what the machine reports and answers with its grants', async () => {
    const answer = await register(client);
    assert.equal(answer.deviceId, node.deviceId);
    assert.equal(answer.name, 'one');
    assert.deepEqual(answer.grantedCapabilities, ['echo']);
    assert.equal(answer.daemonName, 'test-daemon');
  });

  it('refuses a message that names another device than the certificate', async () => {
    const other = `nod_${'0'.repeat(26)}`;
    await assert.rejects(
      register(client, { deviceId: other }),
      (error) => fromServiceError(error).reason === 'DEVICE_MISMATCH',
    );
    const link = new HandLink(client);
    const event = fromUpMessage(HELLO);
    if (event.event?.$case === 'nodeStarted') event.event.nodeStarted.deviceId = other;
    link.sayRaw(event);
    assert.equal(await link.ended, 'DEVICE_MISMATCH');
  });

  it('carries a dispatch down and its result up while the caller waits', async () => {
    const link = new HandLink(client);
    link.say(HELLO);
    const welcome = await link.next('welcome');
    const answer = api({
      method: 'POST',
      path: '/v1/nodes/one/dispatches',
      json: { capability: 'echo', input: { say: 'hi' } },
    });
    const offer = await link.next('offer');
    assert.equal(offer.epoch, welcome.epoch);
    assert.deepEqual(JSON.parse(offer.inputJson), { say: 'hi' });
    const fence = { id: offer.id, attempt: offer.attempt, epoch: offer.epoch };
    link.say({ kind: 'received', ...fence });
    link.say({ kind: 'started', ...fence });
    link.say({ kind: 'result', ...fence, state: 'succeeded', outputJson: '{"say":"hi"}', error: null, executionMs: 1 });
    assert.equal((await link.next('result_ack')).id, offer.id);
    const { status, json } = await answer;
    assert.equal(status, 200);
    assert.equal(json.dispatch.state, 'succeeded');
    assert.deepEqual(json.dispatch.output, { say: 'hi' });
  });

  it('ends a link whose first message is not node_started, and one that says it twice', async () => {
    const first = new HandLink(client);
    first.say({ kind: 'heartbeat', active: [] });
    assert.equal(await first.ended, 'MESSAGE_INVALID');
    const second = new HandLink(client);
    second.say(HELLO);
    await second.next('welcome');
    second.say(HELLO);
    assert.equal(await second.ended, 'MESSAGE_INVALID');
  });

  it('ends a link with a reason on a message without content', async () => {
    const link = new HandLink(client);
    link.say(HELLO);
    await link.next('welcome');
    link.sayRaw({ event: undefined });
    assert.equal(await link.ended, 'MESSAGE_INVALID');
  });

  it('tells the older of two links that a newer one took over', async () => {
    const older = new HandLink(client);
    older.say(HELLO);
    await older.next('welcome');
    const second = node.client();
    const newer = new HandLink(second);
    newer.say({ ...HELLO, bootId: 'boot_000002' });
    await newer.next('welcome');
    assert.equal((await older.next('superseded')).bootId, 'boot_000002');
    assert.equal(await older.ended, 'OK');
    second.close();
  });

  it('tells a removed node at once, and again whatever it calls later', async () => {
    const link = new HandLink(client);
    link.say(HELLO);
    await link.next('welcome');
    const startedAt = performance.now();
    assert.equal((await api({ method: 'DELETE', path: '/v1/nodes/one' })).status, 200);
    assert.match((await link.next('revoked')).message, /no longer trusted/);
    assert.equal(await link.ended, 'NODE_REVOKED');
    assert.ok(performance.now() - startedAt < 1000);
    const again = node.client();
    await assert.rejects(register(again), (error) => fromServiceError(error).reason === 'NODE_REVOKED');
    again.close();
  });

  it('tells a stopping daemon from a lost one', async () => {
    const link = new HandLink(client);
    link.say(HELLO);
    await link.next('welcome');
    const stopped = target.daemon.stop();
    assert.equal((await link.next('drain')).reason, 'stopped');
    assert.equal(await link.ended, 'DAEMON_STOPPING');
    await stopped;
  });

  it('accepts a message of the limit and refuses one byte more', async () => {
    const sized = (bytes: number) => {
      const facts = fromFacts(TEST_FACTS);
      const padded = { ...facts, capabilities: facts.capabilities.map((one) => ({ ...one })) };
      const request: RegisterNodeRequest = {
        deviceId: 'x'.repeat(bytes),
        protocol: undefined,
        facts: padded,
        bootId: '',
        storeId: '',
        pluginFailures: [],
        nodeTimeMs: 0,
      };
      return request;
    };
    const overhead = RegisterNodeRequest.encode(sized(1_000_000)).finish().length - 1_000_000;
    await assert.rejects(
      register(client, sized(MAX_MESSAGE_BYTES - overhead)),
      (error) => fromServiceError(error).reason === 'DEVICE_MISMATCH',
    );
    await assert.rejects(
      register(client, sized(MAX_MESSAGE_BYTES - overhead + 1)),
      (error) => (error as { code: number }).code === 8,
    );
    assert.equal((await register(client)).name, 'one');
  });

  it('cuts off a connection that is refused again and again', async () => {
    let refused = 0;
    for (let round = 0; round < 200; round += 1) {
      try {
        await register(client, { deviceId: 'somebody-else' });
      } catch (error) {
        if (fromServiceError(error).reason !== 'DEVICE_MISMATCH') break;
        refused += 1;
      }
    }
    assert.ok(refused >= 99 && refused <= 101, `${refused} were answered`);
  });

  it('does not offer the pairing service on the node port', async () => {
    const answer = new Promise((resolve) =>
      client.makeUnaryRequest(
        '/palyra.pairing.v1.PairingService/BeginPairingSession',
        () => Buffer.alloc(0),
        (bytes) => bytes,
        null,
        new Metadata(),
        (error) => resolve(error?.code),
      ),
    );
    assert.equal(await answer, 12);
  });
});
