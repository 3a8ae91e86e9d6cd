import { strict as assert } from 'node:assert';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { UpMessage } from '../../src/lib/base/link-messages.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ANSWERS, type AskingChannel } from '../../src/lib/base/questions.js';
import { Catalog } from '../../src/lib/node/capabilities/catalog.js';
import { desktopOpenUrl } from '../../src/lib/node/capabilities/desktop-open-url.js';
import { Executor } from '../../src/lib/node/executor.js';
import { MediationDesk } from '../../src/lib/node/mediation/desk.js';
import type { Mediator } from '../../src/lib/node/mediator.js';
import { Outbox } from '../../src/lib/node/outbox.js';
import { NodePolicy } from '../../src/lib/node/policy.js';
import { Worker } from '../../src/lib/node/worker.js';
import { nodeFacts, registration } from '../support/capabilities.js';
import { HandClock, settle } from '../support/hand-clock.js';
import { temporaryDirectory } from '../support/temporary.js';

const PAGE = 'https://site.example/page';
const RUNS = 60;

/** What whoever asks may do, well or badly. */
const answers = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...ANSWERS) },
  fc.constantFrom<unknown>('yes', '', null, undefined, true, 1, {}, [], 'ONCE', 'once '),
  fc.constantFrom<unknown>('throws', 'hangs', 'late'),
);
const outside = fc.constantFrom('none', 'cancel', 'deadline', 'stale', 'detach');

describe('nothing is opened without a recorded yes', function () {
  this.timeout(120_000);
  const directory = temporaryDirectory();

  async function play(
    makeMediator: (clock: HandClock, policy: NodePolicy) => Mediator,
    interfere: string,
    name: string,
  ) {
    const clock = new HandClock();
    const home = `${directory()}/${name}`;
    const { mkdir } = await import('node:fs/promises');
    await mkdir(home, { mode: 0o700 });
    const opened: { url: string; yes: boolean }[] = [];
    const policy = await NodePolicy.open(home);
    const isRecorded = async () => {
      // From disk, at the moment the opener is called.
      const { decisions } = await NodePolicy.open(home);
      return decisions.some(
        ({ dispatch, answer }) => dispatch === 'dsp_000001' && (answer === 'once' || answer === 'always'),
      );
    };
    const opener = {
      name: 'opener',
      open: async (url: string) => void opened.push({ url, yes: await isRecorded() }),
    };
    const { catalog } = Catalog.collect([registration(desktopOpenUrl(opener))]);
    const outbox = await Outbox.open(
      home,
      { clock, random: systemRandom, log: silentLog, onFailed: (error) => assert.fail(error) },
      { daemon: 'PIN' },
    );
    const sent: UpMessage[] = [];
    const executor = new Executor({ clock, log: silentLog }, { slots: 2 });
    const mediator = makeMediator(clock, policy);
    const worker = new Worker({
      clock,
      log: silentLog,
      catalog,
      outbox,
      executor,
      mediator,
      node: () => nodeFacts,
      allowed: () => [],
    });
    worker.attach(
      {
        kind: 'welcome',
        epoch: 9,
        heartbeatMs: 1_000,
        leaseMs: 3_000,
        keep: [],
        drop: [],
        wantResults: [],
        cancel: [],
      },
      (message) => sent.push(message),
    );
    const inputJson = JSON.stringify({ url: PAGE });
    const ids = { id: 'dsp_000001', attempt: 1, epoch: 9 };
    worker.receive({
      kind: 'offer',
      ...ids,
      capability: 'desktop.open_url',
      inputJson,
      runTimeoutMs: 10_000,
      deadlineInMs: 20_000,
      requestedBy: 'eva',
    });
    // Files are real, time is not: what is under way gets a moment to reach the disk.
    const wait = async () => {
      const over = () => sent.some(({ kind }) => kind === 'result' || kind === 'rejected' || kind === 'cancelled');
      for (const end = performance.now() + 40; performance.now() < end && !over();) await pause(2);
    };
    await wait();
    if (interfere === 'cancel') worker.receive({ kind: 'cancel', id: ids.id, attempt: 1 });
    if (interfere === 'stale') worker.receive({ kind: 'stale', id: ids.id, reason: 'gone' });
    if (interfere === 'detach') worker.detach();
    if (interfere === 'deadline') clock.advance(20_000);
    await wait();
    for (let step = 0; step < 30; step++) {
      clock.advance(1_000);
      await settle();
    }
    await wait();
    await outbox.close();
    const denied = sent.some((message) => message.kind === 'result' && message.state === 'denied');
    return { opened, denied, decisions: policy.decisions };
  }

  it('whatever a channel answers, and whatever happens meanwhile', async () => {
    let round = 0;
    let yeses = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(answers, { maxLength: 2 }),
        fc.constantFrom(undefined, ...ANSWERS),
        outside,
        async (said, shell, interfere) => {
          const makeMediator = (clock: HandClock, policy: NodePolicy) => {
            const channels = said.map((answer, index): AskingChannel => ({
              name: index === 0 ? 'terminal' : 'dialog',
              available: () => true,
              ask: () => {
                if (answer === 'throws') return Promise.reject(new Error('no window'));
                if (answer === 'hangs') return new Promise(() => undefined);
                if (answer === 'late') return new Promise((resolve) => clock.schedule(25_000, () => resolve('once')));
                return Promise.resolve(answer as never);
              },
            }));
            const desk = new MediationDesk(
              { clock, log: silentLog, policy, channels },
              { daemon: 'nas', person: 'me', timeoutMs: () => 10_000, mayWait: () => shell !== undefined },
            );
            if (shell !== undefined) {
              desk.onChange(() => {
                if (desk.questions().length > 0)
                  queueMicrotask(() => desk.questions().length > 0 && desk.answer('dsp_000001', shell));
              });
            }
            return desk;
          };
          const { opened, decisions } = await play(makeMediator, interfere, `desk-${++round}`);
          assert.ok(opened.length <= 1);
          for (const { url, yes } of opened) assert.deepEqual([url, yes], [PAGE, true]);
          yeses += opened.length;
          const isYes = decisions.some(({ answer }) => answer === 'once' || answer === 'always');
          if (!isYes) assert.deepEqual(opened, []);
          const couldSayYes = [...said, shell].some((answer) => answer === 'once' || answer === 'always');
          if (!couldSayYes) assert.deepEqual([opened, isYes], [[], false]);
        },
      ),
      { numRuns: RUNS },
    );
    assert.ok(yeses > 0, 'some were allowed, or this proves nothing');
  });

  it('whatever another mediator gives back: only a plain yes opens', async () => {
    let round = 0;
    const given = fc.oneof(
      fc.constantFrom<unknown>({ allowed: true }, { allowed: false, error: { code: 'NO', message: 'no' } }),
      fc.constantFrom<unknown>(
        null,
        undefined,
        true,
        'yes',
        {},
        { allowed: 'yes' },
        { allowed: 1 },
        { allowed: false },
        'throws',
        'hangs',
      ),
    );
    await fc.assert(
      fc.asyncProperty(given, outside, async (answer, interfere) => {
        const mediator: Mediator = {
          ask: (_request, signal) => {
            if (answer === 'throws') return Promise.reject(new PalyraError('INTERNAL'));
            if (answer === 'hangs') {
              return new Promise((_resolve, reject) =>
                signal.addEventListener('abort', () => reject(signal.reason as Error)),
              );
            }
            return Promise.resolve(answer as never);
          },
        };
        const { opened } = await play(() => mediator, interfere, `other-${++round}`);
        const isYes = (answer as { allowed?: unknown } | null)?.allowed === true;
        if (!isYes) assert.deepEqual(opened, []);
      }),
      { numRuns: RUNS },
    );
  });
});
