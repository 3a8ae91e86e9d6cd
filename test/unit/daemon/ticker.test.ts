import assert from 'node:assert/strict';
import { Deferred } from '../../../src/lib/base/lifecycle.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { startTicker, TICK_MS } from '../../../src/lib/daemon/ticker.js';
import { DenialBudget, DENIALS_PER_WINDOW, DENIAL_WINDOW_MS } from '../../../src/lib/daemon/denial-budget.js';
import { HandClock, settle } from '../../support/hand-clock.js';

/** A second passes, and what it started goes as far as it can. */
async function tick(clock: HandClock): Promise<void> {
  clock.advance(TICK_MS);
  await settle();
}

describe('the ticker', () => {
  it('runs one step at a time, and the next after one that failed', async () => {
    const clock = new HandClock();
    const gate = new Deferred<void>();
    let steps = 0;
    const stop = startTicker({ clock, log: silentLog }, () => {
      steps += 1;
      return steps === 1 ? gate.promise : Promise.reject(new Error('fails'));
    });
    await tick(clock);
    assert.equal(clock.pending, 0, 'nothing is scheduled while a step runs');
    gate.resolve();
    await settle();
    await tick(clock);
    await tick(clock);
    assert.equal(steps, 3);
    await stop();
    assert.equal(clock.pending, 0);
  });

  it('waits for the step under way when it is stopped', async () => {
    const clock = new HandClock();
    const gate = new Deferred<void>();
    const stop = startTicker({ clock, log: silentLog }, () => gate.promise);
    await tick(clock);
    let stopped = false;
    const stopping = stop().then(() => (stopped = true));
    await settle();
    assert.equal(stopped, false);
    gate.resolve();
    await stopping;
    assert.equal(clock.pending, 0);
  });
});

describe('the denial budget', () => {
  it('is used up by a hundred denials in a minute, and is whole again in the next', () => {
    const clock = new HandClock();
    const budget = new DenialBudget(clock);
    const connection = {};
    for (let count = 0; count < DENIALS_PER_WINDOW; count += 1) assert.equal(budget.spend(connection), true);
    assert.equal(budget.spend(connection), false);
    assert.equal(budget.spend({}), true, 'another connection has its own');
    clock.advance(DENIAL_WINDOW_MS);
    assert.equal(budget.spend(connection), true);
  });
});
