import { strict as assert } from 'node:assert';

import { PalyraError } from '../../../src/lib/base/errors.js';
import type { LinkTransport, TransportMode } from '../../../src/lib/base/transports.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { DARK_MS, HEAD_START_MS, LAST_RESORT_MS, TransportChooser } from '../../../src/lib/node/transport-chooser.js';
import { HandClock } from '../../support/hand-clock.js';

const MINUTE_MS = 60_000;
const cut = new PalyraError('DAEMON_UNREACHABLE', { detail: 'nas:7444: the connection was cut' });

describe('the choice of a transport', () => {
  let clock: HandClock;
  // Holds are exactly their base.
  const random = { ...systemRandom, fraction: () => 0.5 };
  const chooser = (mode: TransportMode, ...available: LinkTransport[]) =>
    new TransportChooser({ clock, random }, { mode, available });
  const order = (of: TransportChooser) => of.plan().map(({ transport }) => transport);
  /** A link over the first of the plan, which ends after so long. */
  const serve = (of: TransportChooser, ms: number, error: PalyraError | null = cut) => {
    const [first] = of.plan();
    of.welcomed(first!.transport, [first!.transport]);
    clock.advance(ms);
    return of.ended(ms, error);
  };

  beforeEach(() => (clock = new HandClock()));

  it('starts with the best, the next beside it after a head start, and polling only in their place', () => {
    assert.deepEqual(chooser('auto', 'poll', 'grpc', 'quic').plan(), [
      { transport: 'grpc', startAfterMs: 0 },
      { transport: 'quic', startAfterMs: HEAD_START_MS },
      { transport: 'poll', startAfterMs: null },
    ]);
    assert.deepEqual(chooser('poll', 'grpc', 'poll').plan(), [{ transport: 'poll', startAfterMs: 0 }]);
  });

  it('says why when the one that is asked for is not there', () => {
    assert.throws(
      () => chooser('quic', 'grpc', 'poll'),
      (error) => (error as PalyraError).reason === 'QUIC_UNAVAILABLE',
    );
  });

  it('polls after three short streams, says so, and tries the stream again later, longer after each failure', () => {
    const auto = chooser('auto', 'grpc', 'poll');
    assert.deepEqual([serve(auto, 2_000), serve(auto, 2_000), serve(auto, 2_000)], [false, false, true]);
    assert.deepEqual(order(auto), ['poll', 'grpc']);
    auto.welcomed('poll', ['poll']);
    const { used, why, failures } = auto.view();
    assert.deepEqual([used, why], ['poll', 'the stream was cut 3 times within 6 s']);
    assert.deepEqual(
      failures.map(({ transport, reason }) => [transport, reason]),
      [['grpc', 'DAEMON_UNREACHABLE']],
    );
    assert.equal(auto.retryBetterAt(), clock.monotonic() + MINUTE_MS);
    assert.equal(auto.dueBetter(), null);
    clock.advance(MINUTE_MS);
    assert.equal(auto.dueBetter(), 'grpc');
    assert.equal(auto.view().failures[0]?.heldUntil, null);
    // On probation one cut is enough.
    assert.equal(serve(auto, 3_000), true);
    auto.plan();
    auto.welcomed('poll', ['poll']);
    assert.equal(auto.view().why, 'the stream was cut again within 3 s');
    assert.equal(auto.retryBetterAt(), clock.monotonic() + 2 * MINUTE_MS);
    auto.stillFailing('grpc', cut);
    assert.equal(auto.retryBetterAt(), clock.monotonic() + 4 * MINUTE_MS);
  });

  it('forgets what was when a stream has served for long', () => {
    const auto = chooser('auto', 'grpc', 'poll');
    for (let round = 0; round < 3; round++) serve(auto, 1_000);
    clock.advance(MINUTE_MS);
    serve(auto, 2 * MINUTE_MS);
    assert.deepEqual([serve(auto, 1_000), serve(auto, 1_000)], [false, false]);
    assert.equal(order(auto)[0], 'grpc');
  });

  it('holds nothing against a transport whose link ended for a reason, or served for a while, or seldom', () => {
    const auto = chooser('auto', 'grpc', 'poll');
    for (let round = 0; round < 5; round++) {
      assert.equal(serve(auto, 1_000, new PalyraError('DAEMON_STOPPING')), false);
      assert.equal(serve(auto, 1_000, null), false);
      assert.equal(serve(auto, 15_000), false);
      assert.equal(serve(auto, 1_000), false);
      clock.advance(MINUTE_MS);
    }
    assert.equal(order(auto)[0], 'grpc');
  });

  it('holds nothing against any of them while none works', () => {
    const auto = chooser('auto', 'quic', 'grpc', 'poll');
    for (let round = 0; round < 5; round++) {
      auto.plan();
      for (const each of ['quic', 'grpc', 'poll'] as const) auto.failed(each, cut);
    }
    assert.deepEqual(order(auto), ['grpc', 'quic', 'poll']);
    assert.deepEqual(
      auto.view().failures.map(({ heldUntil }) => heldUntil),
      [null, null, null],
    );
  });

  it('holds back what failed or was slower beside one that was welcomed, and what is held back is the last resort', () => {
    const auto = chooser('auto', 'quic', 'grpc', 'poll');
    auto.plan();
    auto.failed('grpc', new PalyraError('DAEMON_UNREACHABLE', { detail: 'no TCP gets through' }));
    auto.welcomed('quic', ['grpc', 'quic']);
    assert.equal(auto.view().why, 'the stream did not work: no TCP gets through');
    assert.deepEqual(auto.plan(), [
      { transport: 'quic', startAfterMs: 0 },
      { transport: 'poll', startAfterMs: LAST_RESORT_MS },
      { transport: 'grpc', startAfterMs: null },
    ]);
    const other = chooser('auto', 'quic', 'grpc');
    other.plan();
    other.welcomed('quic', ['grpc', 'quic']);
    assert.equal(other.view().why, 'the stream was slower');
  });

  it('tries the last resort beside those that are silent when it goes another way, and says that they did not answer', () => {
    const auto = chooser('auto', 'quic', 'grpc', 'poll');
    for (let round = 0; round < 3; round++) serve(auto, 2_000);
    auto.plan();
    auto.welcomed('quic', ['quic'], 50);
    // UDP is dead too: the link stood for a while, and nothing is known against QUIC yet.
    clock.advance(20_000);
    assert.equal(auto.ended(20_000, cut), false);
    assert.deepEqual(auto.plan(), [
      { transport: 'quic', startAfterMs: 0 },
      { transport: 'poll', startAfterMs: LAST_RESORT_MS },
      { transport: 'grpc', startAfterMs: null },
    ]);
    auto.welcomed('poll', ['quic', 'poll'], 50);
    assert.match(auto.view().why, /QUIC did not answer/);
    // The other way round: TCP is dead where QUIC was held back.
    const other = chooser('auto', 'quic', 'grpc', 'poll');
    other.plan();
    other.stillFailing('quic', cut);
    assert.deepEqual(other.plan(), [
      { transport: 'grpc', startAfterMs: 0 },
      { transport: 'poll', startAfterMs: null },
      { transport: 'quic', startAfterMs: LAST_RESORT_MS },
    ]);
  });

  it('looks again soon, and holds nothing against who lost, when the winner itself began in the dark', () => {
    const auto = chooser('auto', 'quic', 'grpc', 'poll');
    for (let round = 1; round <= 3; round++) {
      auto.plan();
      auto.welcomed('quic', ['grpc', 'quic'], 4_000);
      assert.deepEqual(auto.dueBetter(), null);
      const soon = auto.retryBetterAt()! - clock.monotonic();
      assert.ok(soon > 0 && soon < 10_000, `${soon} ms, round ${round}`);
      clock.advance(soon);
      assert.equal(auto.dueBetter(), 'grpc');
    }
    auto.plan();
    auto.welcomed('quic', ['grpc', 'quic'], DARK_MS);
    assert.equal(auto.retryBetterAt(), clock.monotonic() + MINUTE_MS, 'what is slower in the light waits a minute');
    const failed = chooser('auto', 'quic', 'grpc');
    failed.plan();
    failed.failed('grpc', cut);
    failed.welcomed('quic', ['grpc', 'quic'], 4_000);
    assert.equal(failed.retryBetterAt(), clock.monotonic() + MINUTE_MS, 'so does what has failed');
  });
});
