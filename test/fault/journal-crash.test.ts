/**
 * The store on a disk that crashes, fills or fails at every single call of a workload with snapshots in it. After each, whatever the disk kept must be
 * the fold of a prefix of the appends that holds every confirmed one (I9), and a store that goes on from there.
 */
import assert from 'node:assert/strict';
import { silentLog } from '../../src/lib/base/log.js';
import { FileStateStore } from '../../src/lib/daemon/journal.js';
import { applyChanges } from '../../src/lib/runtime/state.js';
import { FaultFs } from '../support/fault-fs.js';
import type { FaultAt } from '../support/fault-fs.js';
import { HandClock } from '../support/hand-clock.js';
import { changesAt, fingerprint, fold, prefixFingerprints } from '../support/state-workload.js';

const DIRECTORY = '/state';
const ROUNDS = 48;
const PREFIXES = prefixFingerprints(ROUNDS * 4 + 4);

interface Outcome {
  /** Appends that were made, and how many of them, from the first, were confirmed. */
  readonly issued: number;
  readonly confirmed: number;
}

const openStore = (fs: FaultFs, clock: HandClock) =>
  new FileStateStore({ clock, log: silentLog, fs }, { directory: DIRECTORY });

/** Bursts of one to four appends; every fourth round a snapshot starts in the middle of one and appends go on around it. */
async function runWorkload(fs: FaultFs): Promise<Outcome> {
  const clock = new HandClock();
  const store = openStore(fs, clock);
  let issued = 0;
  let confirmed = 0;
  try {
    const tables = await store.load();
    for (let round = 0; round < ROUNDS; round++) {
      const burst: Promise<unknown>[] = [];
      for (let count = 0; count <= round % 4; count++) {
        const index = issued++;
        applyChanges(tables, changesAt(index));
        burst.push(
          store.append(changesAt(index)).then(() => {
            assert.equal(index, confirmed, 'appends are confirmed in order');
            confirmed++;
          }),
        );
        if (round % 4 === 2 && count === 1) burst.push(store.snapshot(tables, clock.now()));
      }
      for (const outcome of await Promise.allSettled(burst)) if (outcome.status === 'rejected') throw outcome.reason;
    }
    await store.close();
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
  }
  return { issued, confirmed };
}

/** Draws: nothing unsynced survived, everything did, and random amounts between. */
function survivalDraws(seed: number): (() => number)[] {
  let state = seed * 2654435761 + 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return [() => 0, () => 1, ...Array.from({ length: 14 }, () => random)];
}

async function assertRecovers(image: FaultFs, { issued, confirmed }: Outcome, what: string): Promise<void> {
  const store = openStore(image, new HandClock());
  const print = fingerprint(await store.load());
  const length = PREFIXES.indexOf(print);
  assert.ok(length >= confirmed && length <= issued, `${what}: prefix ${length} of ${issued}, ${confirmed} confirmed`);
  assert.deepEqual(
    Object.keys(image.files()).filter((name) => name.endsWith('.tmp')),
    [],
    `${what}: leftovers`,
  );
  await store.append(changesAt(length));
  await store.close();
  const again = openStore(image, new HandClock());
  assert.equal(fingerprint(await again.load()), PREFIXES[length + 1], `${what}: after going on`);
  await again.close();
}

describe('the state store on a bad disk', () => {
  let calls = 0;

  before(async () => {
    const fs = new FaultFs();
    const outcome = await runWorkload(fs);
    assert.equal(outcome.confirmed, outcome.issued);
    calls = fs.calls;
    assert.ok(fs.kinds.filter((kind) => kind === 'link').length >= 4, 'the workload takes snapshots over snapshots');
  });

  it('recovers a prefix with everything confirmed from a crash at every call', async function () {
    this.timeout(60_000);
    let points = 0;
    for (let call = 1; call <= calls; call++) {
      const fs = new FaultFs();
      fs.faults = [{ call, fault: 'crash' }];
      const outcome = await runWorkload(fs);
      for (const draw of survivalDraws(call)) {
        await assertRecovers(fs.crashed(draw), outcome, `crash at call ${call}, point ${points}`);
        points++;
      }
    }
    assert.ok(points > 4_000, `only ${points} crash points`);
  });

  it('recovers from a second crash while it recovers from the first', async function () {
    this.timeout(60_000);
    for (let call = 1; call <= calls; call += 7) {
      const fs = new FaultFs();
      fs.faults = [{ call, fault: 'crash' }];
      const outcome = await runWorkload(fs);
      for (let second = 1; second <= 8; second++) {
        const image = fs.crashed(() => (second % 2 === 0 ? 1 : 0.5));
        image.faults = [{ call: second, fault: 'crash' }];
        await openStore(image, new HandClock())
          .load()
          .catch(() => undefined);
        await assertRecovers(
          image.crashed(() => 0.5),
          outcome,
          `crashes at calls ${call} and ${second}`,
        );
      }
    }
  });

  it('never gives what a loss of power after a kill could still take away', async function () {
    this.timeout(60_000);
    for (let call = 1; call <= calls; call++) {
      const fs = new FaultFs();
      fs.faults = [{ call, fault: 'crash' }];
      const outcome = await runWorkload(fs);
      const running = fs.killed();
      const store = openStore(running, new HandClock());
      const seen = PREFIXES.indexOf(fingerprint(await store.load()));
      assert.ok(seen >= outcome.confirmed);
      const image = running.crashed(() => 0);
      await assertRecovers(image, { issued: seen, confirmed: seen }, `kill at call ${call}, then power loss`);
    }
  });

  it('is not confused by short writes', async () => {
    const fs = new FaultFs();
    fs.faults = Array.from({ length: calls * 2 }, (_, index): FaultAt => ({ call: index + 1, fault: 'short' }));
    const outcome = await runWorkload(fs);
    assert.equal(outcome.confirmed, outcome.issued);
    await assertRecovers(
      fs.crashed(() => 0),
      outcome,
      'short writes',
    );
  });

  for (const fault of ['EIO', 'EMFILE', 'ENOSPC', 'EDQUOT'] as const) {
    it(`loses nothing confirmed when any one call fails with ${fault}`, async function () {
      this.timeout(60_000);
      for (let call = 1; call <= calls; call++) {
        const fs = new FaultFs();
        fs.faults = [{ call, fault }];
        const outcome = await runWorkload(fs);
        for (const draw of survivalDraws(call).slice(0, 4)) {
          await assertRecovers(fs.crashed(draw), outcome, `${fault} at call ${call}`);
        }
      }
    });
  }

  it('writes and syncs nothing more after a failed fsync', async () => {
    const clean = new FaultFs();
    await runWorkload(clean);
    for (const [index, kind] of clean.kinds.entries()) {
      if (kind !== 'sync' && kind !== 'syncDirectory') continue;
      const fs = new FaultFs();
      fs.faults = [{ call: index + 1, fault: 'EIO' }];
      await runWorkload(fs);
      const after = fs.kinds.slice(index + 1);
      const writes = after.filter((later) => !['close', 'remove', 'read', 'size', 'open'].includes(later));
      assert.deepEqual(writes, [], `after the failed ${kind} at call ${index + 1}`);
    }
  });

  it('accepts again after every way to run out of space, and never reads back what it refused', async function () {
    this.timeout(60_000);
    for (let capacity = 0; capacity < 6_000; capacity += 37) {
      const fs = new FaultFs();
      fs.capacity = Infinity;
      const clock = new HandClock();
      const store = openStore(fs, clock);
      await store.load();
      const accepted: number[] = [];
      fs.capacity = capacity;
      for (let index = 0; index < 60; index += 3) {
        // Three lists that build on each other: refused together or not at all.
        const outcomes = await Promise.allSettled([0, 1, 2].map((offset) => store.append(changesAt(index + offset))));
        outcomes.forEach((outcome, offset) => {
          if (outcome.status === 'fulfilled') accepted.push(index + offset);
          else assert.equal(outcome.reason.reason, 'STORAGE_FULL');
        });
        if (index % 15 === 12) {
          await store.snapshot(fold(accepted.map(changesAt)), clock.now()).catch((error: unknown) => {
            assert.equal((error as { reason: string }).reason, 'STORAGE_FULL');
          });
        }
        if (index === 45) {
          fs.capacity = Infinity;
          clock.advance(1_000);
        }
      }
      assert.ok(accepted.includes(48) && accepted.includes(59), 'it accepts again');
      const killed = openStore(
        fs.crashed(() => 1),
        clock,
      );
      assert.equal(
        fingerprint(await killed.load()),
        fingerprint(fold(accepted.map(changesAt))),
        `capacity ${capacity}`,
      );
      await killed.close();
      await store.close();
    }
  });
});
