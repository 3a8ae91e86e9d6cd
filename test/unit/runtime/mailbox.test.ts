import assert from 'node:assert/strict';
import { PalyraError } from '../../../src/lib/base/errors.js';
import type { Fence, Offer, UpMessage } from '../../../src/lib/base/link-messages.js';
import type { DispatchStateName } from '../../../src/lib/base/model.js';
import { settle } from '../../support/hand-clock.js';
import { OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';
import type { TestLink } from '../../support/runtime-fixture.js';

const reasonOf = (reason: string) => (error: unknown) => error instanceof PalyraError && error.reason === reason;

describe('The mailbox', () => {
  let fixture: RuntimeFixture;
  let node: { nodeId: string; serial: string };

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    node = await fixture.pair('pi-lab');
  });

  const ask = (
    capability = 'door.open',
    options: { queueMs?: number; timeoutMs?: number; idempotencyKey?: string } = {},
  ) => fixture.runtime.requestDispatch(OWNER, { node: 'pi-lab', capability, inputJson: '{}', input: {}, ...options });
  const offerOf = (link: TestLink): Offer => link.received.filter((message) => message.kind === 'offer').at(-1)!;
  const fenceOf = ({ id, attempt, epoch }: Offer): Fence => ({ id, attempt, epoch });
  const say = async (link: TestLink, message: UpMessage) => {
    link.session.receive(message);
    await settle();
  };
  const stateOf = (id: string) => fixture.runtime.dispatchView(id).state;

  it('offers a dispatch at once and in the same durable step when the node is connected', async () => {
    const link = await fixture.link(node);
    const before = fixture.store.committed.length;
    const dispatch = await ask();
    assert.equal(dispatch.state, 'delivered');
    assert.equal(fixture.store.committed.length, before + 1);
    assert.equal(offerOf(link).id, dispatch.id);
  });

  it('shows an offer to the node only after it is durable', async () => {
    const link = await fixture.link(node);
    const pending = ask();
    assert.equal(
      link.received.some((message) => message.kind === 'offer'),
      false,
    );
    await pending;
    assert.equal(
      link.received.some((message) => message.kind === 'offer'),
      true,
    );
  });

  it('refuses an offline node at once and stores nothing, unless it may wait', async () => {
    const before = fixture.store.committed.length;
    await assert.rejects(ask(), reasonOf('NODE_OFFLINE'));
    assert.equal(fixture.store.committed.length, before);
    const held = await ask('door.open', { queueMs: 60_000 });
    assert.equal(held.state, 'queued');
    const link = await fixture.link(node);
    assert.equal(offerOf(link).id, held.id);
  });

  it('gives a node no more than its credit', async () => {
    const link = await fixture.link(node, { credit: 2 });
    await Promise.all([ask(), ask(), ask()]);
    assert.equal(link.received.filter((message) => message.kind === 'offer').length, 2);
    await say(link, {
      kind: 'result',
      ...fenceOf(offerOf(link)),
      state: 'succeeded',
      outputJson: '1',
      error: null,
      executionMs: 1,
    });
    assert.equal(link.received.filter((message) => message.kind === 'offer').length, 3);
  });

  it('takes back sixteen that a node was given and never started, and gives up none of them twice to a wiped one', async () => {
    const offered = (link: TestLink) => link.received.filter((message) => message.kind === 'offer');
    const first = await fixture.link(node, { credit: 16 });
    const ids = (await Promise.all(Array.from({ length: 20 }, () => ask()))).map(({ id }) => id);
    assert.deepEqual(
      offered(first).map(({ id }) => id),
      ids.slice(0, 16),
    );
    first.session.closed('lost');
    const second = await fixture.link(node, { credit: 16 });
    assert.deepEqual(
      offered(second).map(({ id, attempt }) => [id, attempt]),
      [...ids.slice(16).map((id) => [id, 1]), ...ids.slice(0, 12).map((id) => [id, 2])],
    );
    second.session.closed('lost');
    const wiped = await fixture.link(node, { credit: 16, storeId: 'store-2' });
    assert.deepEqual(
      offered(wiped).map(({ id }) => id),
      ids.slice(12, 16),
    );
    for (const id of [...ids.slice(16), ...ids.slice(0, 12)]) assert.equal(stateOf(id), 'unknown');
  });

  it('refuses the 257th dispatch that waits for one node', async () => {
    for (let count = 0; count < 256; count++) await ask('safe.read', { queueMs: 60_000 });
    await assert.rejects(ask('safe.read', { queueMs: 60_000 }), reasonOf('QUEUE_FULL'));
  });

  it('answers a repeated idempotency key with the same dispatch and a changed request with a conflict', async () => {
    await fixture.link(node);
    const first = await ask('safe.read', { idempotencyKey: 'k' });
    const second = await ask('safe.read', { idempotencyKey: 'k' });
    assert.equal(second.id, first.id);
    await assert.rejects(ask('door.open', { idempotencyKey: 'k' }), reasonOf('IDEMPOTENCY_CONFLICT'));
    await fixture.restart();
    assert.equal((await ask('safe.read', { idempotencyKey: 'k' })).id, first.id);
  });

  it('tells the node to start nothing that was cancelled while it was away', async () => {
    const link = await fixture.link(node);
    const dispatch = await ask();
    link.session.closed('lost');
    await fixture.runtime.cancelDispatch(OWNER, dispatch.id);
    const again = await fixture.link(node, {
      known: [{ id: dispatch.id, attempt: 1, state: 'received', alive: true }],
    });
    const welcome = again.received[0]!;
    assert.ok(welcome.kind === 'welcome');
    assert.deepEqual(welcome.cancel, [{ id: dispatch.id, attempt: 1 }]);
  });

  it('records a cancel without confirmation after ten seconds', async () => {
    await fixture.link(node);
    const dispatch = await ask();
    await fixture.runtime.cancelDispatch(OWNER, dispatch.id);
    fixture.clock.advance(10_000);
    await settle();
    const view = fixture.runtime.dispatchView(dispatch.id);
    assert.equal(view.state, 'cancelled');
    assert.equal(view.error?.code, 'CANCEL_UNCONFIRMED');
  });

  it('takes the older link away when a newer one of the same device opens', async () => {
    const older = await fixture.link(node);
    const newer = await fixture.link(node, { bootId: 'boot-2' });
    assert.equal(older.closedBy, 'superseded');
    assert.deepEqual(older.received.at(-1), { kind: 'superseded', bootId: 'boot-2' });
    older.session.closed('lost');
    await ask();
    assert.ok(offerOf(newer));
  });

  it('fails everything that is open on a node that is removed, once, and tells the node why', async () => {
    const link = await fixture.link(node);
    const running = await ask();
    const revoked: string[] = [];
    fixture.runtime.onRevoked((nodeId) => revoked.push(nodeId));
    await fixture.runtime.removeNode(OWNER, 'pi-lab');
    assert.equal(fixture.runtime.dispatchView(running.id).error?.code, 'NODE_REVOKED');
    assert.equal(link.received.at(-1)?.kind, 'revoked');
    assert.equal(link.closedBy, 'revoked');
    assert.deepEqual(revoked, [node.nodeId]);
    await assert.rejects(fixture.link(node), reasonOf('NODE_REVOKED'));
  });

  it('undoes what a full disk refused, keeps answering reads, and accepts again when there is space', async () => {
    const link = await fixture.link(node);
    fixture.store.diskFull = true;
    await assert.rejects(ask(), reasonOf('STORAGE_FULL'));
    assert.equal(
      link.received.some((message) => message.kind === 'offer'),
      false,
    );
    assert.equal(link.closedBy, 'protocol');
    assert.equal(fixture.runtime.openDispatchCount(), 0);
    assert.equal(fixture.runtime.listNodes().nodes.length, 1);
    fixture.store.diskFull = false;
    await fixture.link(node);
    assert.equal((await ask()).state, 'delivered');
  });

  it('reports a store that failed for good', async () => {
    await fixture.link(node);
    const fatal: string[] = [];
    fixture.runtime.onFatal((error) => fatal.push(error.reason));
    fixture.store.broken = true;
    await assert.rejects(ask(), reasonOf('STORAGE_FAILED'));
    assert.deepEqual(fatal, ['STORAGE_FAILED']);
  });

  describe('a word that comes late, twice, from another attempt, session or node', () => {
    const endings: Record<
      string,
      { expected: DispatchStateName; reach: (link: TestLink, id: string) => Promise<void> }
    > = {
      succeeded: {
        expected: 'succeeded',
        reach: (link) =>
          say(link, {
            kind: 'result',
            ...fenceOf(offerOf(link)),
            state: 'succeeded',
            outputJson: '1',
            error: null,
            executionMs: 1,
          }),
      },
      failed: {
        expected: 'failed',
        reach: (link) =>
          say(link, {
            kind: 'result',
            ...fenceOf(offerOf(link)),
            state: 'failed',
            outputJson: null,
            error: { code: 'X', message: 'x' },
            executionMs: 1,
          }),
      },
      denied: {
        expected: 'denied',
        reach: (link) =>
          say(link, {
            kind: 'result',
            ...fenceOf(offerOf(link)),
            state: 'denied',
            outputJson: null,
            error: { code: 'DENIED', message: 'no' },
            executionMs: 1,
          }),
      },
      'timed out': {
        expected: 'timed-out',
        async reach(link) {
          await say(link, { kind: 'started', ...fenceOf(offerOf(link)) });
          fixture.clock.advance(14_000);
          await say(link, { kind: 'heartbeat', active: [{ id: offerOf(link).id, attempt: 1 }] });
          fixture.clock.advance(14_000);
          await say(link, { kind: 'heartbeat', active: [{ id: offerOf(link).id, attempt: 1 }] });
          fixture.clock.advance(14_000);
          await settle();
        },
      },
      cancelled: {
        expected: 'cancelled',
        async reach(link, id) {
          await fixture.runtime.cancelDispatch(OWNER, id);
          await say(link, { kind: 'cancelled', started: true, ...fenceOf(offerOf(link)) });
        },
      },
      unknown: {
        expected: 'unknown',
        async reach() {
          fixture.clock.advance(60_000);
          await settle();
        },
      },
      'node removed': {
        expected: 'failed',
        async reach() {
          await fixture.runtime.removeNode(OWNER, 'pi-lab');
        },
      },
    };
    const words: Record<string, (fence: Fence) => UpMessage> = {
      received: (fence) => ({ kind: 'received', ...fence }),
      started: (fence) => ({ kind: 'started', ...fence }),
      mediation: (fence) => ({ kind: 'mediation', ...fence }),
      progress: (fence) => ({ kind: 'progress', progressJson: '1', ...fence }),
      'another success': (fence) => ({
        kind: 'result',
        ...fence,
        state: 'succeeded',
        outputJson: '2',
        error: null,
        executionMs: 1,
      }),
      'a failure': (fence) => ({
        kind: 'result',
        ...fence,
        state: 'failed',
        outputJson: null,
        error: { code: 'LATE', message: 'late' },
        executionMs: 1,
      }),
      'an older attempt': (fence) => ({
        kind: 'result',
        ...fence,
        attempt: fence.attempt - 1,
        state: 'succeeded',
        outputJson: '3',
        error: null,
        executionMs: 1,
      }),
      rejected: (fence) => ({ kind: 'rejected', cause: 'busy', message: '', ...fence }),
      cancelled: (fence) => ({ kind: 'cancelled', started: true, ...fence }),
    };
    for (const [ending, { expected, reach }] of Object.entries(endings)) {
      for (const [name, word] of Object.entries(words)) {
        it(`changes nothing: ${name} after ${ending}`, async () => {
          const link = await fixture.link(node);
          const dispatch = await ask();
          const fence = fenceOf(offerOf(link));
          await reach(link, dispatch.id);
          const settled = JSON.stringify(fixture.runtime.dispatchView(dispatch.id));
          assert.equal(stateOf(dispatch.id), expected);
          const answers = link.received.length;
          await say(link, word(fence));
          assert.equal(JSON.stringify(fixture.runtime.dispatchView(dispatch.id)), settled);
          if (link.closedBy === null) {
            assert.equal(link.received.length, answers + 1, 'the node is told to forget it');
            assert.ok(['stale', 'result_ack'].includes(link.received.at(-1)!.kind));
          }
        });
      }
    }

    it('is refused from a node that was not given the dispatch', async () => {
      const other = await fixture.pair('other');
      const link = await fixture.link(node);
      const intruder = await fixture.link(other);
      const dispatch = await ask();
      const result: UpMessage = {
        kind: 'result',
        ...fenceOf(offerOf(link)),
        state: 'succeeded',
        outputJson: '"forged"',
        error: null,
        executionMs: 1,
      };
      await say(intruder, result);
      assert.equal(stateOf(dispatch.id), 'delivered');
      assert.deepEqual(intruder.received.at(-1), { kind: 'stale', id: dispatch.id, reason: 'unknown dispatch' });
    });

    it('is refused from an earlier session of the same node', async () => {
      const first = await fixture.link(node);
      const dispatch = await ask();
      const old = fenceOf(offerOf(first));
      const second = await fixture.link(node, {
        known: [{ id: dispatch.id, attempt: 1, state: 'started', alive: true }],
      });
      await say(second, { kind: 'result', ...old, state: 'succeeded', outputJson: '1', error: null, executionMs: 1 });
      assert.equal(stateOf(dispatch.id), 'running');
      const { epoch } = second.received[0] as { epoch: number };
      await say(second, {
        kind: 'result',
        ...old,
        epoch,
        state: 'succeeded',
        outputJson: '1',
        error: null,
        executionMs: 1,
      });
      assert.equal(stateOf(dispatch.id), 'succeeded');
    });
  });

  describe('after the daemon was killed', () => {
    for (const [known, idempotent, expected] of [
      ['nothing', true, 'delivered'],
      ['nothing', false, 'delivered'],
      ['received', false, 'delivered'],
      ['started alive', false, 'running'],
      ['started dead', true, 'queued'],
      ['started dead', false, 'unknown'],
      ['wiped', true, 'delivered'],
      ['wiped', false, 'unknown'],
    ] as const) {
      it(`a ${idempotent ? 'repeatable' : 'effectful'} dispatch of which the node knows "${known}" is ${expected}`, async () => {
        await fixture.link(node);
        const dispatch = await ask(idempotent ? 'safe.read' : 'door.open');
        await fixture.restart();
        await fixture.link(node, {
          storeId: known === 'wiped' ? 'store-2' : 'store-1',
          known:
            known === 'received' || known.startsWith('started')
              ? [
                  {
                    id: dispatch.id,
                    attempt: 1,
                    state: known === 'received' ? 'received' : 'started',
                    alive: known === 'started alive',
                  },
                ]
              : [],
        });
        assert.equal(stateOf(dispatch.id), expected);
      });
    }

    it('asks for a result that the node still has', async () => {
      await fixture.link(node);
      const dispatch = await ask();
      await fixture.restart();
      const link = await fixture.link(node, { known: [{ id: dispatch.id, attempt: 1, state: 'done', alive: false }] });
      const welcome = link.received[0]!;
      assert.ok(welcome.kind === 'welcome');
      assert.deepEqual(welcome.wantResults, [dispatch.id]);
      await say(link, {
        kind: 'result',
        id: dispatch.id,
        attempt: 1,
        epoch: welcome.epoch,
        state: 'succeeded',
        outputJson: '{"n":1}',
        error: null,
        executionMs: 5,
      });
      assert.deepEqual(fixture.runtime.dispatchView(dispatch.id).output, { n: 1 });
    });
  });
});
