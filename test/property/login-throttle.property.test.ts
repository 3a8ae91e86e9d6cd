/** The documented bounds of the login throttle, in any order of tries and pauses: not only from its start, but in every window of time. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ACCOUNT_BUCKET, forgetLoginTries, SOURCE_BUCKET, takeLoginTry } from '../../src/lib/runtime/login-throttle.js';
import { emptyTables } from '../../src/lib/runtime/state.js';
import { Transaction } from '../../src/lib/runtime/transaction.js';

interface Step {
  readonly pauseMs: number;
  readonly account: string | null;
  readonly source: string;
  readonly tries: number;
  readonly sweep: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  pauseMs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 60_000 }),
    fc.constantFrom(ACCOUNT_BUCKET.everyMs, SOURCE_BUCKET.everyMs, ACCOUNT_BUCKET.everyMs - 1),
    fc.integer({ min: 1, max: 3_600_000 }),
  ),
  account: fc.constantFrom('anna', 'berta', null),
  source: fc.constantFrom('192.0.2.1', '192.0.2.2'),
  tries: fc.integer({ min: 1, max: 120 }),
  sweep: fc.boolean(),
});

describe('the login throttle', () => {
  it('holds its bounds in every window, forgets no try by forgetting rows, and says truly when to come again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const tables = emptyTables();
        const taken: { readonly at: number; readonly account: string | null; readonly source: string }[] = [];
        let wall = 1_000_000;
        const begin = () => new Transaction(tables, { wall, mono: wall });
        for (const { pauseMs, account, source, tries, sweep } of steps) {
          wall += pauseMs;
          if (sweep) forgetLoginTries(begin());
          for (let n = 0; n < tries; n++) {
            const tx = begin();
            const waitMs = takeLoginTry(tx, { account, source });
            if (waitMs === 0) {
              taken.push({ at: wall, account, source });
              continue;
            }
            assert.ok(tx.isEmpty, 'a refused try writes nothing');
            assert.ok(waitMs <= ACCOUNT_BUCKET.everyMs, 'nobody waits for longer than a minute');
            const later = new Transaction(structuredClone(tables), { wall: wall + waitMs, mono: 0 });
            assert.equal(takeLoginTry(later, { account, source }), 0, 'after that time it is looked at');
            const sooner = new Transaction(structuredClone(tables), { wall: wall + waitMs - 1, mono: 0 });
            assert.ok(takeLoginTry(sooner, { account, source }) > 0, 'and not before');
            break;
          }
        }
        const most = (times: number[], windowMs: number) =>
          Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length));
        for (const name of ['anna', 'berta']) {
          assert.ok(
            most(
              taken.filter(({ account }) => account === name).map(({ at }) => at),
              900_000,
            ) <=
              5 + 18,
          );
        }
        for (const address of ['192.0.2.1', '192.0.2.2']) {
          assert.ok(
            most(
              taken.filter(({ source }) => source === address).map(({ at }) => at),
              3_600_000,
            ) <= 200,
          );
        }
      }),
      { numRuns: 300 },
    );
  }).timeout(60_000);
});
