import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ClientUnaryCall } from '@grpc/grpc-js';
import type { Hello, UpMessage } from '../../../src/lib/base/link-messages.js';
import { MAX_SESSIONS_PER_DEVICE } from '../../../src/lib/daemon/session-table.js';
import { fromUpMessage } from '../../../src/lib/wire/grpc/convert.js';
import type {
  CompleteCapabilityRequest,
  CompleteCapabilityResponse,
  DaemonMessage,
  NodeServiceClient,
  PollCapabilityRequest,
  PollCapabilityResponse,
} from '../../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { fromServiceError } from '../../../src/lib/wire/grpc/status.js';
import { withRemovalGrace } from '../../support/removal-grace.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../../support/test-daemon.js';
import { call, pairTestNode, type TestNode } from '../../support/test-node.js';

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
const WAIT_MS = 20_000;

type Kind = NonNullable<DaemonMessage['message']>['$case'];

const kinds = ({ messages }: PollCapabilityResponse) => messages.map(({ message }) => message?.$case);

describe('the polled link of the node service', () => {
  let target: TestDaemon;
  let node: TestNode;
  let client: NodeServiceClient;
  let sessionId: string;
  const api = (what: Parameters<typeof ask>[1]) => ask({ socketPath: target.socketPath }, what);
  const poll = (more: Partial<PollCapabilityRequest> = {}, by = client, started?: (call: ClientUnaryCall) => void) =>
    call<PollCapabilityResponse>((done) => {
      const request = { firstSeq: 2, events: [], ack: 0, waitMs: 0, finish: false, leave: false };
      const running = by.pollCapability({ sessionId, ...request, ...more }, done);
      started?.(running);
      return running;
    });
  const complete = (request: Omit<CompleteCapabilityRequest, 'sessionId'>) =>
    call<CompleteCapabilityResponse>((done) => client.completeCapability({ sessionId, ...request }, done));
  const events = (...messages: UpMessage[]) => messages.map(fromUpMessage);
  const hello = (over: Partial<Hello> = {}) => ({ firstSeq: 1, events: events({ ...HELLO, ...over }) });
  const newSession = () => (sessionId = randomBytes(16).toString('base64url'));
  const reasonOf = (answer: Promise<unknown>) =>
    answer.then(
      () => 'OK',
      (error: unknown) => fromServiceError(error).reason,
    );
  const invoke = () =>
    api({ method: 'POST', path: '/v1/nodes/one/dispatches', json: { capability: 'echo', input: { say: 'hi' } } });
  /** Polls until a message of this kind comes. */
  const next = async <K extends Kind>(kind: K, ack = 1, firstSeq = 2) => {
    const answer = await poll({ firstSeq, ack, waitMs: WAIT_MS });
    const message = answer.messages.find(({ message: each }) => each?.$case === kind)?.message;
    assert.equal(message?.$case, kind);
    return message as Extract<DaemonMessage['message'], { $case: K }>;
  };

  beforeEach(async () => {
    target = await startTestDaemon({}, { clock: withRemovalGrace(30_000) });
    node = await pairTestNode(target, { name: 'one' });
    client = node.client();
    newSession();
  });
  afterEach(async () => {
    client.close();
    await target.dispose();
  });

  it('carries a dispatch down and its result up, and says which way the node is connected', async () => {
    const opened = await poll(hello());
    assert.deepEqual([opened.ack, opened.firstSeq, kinds(opened)], [1, 1, ['welcome']]);
    assert.equal((await api({ method: 'GET', path: '/v1/nodes/one' })).json.node.transport, 'poll');
    const asked = invoke();
    const { offer } = await next('offer');
    const fence = { id: offer.fence!.id, attempt: 1, epoch: offer.fence!.epoch };
    const settled = await poll({
      events: events(
        { kind: 'received', ...fence },
        { kind: 'started', ...fence },
        { kind: 'result', ...fence, state: 'succeeded', outputJson: '{"say":"hi"}', error: null, executionMs: 1 },
      ),
      ack: 2,
      waitMs: WAIT_MS,
    });
    assert.deepEqual([settled.ack, settled.firstSeq, kinds(settled)], [4, 3, ['resultAck']]);
    assert.deepEqual((await asked).json.dispatch.output, { say: 'hi' });
  });

  it('gives the same messages again until they are acknowledged, and takes an event once', async () => {
    await poll(hello());
    const again = await poll(hello());
    assert.deepEqual([again.ack, kinds(again)], [1, ['welcome']]);
    const asked = invoke();
    const { offer } = await next('offer');
    const { offer: repeated } = await next('offer');
    assert.deepEqual(repeated, offer);
    const fence = { id: offer.fence!.id, attempt: 1, epoch: offer.fence!.epoch };
    const heartbeat: UpMessage = { kind: 'heartbeat', active: [] };
    const outcome: UpMessage = {
      kind: 'result',
      ...fence,
      state: 'failed',
      outputJson: null,
      error: { code: 'NO', message: 'no' },
      executionMs: 1,
    };
    for (let repeat = 0; repeat < 3; repeat++) await poll({ events: events(heartbeat, outcome), ack: 2 });
    assert.equal((await asked).json.dispatch.state, 'failed');
    await eventually('both answers are there', async () => (await poll({ ack: 2 })).messages.length === 2);
    assert.deepEqual(kinds(await poll({ firstSeq: 4, ack: 2 })), ['beat', 'resultAck']);
  });

  it('takes nothing after a hole, and says from where to send again', async () => {
    await poll(hello());
    const answer = await poll({
      firstSeq: 3,
      events: events({ kind: 'heartbeat', active: [] }),
      ack: 1,
      waitMs: WAIT_MS,
    });
    assert.deepEqual([answer.ack, kinds(answer)], [1, []]);
  });

  it('lets only the newest call wait', async () => {
    await poll(hello());
    const older = poll({ ack: 1, waitMs: WAIT_MS });
    const newer = poll({ ack: 1, waitMs: WAIT_MS });
    assert.deepEqual(kinds(await older), []);
    await poll({ events: events({ kind: 'heartbeat', active: [] }), ack: 1 });
    assert.equal((await newer).ack, 2);
  });

  it('acknowledges a completed dispatch when it is durable, as often as it is asked', async () => {
    await poll(hello());
    const asked = invoke();
    const { offer } = await next('offer');
    const result = {
      fence: offer.fence,
      state: 1,
      outputJson: Buffer.from('{"say":"hi"}'),
      error: undefined,
      executionMs: 1,
    };
    assert.deepEqual(await complete({ seq: 3, result }), { ack: 1, outcome: undefined });
    for (let repeat = 0; repeat < 2; repeat++) {
      const { ack, outcome } = await complete({ seq: 2, result });
      assert.deepEqual([ack, outcome?.$case], [2, 'resultAck']);
    }
    await poll({ firstSeq: 3, ack: 3 });
    assert.equal((await complete({ seq: 2, result })).outcome?.$case, 'resultAck');
    assert.deepEqual((await asked).json.dispatch.output, { say: 'hi' });
  });

  it('tells the older of two sessions that a newer one took over, also when the answer was lost', async () => {
    await poll(hello());
    const waiting = poll({ ack: 1, waitMs: WAIT_MS });
    const first = sessionId;
    newSession();
    await poll(hello({ bootId: 'boot_000002' }));
    const told = await waiting;
    assert.deepEqual([kinds(told), told.end], [['superseded'], { reason: '', detail: '' }]);
    assert.deepEqual(await poll({ sessionId: first, ack: 1 }), told);
    // The call that began the first, late: it does not begin again.
    assert.deepEqual((await poll({ sessionId: first, ...hello() })).end, { reason: '', detail: '' });
    assert.equal((await poll({ ack: 1 })).end, undefined);
  });

  it('takes over from a stream, and a stream from it', async () => {
    await poll(hello());
    const waiting = poll({ ack: 1, waitMs: WAIT_MS });
    const stream = client.streamNodeEvents();
    const came: DaemonMessage[] = [];
    stream.on('data', (message: DaemonMessage) => came.push(message)).on('error', () => undefined);
    stream.write(fromUpMessage(HELLO));
    assert.deepEqual(kinds(await waiting), ['superseded']);
    newSession();
    await poll(hello());
    await eventually('the stream is told', () => came.some(({ message }) => message?.$case === 'superseded'));
    stream.cancel();
  });

  it('tells a removed node within a second, in the middle of a long poll', async () => {
    await poll(hello());
    const waiting = poll({ ack: 1, waitMs: WAIT_MS });
    const again = node.client();
    await poll({ ack: 1, firstSeq: 2 }).then(() => undefined);
    const long = poll({ ack: 1, waitMs: WAIT_MS });
    await waiting;
    const startedAt = performance.now();
    assert.equal((await api({ method: 'DELETE', path: '/v1/nodes/one' })).status, 200);
    const told = await long;
    assert.ok(performance.now() - startedAt < 1000);
    assert.deepEqual([kinds(told), told.end?.reason], [['revoked'], 'NODE_REVOKED']);
    assert.equal(await reasonOf(poll({ ack: 1 }, again)), 'NODE_REVOKED');
    again.close();
  });

  it('tells a stopping daemon from a lost one', async () => {
    await poll(hello());
    const waiting = poll({ ack: 1, waitMs: WAIT_MS });
    // The call waits once a second one is answered.
    const displaced = poll({ ack: 1, waitMs: WAIT_MS });
    await waiting;
    const stopped = target.daemon.stop();
    const told = await displaced;
    assert.deepEqual(kinds(told), ['drain']);
    const end = told.end ?? (await poll({ ack: 2, waitMs: WAIT_MS })).end;
    assert.equal(end?.reason, 'DAEMON_STOPPING');
    await stopped;
  });

  it('keeps a session whose call was lost, and ends one that is finished or left', async () => {
    const presence = async () => (await api({ method: 'GET', path: '/v1/nodes/one' })).json.node.presence;
    await poll(hello());
    let running: ClientUnaryCall | undefined;
    const lost = reasonOf(poll({ ack: 1, waitMs: WAIT_MS }, client, (each) => (running = each)));
    await poll({ ack: 1 });
    running?.cancel();
    await lost;
    assert.equal((await poll({ ack: 1 })).end, undefined);
    const finished = await poll({ events: events({ kind: 'stopping', reason: 'asked' }), ack: 1, finish: true });
    assert.deepEqual([finished.ack, finished.end], [2, { reason: '', detail: '' }]);
    await eventually('it is offline', async () => (await presence()) === 'offline');
    newSession();
    await poll(hello());
    assert.equal(await presence(), 'online');
    await poll({ leave: true });
    await eventually('it is offline', async () => (await presence()) === 'offline');
  });

  it('refuses a session that it does not know, that is of another device, or whose messages are bad', async () => {
    assert.equal(await reasonOf(poll()), 'LINK_SESSION_UNKNOWN');
    assert.equal(await reasonOf(complete({ seq: 1, result: undefined })), 'LINK_SESSION_UNKNOWN');
    assert.equal(await reasonOf(poll({ sessionId: 'short', ...hello() })), 'MESSAGE_INVALID');
    assert.equal(
      await reasonOf(poll({ firstSeq: 1, events: events({ kind: 'heartbeat', active: [] }) })),
      'MESSAGE_INVALID',
    );
    await poll(hello());
    const other = await pairTestNode(target, { name: 'two' });
    const stranger = other.client();
    assert.equal(await reasonOf(poll({ ack: 1 }, stranger)), 'LINK_SESSION_UNKNOWN');
    stranger.close();
    assert.equal((await poll({ ack: 1 })).end, undefined);
    for (const bad of [
      { ack: 2 },
      { firstSeq: 0, events: events({ kind: 'heartbeat', active: [] }) },
      { events: [{ event: undefined }] },
      { events: events(HELLO) },
    ] as Partial<PollCapabilityRequest>[]) {
      newSession();
      await poll(hello());
      assert.equal(await reasonOf(poll(bad)), 'MESSAGE_INVALID', JSON.stringify(bad));
      assert.equal((await poll({ firstSeq: 1 })).end?.reason, 'MESSAGE_INVALID');
    }
  });

  it('remembers so many sessions of a device and no more', async () => {
    const ids: string[] = [];
    for (let index = 0; index <= MAX_SESSIONS_PER_DEVICE; index++) {
      ids.push(newSession());
      await poll(hello());
    }
    assert.equal(await reasonOf(poll({ sessionId: ids[0]!, ack: 1 })), 'LINK_SESSION_UNKNOWN');
    assert.notEqual((await poll({ sessionId: ids[1]!, ack: 1 })).end, undefined);
  });
});
