import assert from 'node:assert/strict';
import { HEAD_START_MS, raceWithHeadStart } from '../../../src/lib/base/head-start.js';
import { Deferred } from '../../../src/lib/base/lifecycle.js';
import { HandClock, settle } from '../../support/hand-clock.js';

describe('a race with head starts', () => {
  let clock: HandClock;
  let lanes: { begun: boolean; signal: AbortSignal | null; end: Deferred<string> }[];
  let discarded: string[];
  const stop = () => new AbortController();

  const race = (count: number, controller = stop(), isFinal?: (error: unknown) => boolean) => {
    lanes = Array.from({ length: count }, () => ({ begun: false, signal: null, end: new Deferred<string>() }));
    const tries = lanes.map((lane) => (signal: AbortSignal) => {
      Object.assign(lane, { begun: true, signal });
      return lane.end.promise;
    });
    const discard = (late: string) => void discarded.push(late);
    return raceWithHeadStart(tries, { clock, signal: controller.signal, discard, ...(isFinal && { isFinal }) });
  };
  const begun = () => lanes.filter(({ begun: each }) => each).length;

  beforeEach(() => {
    clock = new HandClock();
    discarded = [];
  });

  it('begins the next after a head start, or at once when one fails, and at most four together', async () => {
    const winner = race(7);
    assert.equal(begun(), 1);
    clock.advance(HEAD_START_MS - 1);
    assert.equal(begun(), 1);
    clock.advance(1);
    assert.equal(begun(), 2);
    lanes[0]!.end.reject(new Error('refused'));
    await settle();
    assert.equal(begun(), 3);
    for (let index = 0; index < 5; index++) clock.advance(HEAD_START_MS);
    assert.equal(begun(), 5, 'four are under way');
    lanes[1]!.end.reject(new Error('refused'));
    await settle();
    assert.equal(begun(), 6);
    lanes[3]!.end.resolve('four');
    assert.equal(await winner, 'four');
    assert.deepEqual(
      lanes.map(({ signal }) => signal?.aborted),
      [true, true, true, false, true, true, undefined],
    );
    lanes[4]!.end.resolve('five');
    await settle();
    assert.deepEqual(discarded, ['five']);
    assert.equal(clock.pending, 0);
  });

  it('fails as the first did when all fail, and at once when a failure is the answer', async () => {
    const all = race(2);
    lanes[0]!.end.reject(new Error('first'));
    await settle();
    lanes[1]!.end.reject(new Error('second'));
    await assert.rejects(all, /first/);
    const one = race(3, stop(), () => true);
    lanes[0]!.end.reject(new Error('no'));
    await assert.rejects(one, /no/);
    assert.equal(begun(), 1);
    assert.equal(clock.pending, 0);
  });

  it('ends with its signal, and everything under way with it', async () => {
    const controller = stop();
    const ended = race(3, controller);
    clock.advance(HEAD_START_MS);
    controller.abort(new Error('enough'));
    await assert.rejects(ended, /enough/);
    assert.deepEqual([begun(), lanes[0]!.signal!.aborted, lanes[1]!.signal!.aborted], [2, true, true]);
    assert.equal(clock.pending, 0);
  });
});
