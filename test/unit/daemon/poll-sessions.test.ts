import assert from 'node:assert/strict';
import type { DownMessage, Hello } from '../../../src/lib/base/link-messages.js';
import { HARD_OUTBOUND_BYTES, MAX_UNACKNOWLEDGED } from '../../../src/lib/daemon/link-carrier.js';
import { MAX_WAIT_MS, type PollSession } from '../../../src/lib/daemon/grpc/poll-session.js';
import { PollSessions } from '../../../src/lib/daemon/grpc/poll-sessions.js';
import { REMEMBERED_MS } from '../../../src/lib/daemon/session-table.js';
import { fromUpMessage } from '../../../src/lib/wire/grpc/convert.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { rejectsWith } from '../../support/rejects-with.js';

const CALLER = { kind: 'device', nodeId: 'nod_one', serial: '1', address: '192.0.2.1' } as const;
const HELLO: Hello = {
  kind: 'hello',
  bootId: 'boot-1',
  storeId: 'store-1',
  protocol: { min: 1, max: 1 },
  version: '1.0.0',
  credit: 4,
  lastEpoch: 0,
  known: [],
};
const LEASE_MS = 45_000;
const sessionId = 'a'.repeat(22);

describe('polled sessions in time and memory', () => {
  let clock: HandClock;
  let sessions: PollSessions;
  let session: PollSession;
  let closed: string[];
  const poll = (
    more: Partial<Parameters<PollSessions['poll']>[1]> = {},
    onCancelled = (_: () => void) => undefined,
  ) => {
    const request = { sessionId, firstSeq: 2, events: [], ack: 1, waitMs: 0, finish: false, leave: false, ...more };
    return sessions.poll(CALLER, request, onCancelled);
  };
  const offer = (bytes: number): DownMessage => ({
    kind: 'offer',
    id: 'dsp_000001',
    attempt: 1,
    epoch: 1,
    capability: 'echo',
    inputJson: `"${'x'.repeat(bytes)}"`,
    runTimeoutMs: 1,
    deadlineInMs: 1,
    requestedBy: 'eva',
  });

  beforeEach(async () => {
    clock = new HandClock();
    closed = [];
    sessions = new PollSessions({
      clock,
      open: (_caller, _hello, opened) => {
        session = opened;
        const lists = { keep: [], drop: [], wantResults: [], cancel: [] };
        opened.send({ kind: 'welcome', epoch: 1, heartbeatMs: 15_000, leaseMs: LEASE_MS, ...lists });
        return Promise.resolve({ receive: () => undefined, closed: (why) => void closed.push(why) });
      },
    });
    await poll({ firstSeq: 1, ack: 0, events: [fromUpMessage(HELLO)] });
  });
  afterEach(() => {
    sessions.close();
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  it('end when no call comes within the lease, and are forgotten a minute later', async () => {
    clock.advance(LEASE_MS - 1);
    await poll();
    clock.advance(LEASE_MS - 1);
    assert.deepEqual([closed, sessions.open], [[], 1]);
    clock.advance(1);
    assert.deepEqual([closed, sessions.open], [['lost'], 0]);
    assert.deepEqual((await poll()).end, { reason: '', detail: '' });
    clock.advance(REMEMBERED_MS);
    await rejectsWith(poll(), 'LINK_SESSION_UNKNOWN');
  });

  it('live as long as a call waits, which is half a minute at most, and no longer than the lease after it is lost', async () => {
    const waiting = poll({ waitMs: 10 * MAX_WAIT_MS });
    await poll();
    let lose = () => {};
    const again = poll({ waitMs: 10 * MAX_WAIT_MS }, (listener) => void (lose = listener));
    await waiting;
    clock.advance(MAX_WAIT_MS);
    assert.deepEqual((await again).messages, []);
    const lost = poll({ waitMs: MAX_WAIT_MS }, (listener) => void (lose = listener));
    await settle();
    lose();
    await lost;
    clock.advance(LEASE_MS - 1);
    assert.deepEqual(closed, []);
    clock.advance(1);
    assert.deepEqual(closed, ['lost']);
  });

  it('say since when nobody calls: not while a call waits, nor while one follows another', async () => {
    await poll({ ack: 0 });
    assert.equal(session.uncarriedSince, clock.monotonic());
    clock.advance(1_000);
    await poll({ ack: 0 });
    assert.equal(session.uncarriedSince, clock.monotonic(), 'one follows another');
    let lose = () => {};
    const waiting = poll({ waitMs: MAX_WAIT_MS }, (listener) => void (lose = listener));
    await settle();
    clock.advance(10_000);
    assert.equal(session.uncarriedSince, null);
    lose();
    await waiting;
    const lostAt = clock.monotonic();
    clock.advance(5_000);
    assert.equal(session.uncarriedSince, lostAt);
  });

  it('hold no more than the largest credit of the largest inputs, nor more messages than that', async () => {
    for (let bytes = 0; bytes <= HARD_OUTBOUND_BYTES; bytes += 512 * 1024) session.send(offer(512 * 1024));
    assert.deepEqual(closed, ['lost']);
    const { end, messages } = await poll();
    assert.deepEqual([end?.reason, messages], ['RATE_LIMITED', []]);
  });

  it('hold no more small messages either', async () => {
    for (let count = 0; count <= MAX_UNACKNOWLEDGED; count++) session.send({ kind: 'beat', daemonTimeMs: count });
    assert.deepEqual([closed, (await poll()).end?.reason], [['lost'], 'RATE_LIMITED']);
  });

  it('answer with as much as fits in one message, and the rest next time', async () => {
    for (let count = 0; count < 3; count++) session.send(offer(500 * 1024));
    for (let ack = 1; ack <= 3; ack++) {
      const { firstSeq, messages } = await poll({ ack });
      assert.deepEqual([firstSeq, messages.length], [ack + 1, 1]);
    }
    assert.deepEqual((await poll({ ack: 4 })).messages, []);
  });
});
