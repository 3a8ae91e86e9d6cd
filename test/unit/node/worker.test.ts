import { strict as assert } from 'node:assert';

import type { PalyraError, Reason } from '../../../src/lib/base/errors.js';
import { Deferred } from '../../../src/lib/base/lifecycle.js';
import type { Offer, UpMessage, Welcome } from '../../../src/lib/base/link-messages.js';
import { silentLog } from '../../../src/lib/base/log.js';
import type { JsonValue } from '../../../src/lib/base/model.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import type { CapabilityContext } from '../../../src/lib/node/capabilities/capability.js';
import { Catalog } from '../../../src/lib/node/capabilities/catalog.js';
import { Executor } from '../../../src/lib/node/executor.js';
import { nobodyToAsk, type MediationAnswer, type Mediator } from '../../../src/lib/node/mediator.js';
import { Outbox } from '../../../src/lib/node/outbox.js';
import { Worker } from '../../../src/lib/node/worker.js';
import { capability, nodeFacts, registration } from '../../support/capabilities.js';
import { FaultFs } from '../../support/fault-fs.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { until as untilIs } from '../../support/until.js';

/** A handler the test holds by hand: each run waits until it is told. */
class HeldHandler {
  readonly runs: { context: CapabilityContext; end: Deferred<JsonValue> }[] = [];
  readonly run = (context: CapabilityContext): Promise<JsonValue> => {
    const end = new Deferred<JsonValue>();
    context.signal.addEventListener('abort', () => end.reject(context.signal.reason));
    this.runs.push({ context, end });
    return end.promise;
  };
}

describe('the worker', () => {
  const directory = temporaryDirectory();
  let clock: HandClock;
  let outbox: Outbox;
  let idempotent: HeldHandler;
  let effectful: HeldHandler;
  let sent: UpMessage[];
  let worker: Worker;

  const welcome = (over: Partial<Welcome> = {}): Welcome => ({
    kind: 'welcome',
    epoch: 9,
    heartbeatMs: 1_000,
    leaseMs: 3_000,
    keep: [],
    drop: [],
    wantResults: [],
    cancel: [],
    ...over,
  });
  const offer = (over: Partial<Offer> = {}): Offer => ({
    kind: 'offer',
    id: 'dsp_000001',
    attempt: 1,
    epoch: 9,
    capability: 'test.safe',
    inputJson: '{}',
    runTimeoutMs: 10_000,
    deadlineInMs: 60_000,
    requestedBy: 'eva',
    ...over,
  });
  const attach = (over: Partial<Welcome> = {}) => worker.attach(welcome(over), (message) => sent.push(message));
  const openOutbox = () =>
    Outbox.open(
      directory(),
      { clock, random: systemRandom, log: silentLog, onFailed: (error) => assert.fail(error) },
      { daemon: 'PIN' },
    );
  const makeWorker = (mediator: Mediator = nobodyToAsk) => {
    idempotent = new HeldHandler();
    effectful = new HeldHandler();
    const { catalog } = Catalog.collect([
      registration(
        capability({ name: 'test.safe', run: idempotent.run }),
        capability({ name: 'test.effect', idempotent: false, run: effectful.run }),
        capability({ name: 'test.asked', mediation: 'ask', idempotent: false, run: effectful.run }),
        capability({
          name: 'test.strict',
          inputSchema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } },
        }),
      ),
    ]);
    const executor = new Executor({ clock, log: silentLog }, { slots: 2 });
    return new Worker({
      clock,
      log: silentLog,
      catalog,
      outbox,
      executor,
      mediator,
      node: () => nodeFacts,
      allowed: () => [],
    });
  };
  /** As a new process would find it. */
  const restart = async () => {
    await outbox.close();
    outbox = await openOutbox();
    worker = makeWorker();
    sent = [];
  };
  const until = (condition: () => boolean) => untilIs(condition, () => `sent so far: ${JSON.stringify(sent)}`);
  const kinds = () => sent.map(({ kind }) => kind);

  beforeEach(async () => {
    clock = new HandClock();
    outbox = await openOutbox();
    sent = [];
    worker = makeWorker();
  });
  afterEach(() => outbox.close());

  it('runs an offer, says that it started and what came of it, and forgets it when that is confirmed', async () => {
    attach();
    worker.receive(offer());
    await until(() => kinds().includes('started'));
    assert.deepEqual(worker.active(), [{ id: 'dsp_000001', attempt: 1 }]);
    idempotent.runs[0]!.end.resolve({ ok: true });
    await until(() => kinds().includes('result'));
    assert.deepEqual(sent.at(-1), {
      kind: 'result',
      id: 'dsp_000001',
      attempt: 1,
      epoch: 9,
      state: 'succeeded',
      outputJson: '{"ok":true}',
      error: null,
      executionMs: 0,
    });
    assert.equal(outbox.get('dsp_000001')?.phase, 'done');
    worker.receive({ kind: 'result_ack', id: 'dsp_000001', attempt: 1 });
    assert.equal(outbox.get('dsp_000001'), undefined);
    await settle();
    assert.equal(worker.running, 0);
  });

  it('starts an effectful handler only after the journal says so', async () => {
    attach();
    worker.receive(offer({ capability: 'test.effect' }));
    assert.equal(effectful.runs.length, 0, 'not in the turn of the offer');
    await until(() => effectful.runs.length === 1);
    assert.deepEqual(kinds(), ['started']);
    await restart();
    assert.deepEqual(worker.known(), [{ id: 'dsp_000001', attempt: 1, state: 'started', alive: false }]);
  });

  it('refuses an effectful offer for now when its record cannot be written, and never starts it', async () => {
    await outbox.close();
    const fs = new FaultFs();
    const failures: Reason[] = [];
    const onFailed = ({ reason }: PalyraError) => failures.push(reason);
    outbox = await Outbox.open(
      '/node',
      { clock, random: systemRandom, log: silentLog, onFailed },
      { daemon: 'PIN', fs },
    );
    worker = makeWorker();
    attach();
    fs.capacity = 0;
    worker.receive(offer({ capability: 'test.effect' }));
    await until(() => kinds().includes('rejected'));
    const last = sent.at(-1);
    assert.equal(last?.kind === 'rejected' && last.cause, 'busy');
    assert.equal(effectful.runs.length, 0);
    assert.deepEqual(worker.known(), []);
    assert.deepEqual(failures, ['STORAGE_FULL']);
  });

  it('starts an idempotent handler at once, while the journal is being written', () => {
    attach();
    worker.receive(offer());
    assert.equal(idempotent.runs.length, 1);
    assert.deepEqual(sent, []);
  });

  it('rejects what it cannot run and keeps nothing of it', () => {
    attach();
    const cases: [Partial<Offer>, string][] = [
      [{ capability: 'test.unknown' }, 'unknown-capability'],
      [{ deadlineInMs: 0 }, 'past-deadline'],
      [{ capability: 'test.strict', inputJson: '{"n":"text"}' }, 'invalid-input'],
      [{ capability: 'test.strict', inputJson: '{not json' }, 'invalid-input'],
    ];
    for (const [over, cause] of cases) {
      worker.receive(offer(over));
      const last = sent.at(-1);
      assert.equal(last?.kind === 'rejected' && last.cause, cause);
    }
    assert.deepEqual(worker.known(), []);
    assert.equal(worker.running, 0);
  });

  it('rejects as busy what has no slot, and takes offers again when one is free', async () => {
    attach();
    for (const id of ['dsp_000001', 'dsp_000002', 'dsp_000003']) worker.receive(offer({ id }));
    const rejected = sent.filter(({ kind }) => kind === 'rejected');
    assert.deepEqual(
      rejected.map((message) => message.kind === 'rejected' && [message.id, message.cause]),
      [['dsp_000003', 'busy']],
    );
    idempotent.runs[0]!.end.resolve(null);
    await until(() => kinds().includes('result'));
    await settle();
    worker.receive(offer({ id: 'dsp_000003' }));
    assert.equal(idempotent.runs.length, 3);
  });

  it('never runs a known dispatch again: it answers a duplicate with what it knows', async () => {
    attach();
    worker.receive(offer());
    worker.receive(offer());
    worker.receive(offer({ attempt: 2 }));
    await until(() => kinds().includes('started'));
    assert.equal(idempotent.runs.length, 1);
    idempotent.runs[0]!.end.resolve('once');
    await until(() => kinds().includes('result'));
    worker.receive(offer({ attempt: 3 }));
    const last = sent.at(-1);
    assert.deepEqual(last?.kind === 'result' && [last.attempt, last.outputJson], [3, '"once"']);
    worker.receive({ kind: 'result_ack', id: 'dsp_000001', attempt: 3 });
    worker.receive(offer({ attempt: 4 }));
    assert.equal(idempotent.runs.length, 1);
  });

  it('runs an idempotent one again that a crash cut, when the daemon offers a later attempt', async () => {
    attach();
    worker.receive(offer());
    await until(() => kinds().includes('started'));
    await restart();
    attach({ drop: ['dsp_000001'] });
    worker.receive(offer({ attempt: 1 }));
    assert.equal(idempotent.runs.length, 0, 'the same attempt never');
    worker.receive(offer({ attempt: 2 }));
    assert.equal(idempotent.runs.length, 1);
  });

  it('does not run an effectful one again that had started, whatever it is offered', async () => {
    attach();
    worker.receive(offer({ capability: 'test.effect' }));
    await until(() => effectful.runs.length === 1);
    await restart();
    attach();
    worker.receive(offer({ capability: 'test.effect', attempt: 2 }));
    await settle();
    assert.equal(effectful.runs.length, 0);
    attach({ drop: ['dsp_000001'] });
    worker.receive(offer({ capability: 'test.effect', attempt: 3 }));
    await settle();
    assert.equal(effectful.runs.length, 0);
  });

  it('keeps running without a link and gives the result to the next one that wants it', async () => {
    attach();
    worker.receive(offer());
    await until(() => kinds().includes('started'));
    worker.detach();
    sent = [];
    idempotent.runs[0]!.end.resolve('later');
    await until(() => outbox.get('dsp_000001')?.phase === 'done');
    assert.equal(sent.length, 0);
    attach({ epoch: 12, wantResults: ['dsp_000001'] });
    const message = sent.find(({ kind }) => kind === 'result');
    assert.deepEqual(message?.kind === 'result' && [message.epoch, message.outputJson], [12, '"later"']);
  });

  it('reports what finished between Hello and Welcome although the daemon thinks it runs', async () => {
    attach();
    worker.receive(offer());
    await until(() => kinds().includes('started'));
    worker.detach();
    sent = [];
    assert.equal(worker.known()[0]?.state, 'started');
    idempotent.runs[0]!.end.resolve(null);
    await until(() => outbox.get('dsp_000001')?.phase === 'done');
    attach({ keep: ['dsp_000001'] });
    assert.deepEqual(kinds(), ['result']);
  });

  it('sends a result again that is not confirmed for a while', async () => {
    attach();
    worker.receive(offer());
    idempotent.runs[0]!.end.resolve(null);
    await until(() => kinds().includes('result'));
    sent = [];
    worker.resend(2_000);
    assert.deepEqual(sent, []);
    clock.advance(2_000);
    worker.resend(2_000);
    assert.deepEqual(kinds(), ['result']);
    worker.receive({ kind: 'result_ack', id: 'dsp_000001', attempt: 1 });
    clock.advance(2_000);
    worker.resend(2_000);
    assert.deepEqual(kinds(), ['result']);
  });

  it('aborts on cancel and says that it had started', async () => {
    attach();
    worker.receive(offer());
    worker.receive({ kind: 'cancel', id: 'dsp_000001', attempt: 1 });
    await until(() => kinds().includes('cancelled'));
    assert.equal(idempotent.runs[0]!.context.signal.aborted, true);
    assert.deepEqual(sent.at(-1), { kind: 'cancelled', id: 'dsp_000001', attempt: 1, epoch: 9, started: true });
    assert.equal(outbox.get('dsp_000001')?.phase, 'done', 'kept until it is confirmed');
  });

  it('never starts an effectful one that is cancelled while its record is being written', async () => {
    attach();
    worker.receive(offer({ capability: 'test.effect' }));
    worker.receive({ kind: 'cancel', id: 'dsp_000001', attempt: 1 });
    await until(() => kinds().includes('cancelled'));
    assert.equal(effectful.runs.length, 0);
    const last = sent.at(-1);
    assert.equal(last?.kind === 'cancelled' && last.started, false);
  });

  it('answers a cancel of something it never saw, and of something an earlier process was cut in', async () => {
    attach();
    worker.receive({ kind: 'cancel', id: 'dsp_999999', attempt: 1 });
    worker.receive(offer({ capability: 'test.effect' }));
    await until(() => effectful.runs.length === 1);
    assert.deepEqual(sent[0], { kind: 'cancelled', id: 'dsp_999999', attempt: 1, epoch: 9, started: false });
    await restart();
    attach({ cancel: [{ id: 'dsp_000001', attempt: 1 }] });
    assert.deepEqual(sent, [{ kind: 'cancelled', id: 'dsp_000001', attempt: 1, epoch: 9, started: true }]);
  });

  it('stops and forgets what the daemon calls stale or drops', async () => {
    attach();
    worker.receive(offer());
    worker.receive(offer({ id: 'dsp_000002' }));
    await until(() => sent.length === 2);
    worker.receive({ kind: 'stale', id: 'dsp_000001', reason: 'already timed-out' });
    attach({ drop: ['dsp_000002'] });
    await settle();
    assert.ok(idempotent.runs.every(({ context }) => context.signal.aborted));
    assert.deepEqual(kinds(), ['started', 'started'], 'nothing more is said');
    assert.deepEqual(worker.known(), []);
    assert.equal(worker.running, 0);
  });

  it('does not start after the deadline that passed while the journal was written', async () => {
    attach();
    worker.receive(offer({ capability: 'test.effect', deadlineInMs: 100 }));
    clock.advance(100);
    await until(() => kinds().includes('rejected'));
    assert.equal(effectful.runs.length, 0);
    const last = sent.at(-1);
    assert.equal(last?.kind === 'rejected' && last.cause, 'past-deadline');
  });

  it('limits a run to the shortest of its time-out, the capability and the deadline', async () => {
    attach();
    worker.receive(offer({ runTimeoutMs: 10_000, deadlineInMs: 300 }));
    clock.advance(300);
    await until(() => kinds().includes('result'));
    const result = sent.find(({ kind }) => kind === 'result');
    assert.equal(result?.kind === 'result' && result.state, 'timed-out');
  });

  it('denies at once what must ask a person when nobody can be asked', async () => {
    attach();
    worker.receive(offer({ capability: 'test.asked' }));
    await until(() => kinds().includes('result'));
    assert.deepEqual(kinds(), ['received', 'result'], 'nobody is asked');
    const last = sent.at(-1);
    assert.deepEqual(last?.kind === 'result' && [last.state, last.error?.code], ['denied', 'NO_ONE_CAN_BE_ASKED']);
    assert.equal(effectful.runs.length, 0);
  });

  it('runs what a person allowed, and nothing that was cancelled while they were asked', async () => {
    const answers: Deferred<MediationAnswer>[] = [];
    worker = makeWorker({
      ask: (_request, signal) => {
        const answer = new Deferred<MediationAnswer>();
        signal.addEventListener('abort', () => answer.reject(signal.reason));
        answers.push(answer);
        return answer.promise;
      },
    });
    attach();
    worker.receive(offer({ capability: 'test.asked' }));
    worker.receive(offer({ capability: 'test.asked', id: 'dsp_000002' }));
    await until(() => answers.length === 2);
    worker.receive({ kind: 'cancel', id: 'dsp_000002', attempt: 1 });
    answers[0]!.resolve({ allowed: true });
    await until(() => effectful.runs.length === 1 && kinds().includes('cancelled'));
    const cancelled = sent.find(({ kind }) => kind === 'cancelled');
    assert.equal(cancelled?.kind === 'cancelled' && cancelled.started, false);
    assert.equal(clock.pending, 1, 'only the timer of the run');
  });

  it('drains: refuses offers, and is idle when nothing runs and everything is confirmed', async () => {
    attach();
    worker.receive(offer());
    let idle = false;
    void worker.drain().then(() => (idle = true));
    worker.receive(offer({ id: 'dsp_000002' }));
    const last = sent.at(-1);
    assert.equal(last?.kind === 'rejected' && last.cause, 'stopping');
    idempotent.runs[0]!.end.resolve(null);
    await until(() => kinds().includes('result'));
    await settle();
    assert.equal(idle, false);
    worker.receive({ kind: 'result_ack', id: 'dsp_000001', attempt: 1 });
    await settle();
    assert.equal(idle, true);
  });
});
