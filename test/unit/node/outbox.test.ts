import { strict as assert } from 'node:assert';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import type { Outcome } from '../../../src/lib/node/executor.js';
import { Outbox, OUTBOX_FILE_NAME, type NewEntry } from '../../../src/lib/node/outbox.js';
import { OutboxTable, storeRecord } from '../../../src/lib/node/outbox-table.js';
import { HandClock } from '../../support/hand-clock.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';

const DAY_MS = 86_400_000;
const succeeded: Outcome = { kind: 'result', state: 'succeeded', outputJson: '{"a":1}', error: null, executionMs: 3 };

function entry(id: string, over: Partial<NewEntry> = {}): NewEntry {
  return { id, attempt: 1, capability: 'test.run', idempotent: true, ...over };
}

describe('the outbox', () => {
  const directory = temporaryDirectory();
  let clock: HandClock;
  const open = (options: { daemon?: string; compactAboveBytes?: number } = {}) =>
    Outbox.open(
      directory(),
      { clock, random: systemRandom, log: silentLog, onFailed: (error) => assert.fail(error) },
      { daemon: 'PIN-A', ...options },
    );
  const reopen = async (outbox: Outbox, options: { daemon?: string; compactAboveBytes?: number } = {}) => {
    await outbox.close();
    return open(options);
  };

  beforeEach(() => {
    clock = new HandClock();
  });

  it('keeps its store id over restarts, in a private file', async () => {
    const outbox = await open();
    const { storeId } = outbox;
    assert.match(storeId, /^[0-9a-f]{32}$/);
    const again = await reopen(outbox);
    assert.equal(again.storeId, storeId);
    await again.close();
    assert.equal((await stat(join(directory(), OUTBOX_FILE_NAME))).mode & 0o777, 0o600);
  });

  it('gives exactly what it was told, after a restart too', async () => {
    const outbox = await open();
    await outbox.received(entry('dsp_received'));
    await outbox.started(entry('dsp_started', { attempt: 2, idempotent: false }));
    await outbox.started(entry('dsp_done000'));
    outbox.done('dsp_done000', succeeded);
    await outbox.started(entry('dsp_gone000'));
    outbox.done('dsp_gone000', succeeded);
    outbox.forget('dsp_gone000', true);
    const expected = [
      { id: 'dsp_received', attempt: 1, state: 'received', alive: false },
      { id: 'dsp_started', attempt: 2, state: 'started', alive: false },
      { id: 'dsp_done000', attempt: 1, state: 'done', alive: false },
    ];
    assert.deepEqual(
      outbox.known(() => false),
      expected,
    );
    const again = await reopen(outbox);
    assert.deepEqual(
      again.known(() => false),
      expected,
    );
    assert.deepEqual(again.get('dsp_done000')?.outcome, succeeded);
    assert.equal(again.get('dsp_gone000'), undefined);
    assert.equal(again.tombstone('dsp_gone000')?.again, false);
    await again.close();
  });

  it('says in a tombstone whether a later attempt may run: not when settled, not when an effectful one started', async () => {
    const outbox = await open();
    const cases: [string, Partial<NewEntry>, 'received' | 'started', boolean, boolean][] = [
      ['dsp_aaaaaa', { idempotent: true }, 'started', false, true],
      ['dsp_bbbbbb', { idempotent: true }, 'started', true, false],
      ['dsp_cccccc', { idempotent: false }, 'received', false, true],
      ['dsp_dddddd', { idempotent: false }, 'started', false, false],
    ];
    for (const [id, over, phase, settled, again] of cases) {
      await outbox[phase](entry(id, over));
      outbox.forget(id, settled);
      assert.equal(outbox.tombstone(id)?.again, again, id);
    }
    const effectfulButNeverStarted = entry('dsp_eeeeee', { idempotent: false });
    await outbox.started(effectfulButNeverStarted);
    outbox.done('dsp_eeeeee', { kind: 'cancelled', started: false });
    outbox.forget('dsp_eeeeee', false);
    assert.equal(outbox.tombstone('dsp_eeeeee')?.again, true);
    await outbox.close();
  });

  it('remembers the highest epoch it was told', async () => {
    const outbox = await open();
    outbox.sawEpoch(7);
    outbox.sawEpoch(5);
    assert.equal(outbox.lastEpoch, 7);
    const again = await reopen(outbox);
    assert.equal(again.lastEpoch, 7);
    await again.close();
  });

  it('keeps tombstones for seven days', async () => {
    let outbox = await open();
    await outbox.started(entry('dsp_gone000'));
    outbox.forget('dsp_gone000', true);
    clock.advance(7 * DAY_MS);
    outbox = await reopen(outbox);
    assert.ok(outbox.tombstone('dsp_gone000'));
    clock.advance(1);
    outbox = await reopen(outbox);
    assert.equal(outbox.tombstone('dsp_gone000'), undefined);
    await outbox.close();
  });

  it('starts anew for another daemon: nothing of the first one is any of its business', async () => {
    const outbox = await open();
    outbox.sawEpoch(900);
    await outbox.started(entry('dsp_started'));
    const { storeId } = outbox;
    const other = await reopen(outbox, { daemon: 'PIN-B' });
    assert.notEqual(other.storeId, storeId);
    assert.equal(other.lastEpoch, 0);
    assert.deepEqual(
      other.known(() => true),
      [],
    );
    await other.close();
  });

  it('rewrites a journal that grew large without losing what is alive or what comes meanwhile', async () => {
    let outbox = await open({ compactAboveBytes: 20_000 });
    const { storeId } = outbox;
    outbox.sawEpoch(41);
    await outbox.started(entry('dsp_keepme', { idempotent: false }));
    await outbox.started(entry('dsp_result'));
    outbox.done('dsp_result', succeeded);
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 2_000; i++) {
      const id = `dsp_${String(i).padStart(6, '0')}`;
      writes.push(outbox.started(entry(id)));
      outbox.done(id, succeeded);
      if (i >= 3) outbox.forget(id, true);
      if (i % 50 === 0) await Promise.all(writes.splice(0));
    }
    await outbox.flushed();
    const known = outbox.known(() => false);
    const bytes = (await stat(join(directory(), OUTBOX_FILE_NAME))).size;
    outbox = await reopen(outbox, { compactAboveBytes: 20_000 });
    assert.ok(bytes < 2_000 * 350, `${bytes} bytes: it was rewritten on the way`);
    assert.deepEqual(
      outbox.known(() => false),
      known,
    );
    assert.deepEqual(
      known.map(({ id }) => id),
      ['dsp_keepme', 'dsp_result', 'dsp_000000', 'dsp_000001', 'dsp_000002'],
    );
    assert.equal(outbox.storeId, storeId);
    assert.equal(outbox.lastEpoch, 41);
    assert.ok(outbox.tombstone('dsp_001999'));
    await outbox.close();
    assert.deepEqual((await readdir(directory())).sort(), [OUTBOX_FILE_NAME]);
  });

  it('ignores a half-written next generation of a process that was killed', async () => {
    const outbox = await open();
    await outbox.started(entry('dsp_started'));
    await outbox.close();
    await writeFile(join(directory(), `${OUTBOX_FILE_NAME}.next`), 'half', { mode: 0o600 });
    const again = await open();
    assert.equal(again.known(() => false).length, 1);
    await again.close();
    assert.deepEqual(await readdir(directory()), [OUTBOX_FILE_NAME]);
  });

  it('refuses a journal that is damaged in the middle, and one of a newer format', async () => {
    const path = join(directory(), OUTBOX_FILE_NAME);
    const outbox = await open();
    await outbox.started(entry('dsp_aaaaaa'));
    await outbox.started(entry('dsp_bbbbbb'));
    await outbox.close();
    const bytes = await readFile(path);
    bytes[bytes.indexOf('dsp_aaaaaa')] = 0x58;
    await writeFile(path, bytes);
    await rejectsWith(open(), 'STATE_CORRUPT');

    const table = new OutboxTable();
    const newer = { ...storeRecord('00', 'PIN-A', 0), format: 2 };
    assert.throws(() => table.apply(newer), { reason: 'STATE_VERSION_UNSUPPORTED' });
    assert.throws(() => new OutboxTable().apply({ t: 'epoch', epoch: 1 }), /does not name the store/);
  });

  it('forgets a dispatch that could not be written as if the offer had never come', async () => {
    const outbox = await open();
    await outbox.started(entry('dsp_started'));
    outbox.discard('dsp_started');
    assert.deepEqual(
      outbox.known(() => true),
      [],
    );
    assert.equal(outbox.tombstone('dsp_started'), undefined);
    await outbox.close();
  });
});
