import { strict as assert } from 'node:assert';

import { silentLog } from '../../../src/lib/base/log.js';
import type { JsonValue } from '../../../src/lib/base/model.js';
import {
  CapabilityDenial,
  CapabilityFailure,
  type CapabilityContext,
} from '../../../src/lib/node/capabilities/capability.js';
import { ABORT_GRACE_MS, Executor, MAX_OUTPUT_BYTES, type Outcome } from '../../../src/lib/node/executor.js';
import { HandClock, settle } from '../../support/hand-clock.js';
import { capability, nodeFacts } from '../../support/capabilities.js';

describe('the executor', () => {
  let clock: HandClock;
  let executor: Executor;

  beforeEach(() => {
    clock = new HandClock();
    executor = new Executor({ clock, log: silentLog }, { slots: 2 });
  });

  const run = (
    handler: (context: CapabilityContext) => Promise<JsonValue>,
    options: { timeoutMs?: number; onProgress?: (json: string) => void } = {},
  ) => {
    const slot = executor.take();
    assert.ok(slot);
    return slot.run({
      definition: capability({ run: handler }),
      input: {},
      timeoutMs: options.timeoutMs ?? 1_000,
      node: () => nodeFacts,
      onProgress: options.onProgress ?? (() => undefined),
    });
  };
  const failure = (outcome: Outcome) => {
    assert.equal(outcome.kind, 'result');
    return outcome.kind === 'result' ? [outcome.state, outcome.error?.code] : [];
  };

  it('gives the output as JSON and the time it took', async () => {
    const { outcome } = run(async () => {
      clock.advance(7);
      return { answer: 42 };
    });
    assert.deepEqual(await outcome, {
      kind: 'result',
      state: 'succeeded',
      outputJson: '{"answer":42}',
      error: null,
      executionMs: 7,
    });
    assert.equal(clock.pending, 0);
  });

  it('treats a handler that returns nothing as one that returns null', async () => {
    const { outcome } = run(async () => undefined as unknown as JsonValue);
    const result = await outcome;
    assert.equal(result.kind === 'result' && result.outputJson, 'null');
  });

  it('hands out no more than its slots, and takes them back after a run or without one', async () => {
    const first = executor.take();
    const second = executor.take();
    assert.ok(first !== null && second !== null);
    assert.equal(executor.take(), null);
    first.release();
    first.release();
    assert.equal(executor.taken, 1);
    const { released } = run(async () => null);
    assert.equal(executor.take(), null);
    await released;
    assert.equal(executor.taken, 1);
  });

  it('keeps the code of a CapabilityFailure, also of a foreign copy of the class', async () => {
    const { outcome } = run(async () => {
      throw new CapabilityFailure('OUT_OF_PAPER', 'The printer is out of paper');
    });
    assert.deepEqual(failure(await outcome), ['failed', 'OUT_OF_PAPER']);
    const foreign = run(async () => {
      throw Object.assign(new Error('no'), { name: 'CapabilityFailure', code: 'NO_PAPER' });
    });
    assert.deepEqual(failure(await foreign.outcome), ['failed', 'NO_PAPER']);
  });

  it('keeps apart what this machine does not allow from what did not work', async () => {
    const { outcome } = run(async () => {
      throw new CapabilityDenial('NOT_ALLOWED_HERE', 'Not on this machine');
    });
    assert.deepEqual(failure(await outcome), ['denied', 'NOT_ALLOWED_HERE']);
    const foreign = run(async () => {
      throw Object.assign(new Error('no'), { name: 'CapabilityDenial', code: 'NO_PRINTING' });
    });
    assert.deepEqual(failure(await foreign.outcome), ['denied', 'NO_PRINTING']);
  });

  it('calls everything else that is thrown a crash, and shows the message but not the stack', async () => {
    for (const thrown of [
      new Error('boom'),
      'boom',
      Object.assign(new Error('boom'), { name: 'CapabilityFailure', code: 'not a code' }),
    ]) {
      const { outcome } = run(() => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- plugins do
        throw thrown;
      });
      const result = await outcome;
      assert.deepEqual(failure(result), ['failed', 'CAPABILITY_CRASHED']);
      assert.equal(result.kind === 'result' && result.error?.message, 'boom');
      await settle();
    }
  });

  it('fails an output that is too large, cannot be JSON, or refers to itself', async () => {
    const tooLarge = run(async () => 'x'.repeat(MAX_OUTPUT_BYTES));
    assert.deepEqual(failure(await tooLarge.outcome), ['failed', 'OUTPUT_TOO_LARGE']);
    const cycle: Record<string, JsonValue> = {};
    cycle['self'] = cycle;
    const circular = run(async () => cycle);
    assert.deepEqual(failure(await circular.outcome), ['failed', 'OUTPUT_INVALID']);
    const notJson = run(async () => (() => undefined) as unknown as JsonValue);
    assert.deepEqual(failure(await notJson.outcome), ['failed', 'OUTPUT_INVALID']);
  });

  it('allows an output of exactly the limit', async () => {
    const { outcome } = run(async () => 'x'.repeat(MAX_OUTPUT_BYTES - 2));
    assert.deepEqual(failure(await outcome), ['succeeded', undefined]);
  });

  it('stops a run at its time limit, answers at once, and frees the slot when the handler ends', async () => {
    let aborted: unknown;
    const handler = run(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
            setImmediate(() => reject(new Error('stopped')));
          });
        }),
      { timeoutMs: 500 },
    );
    await settle();
    clock.advance(500);
    assert.deepEqual(failure(await handler.outcome), ['timed-out', 'TIMED_OUT']);
    assert.ok(aborted instanceof Error);
    await handler.released;
    assert.equal(executor.taken, 0);
    assert.equal(clock.pending, 0);
  });

  it('abandons a handler that ignores its signal after the grace period and drops its result', async () => {
    let finish: (value: JsonValue) => void = () => undefined;
    const handler = run(() => new Promise((resolve) => (finish = resolve)));
    handler.cancel();
    clock.advance(ABORT_GRACE_MS - 1);
    await settle();
    assert.equal(executor.taken, 1);
    clock.advance(1);
    assert.deepEqual(await handler.outcome, { kind: 'cancelled', started: true });
    await handler.released;
    assert.equal(executor.taken, 0);
    finish('late');
    await settle();
    assert.deepEqual(await handler.outcome, { kind: 'cancelled', started: true });
  });

  it('counts a handler as succeeded that finishes its work although it was cancelled', async () => {
    let finish: (value: JsonValue) => void = () => undefined;
    const handler = run(() => new Promise((resolve) => (finish = resolve)));
    handler.cancel();
    finish('done anyway');
    assert.deepEqual(failure(await handler.outcome), ['succeeded', undefined]);
  });

  it('passes on ten progress reports a second and drops large ones', async () => {
    const sent: string[] = [];
    const { outcome } = run(
      async ({ progress }) => {
        for (let i = 0; i < 30; i++) progress({ i });
        clock.advance(1_000);
        progress('x'.repeat(64 * 1024));
        progress({ last: true });
        return null;
      },
      { timeoutMs: 60_000, onProgress: (json) => sent.push(json) },
    );
    await outcome;
    assert.equal(sent.length, 11);
    assert.equal(sent[10], '{"last":true}');
  });

  it('abandons everything at the end without an outcome and leaves no timer', async () => {
    let reason: unknown;
    const handler = run(
      ({ signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => (reason = signal.reason));
        }),
    );
    await settle();
    executor.abandonAll(new Error('The node stops'));
    await handler.released;
    assert.match(String(reason), /node stops/);
    assert.equal(executor.taken, 0);
    assert.equal(clock.pending, 0);
  });
});
