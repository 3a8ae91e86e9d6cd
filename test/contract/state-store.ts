/** What every `StateStore` must do. The suite is a function; `state-store.test.ts` runs it on the real store and on the fake. */
import assert from 'node:assert/strict';
import { applyChanges } from '../../src/lib/runtime/state.js';
import type { StateStore } from '../../src/lib/runtime/state.js';
import { changesAt, fingerprint, fold, prefixFingerprints } from '../support/state-workload.js';

export interface StoreHarness {
  /** A store on this harness's storage, not loaded. Only one is open at a time. */
  open(): StateStore;
  setDiskFull(full: boolean): void;
  /** Lets enough time pass for a full disk to be tried again. */
  pause(): void;
  /** The next write fails for good. */
  breakDisk(): void;
  dispose(): Promise<void>;
}

export function testStateStore(name: string, createHarness: () => Promise<StoreHarness>): void {
  describe(`state store contract: ${name}`, () => {
    let harness: StoreHarness;
    let store: StateStore;

    beforeEach(async () => {
      harness = await createHarness();
      store = harness.open();
    });
    afterEach(async () => {
      await store.close();
      await harness.dispose();
    });

    const reopen = async () => {
      await store.close();
      store = harness.open();
      return store.load();
    };
    const appendRange = (from: number, to: number) =>
      Promise.all(Array.from({ length: to - from }, (_, offset) => store.append(changesAt(from + offset))));

    it('starts with empty tables', async () => {
      assert.equal(fingerprint(await store.load()), prefixFingerprints(0)[0]);
      assert.equal(store.status().accepting, true);
      assert.equal(store.status().journalRecords, 0);
    });

    it('gives back what was appended', async () => {
      await store.load();
      await appendRange(0, 9);
      assert.equal(store.status().journalRecords, 9);
      assert.equal(fingerprint(await reopen()), prefixFingerprints(9)[9]);
    });

    it('confirms appends in the order of the calls', async () => {
      await store.load();
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.append(changesAt(index)).then(() => order.push(index))),
      );
      assert.deepEqual(
        order,
        Array.from({ length: 20 }, (_, index) => index),
      );
    });

    it('keeps what was appended even when the caller changes the objects afterwards', async () => {
      await store.load();
      const row = { id: 'dsp_1', at: 1 };
      const appended = store.append([{ op: 'put', table: 'tombstones', key: 'dsp_1', row }]);
      row.at = 2;
      await appended;
      assert.equal((await reopen()).tombstones.get('dsp_1')?.at, 1);
    });

    it('keeps keys and text of any kind as they are', async () => {
      await store.load();
      const key = '__proto__';
      const text = 'a\nb\u2028"\\\u0000 \ud83d\ude00 00000000 1 00000000 {}';
      await store.append([{ op: 'put', table: 'tombstones', key, row: { id: text, at: 0 } }]);
      assert.equal((await reopen()).tombstones.get(key)?.id, text);
      await store.snapshot(fold([[{ op: 'put', table: 'tombstones', key, row: { id: text, at: 0 } }]]), 1);
      assert.equal((await reopen()).tombstones.get(key)?.id, text);
    });

    it('resolves flushed at once when nothing is pending, and after everything pending otherwise', async () => {
      await store.load();
      await store.flushed();
      let confirmed = 0;
      for (let index = 0; index < 5; index++) void store.append(changesAt(index)).then(() => confirmed++);
      await store.flushed();
      await Promise.resolve();
      assert.equal(confirmed, 5);
    });

    it('gives back a snapshot and what was appended after it', async () => {
      const tables = await store.load();
      await appendRange(0, 6);
      for (let index = 0; index < 6; index++) applyChanges(tables, changesAt(index));
      await store.snapshot(tables, 1_000);
      assert.equal(store.status().journalRecords, 0);
      await appendRange(6, 8);
      assert.equal(fingerprint(await reopen()), prefixFingerprints(8)[8]);
    });

    it('loses nothing that is pending when a snapshot is asked for, and nothing that arrives while it is written', async () => {
      const tables = await store.load();
      const appends: Promise<void>[] = [];
      const appendNext = (index: number) => {
        applyChanges(tables, changesAt(index));
        appends.push(store.append(changesAt(index)));
      };
      for (let index = 0; index < 4; index++) appendNext(index);
      const snapshot = store.snapshot(tables, 1_000);
      for (let index = 4; index < 8; index++) appendNext(index);
      await Promise.all(appends);
      for (let index = 8; index < 10; index++) appendNext(index);
      await snapshot;
      await Promise.all(appends);
      assert.equal(fingerprint(await reopen()), prefixFingerprints(10)[10]);
    });

    it('writes snapshots that are asked for together one after the other', async () => {
      const tables = await store.load();
      const snapshots: Promise<void>[] = [];
      const appends: Promise<void>[] = [];
      for (let index = 0; index < 9; index++) {
        applyChanges(tables, changesAt(index));
        appends.push(store.append(changesAt(index)));
        if (index % 3 === 1) snapshots.push(store.snapshot(tables, index));
      }
      await Promise.all([...snapshots, ...appends]);
      assert.equal(fingerprint(await reopen()), prefixFingerprints(9)[9]);
    });

    it('saves with a snapshot what was changed in memory only', async () => {
      const tables = await store.load();
      await appendRange(0, 1);
      applyChanges(tables, changesAt(0));
      tables.tombstones.set('dsp_0_a', { id: 'dsp_0_a', at: 77 });
      await store.snapshot(tables, 1_000);
      assert.equal((await reopen()).tombstones.get('dsp_0_a')?.at, 77);
    });

    it('refuses appends while the disk is full, never reads them back, and goes on when there is space', async () => {
      await store.load();
      await appendRange(0, 3);
      harness.setDiskFull(true);
      const refused = await Promise.allSettled([store.append(changesAt(3)), store.append(changesAt(4))]);
      for (const outcome of refused) {
        assert.equal(outcome.status, 'rejected');
        assert.equal(outcome.reason.reason, 'STORAGE_FULL');
      }
      assert.equal(store.status().accepting, false);
      harness.setDiskFull(false);
      harness.pause();
      assert.equal(store.status().accepting, true);
      await store.append(changesAt(3));
      assert.equal(fingerprint(await reopen()), prefixFingerprints(4)[4]);
    });

    it('writes no snapshot of changes that were refused', async () => {
      const tables = await store.load();
      await appendRange(0, 3);
      for (let index = 0; index < 4; index++) applyChanges(tables, changesAt(index));
      harness.setDiskFull(true);
      const refused = store.append(changesAt(3));
      const snapshot = store.snapshot(tables, 1_000);
      await assert.rejects(refused, { reason: 'STORAGE_FULL' });
      await assert.rejects(snapshot, { reason: 'STORAGE_FULL' });
      harness.setDiskFull(false);
      assert.equal(fingerprint(await reopen()), prefixFingerprints(3)[3]);
    });

    it('refuses everything for good after a failed write', async () => {
      await store.load();
      await appendRange(0, 3);
      harness.breakDisk();
      await assert.rejects(store.append(changesAt(3)), { reason: 'STORAGE_FAILED' });
      await assert.rejects(store.append(changesAt(3)), { reason: 'STORAGE_FAILED' });
      await assert.rejects(store.snapshot(fold([changesAt(0)]), 1_000), { reason: 'STORAGE_FAILED' });
      assert.equal(store.status().accepting, false);
    });

    it('refuses appends after it was closed, and closes twice', async () => {
      await store.load();
      await store.close();
      await store.close();
      await assert.rejects(store.append(changesAt(0)), { reason: 'STORAGE_FAILED' });
    });
  });
}
