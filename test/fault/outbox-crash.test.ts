/**
 * The node's memory on a disk that crashes, fills or fails at every single call of a workload with rewrites in it. After each, the next process knows every
 * start that was confirmed, under the same store id: that is what lets the daemon believe its "never heard of it".
 */
import { strict as assert } from 'node:assert';

import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Outcome } from '../../src/lib/node/executor.js';
import { Outbox } from '../../src/lib/node/outbox.js';
import { FaultFs, type FaultAt } from '../support/fault-fs.js';
import { HandClock } from '../support/hand-clock.js';
import { seededRandom } from '../support/seeded-random.js';

const DISPATCHES = 60;
const succeeded: Outcome = {
  kind: 'result',
  state: 'succeeded',
  outputJson: '{"some":"output"}',
  error: null,
  executionMs: 1,
};
const idOf = (index: number) => `dsp_${String(index).padStart(6, '0')}`;

interface Confirmed {
  storeId: string | null;
  readonly started: Set<string>;
  readonly discarded: Set<string>;
}

const open = (fs: FaultFs) =>
  Outbox.open(
    '/node',
    { clock: new HandClock(), random: systemRandom, log: silentLog, onFailed: () => undefined },
    { daemon: 'PIN', compactAboveBytes: 2_500, fs },
  );

/** Bursts of starts; most end and are confirmed by the daemon, every seventh stays. What cannot be written is refused and forgotten. */
async function runWorkload(fs: FaultFs): Promise<Confirmed> {
  const confirmed: Confirmed = { storeId: null, started: new Set(), discarded: new Set() };
  try {
    const outbox = await open(fs);
    confirmed.storeId = outbox.storeId;
    for (let index = 0; index < DISPATCHES;) {
      const burst: Promise<void>[] = [];
      for (let count = 0; count <= index % 3; count++, index++) {
        const id = idOf(index);
        const written = outbox.started({ id, attempt: 1, capability: 'test.run', idempotent: false }).then(
          () => void confirmed.started.add(id),
          () => {
            outbox.discard(id);
            confirmed.discarded.add(id);
          },
        );
        burst.push(written);
      }
      await Promise.all(burst);
      for (const { id, phase } of [...outbox.entries()]) {
        if (phase === 'started') outbox.done(id, succeeded);
        else if (Number(id.slice(4)) % 7 !== 0) outbox.forget(id, true);
      }
    }
    await outbox.close();
  } catch {
    // The disk is gone; what was confirmed until then counts.
  }
  return confirmed;
}

async function check(disk: FaultFs, confirmed: Confirmed, what: string, refusedForGood: boolean): Promise<void> {
  const outbox = await open(disk);
  if (confirmed.storeId !== null) assert.equal(outbox.storeId, confirmed.storeId, what);
  for (const id of confirmed.started) {
    assert.ok(
      outbox.get(id) !== undefined || outbox.tombstone(id) !== undefined,
      `${what}: ${id} was started and is forgotten`,
    );
  }
  if (refusedForGood)
    for (const id of confirmed.discarded)
      assert.equal(outbox.get(id), undefined, `${what}: ${id} was refused and is kept`);
  await outbox.started({ id: 'dsp_AFTER0', attempt: 1, capability: 'test.run', idempotent: true });
  await outbox.close();
}

describe('the outbox on a bad disk', function () {
  this.timeout(60_000);
  let calls: number;
  let kinds: readonly string[];

  before(async () => {
    const fs = new FaultFs();
    const confirmed = await runWorkload(fs);
    assert.equal(confirmed.started.size, DISPATCHES);
    calls = fs.calls;
    kinds = fs.kinds;
    assert.ok(kinds.filter((kind) => kind === 'rename').length >= 2, 'the workload has rewrites in it');
  });

  const each = async (
    fault: FaultAt['fault'],
    wanted: (kind: string) => boolean,
    after: (fs: FaultFs, call: number) => FaultFs[],
  ) => {
    let points = 0;
    for (let call = 1; call <= calls; call++) {
      if (!wanted(kinds[call - 1]!)) continue;
      const fs = new FaultFs();
      fs.faults = [{ call, fault }];
      const confirmed = await runWorkload(fs);
      for (const disk of after(fs, call))
        await check(disk, confirmed, `${fault} at call ${call} (${kinds[call - 1]})`, fault === 'ENOSPC');
      points++;
    }
    assert.ok(points > 0);
  };
  const lostPower = (fs: FaultFs, call: number) => {
    const seeded = seededRandom(call);
    return [fs.crashed(() => 0), fs.crashed(() => 1), fs.crashed(() => seeded.fraction())];
  };

  it('forgets no confirmed start when the machine stops at any call', () => each('crash', () => true, lostPower));

  it('forgets none when any write or rename fails for lack of space, and goes on', () =>
    each(
      'ENOSPC',
      (kind) => ['append', 'create', 'rename'].includes(kind),
      (fs) => [fs.killed()],
    ));

  it('forgets none when any call fails for good', () =>
    each(
      'EIO',
      (kind) => kind !== 'close',
      (fs, call) => [fs.killed(), ...lostPower(fs, call)],
    ));
});
