/** The state is looked at while its daemon writes: whatever is under way is no damage, and what is damage is found. */
import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/base/clock.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemFs } from '../../../src/lib/base/system-fs.js';
import { FileStateStore } from '../../../src/lib/daemon/journal.js';
import { inspectState } from '../../../src/lib/daemon/state-inspection.js';
import { emptyTables, applyChanges } from '../../../src/lib/runtime/state.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { changesAt } from '../../support/state-workload.js';
import { temporaryDirectory } from '../../support/temporary.js';

const LOOKS = 40;

describe('the inspection of state', () => {
  const directory = temporaryDirectory();
  let store: FileStateStore;
  let tables = emptyTables();
  let written = 0;

  beforeEach(async () => {
    store = new FileStateStore({ clock: systemClock, log: silentLog }, { directory: directory() });
    tables = await store.load();
    written = 0;
  });
  afterEach(() => store.close());

  const append = async () => {
    const changes = changesAt(written++);
    applyChanges(tables, changes);
    await store.append(changes);
  };
  const inspect = (confirmed = async () => store.status().journalRecords) =>
    inspectState(directory(), { fs: systemFs, clock: systemClock, confirmed });

  it('never takes a writer for damage', async () => {
    let over = false;
    const writing = (async () => {
      while (!over) {
        for (let count = 0; count < 5; count++) await append();
        await store.snapshot(tables, Date.now());
      }
    })();
    try {
      // As long as the writer takes for as many records: on a busy disk a look is quicker than a snapshot.
      for (let count = 0; count < LOOKS || written <= LOOKS; count++) {
        const { previousProblem } = await inspect();
        assert.equal(previousProblem, null);
      }
    } finally {
      over = true;
      await writing;
    }
    assert.ok(written > LOOKS, 'it was written meanwhile');
  });

  it('changes nothing, not even an unfinished write at the end', async () => {
    for (let count = 0; count < 3; count++) await append();
    const journal = join(directory(), 'node-runtime.v1.journal');
    const torn = Buffer.concat([await readFile(journal), Buffer.from('0123abcd 4 ')]);
    await writeFile(journal, torn);
    const { records, journalBytes } = await inspect();
    assert.deepEqual([records, journalBytes], [3, torn.length - '0123abcd 4 '.length]);
    assert.deepEqual(await readFile(journal), torn);
  });

  it('finds a journal that holds less than was confirmed, and one of an older day', async () => {
    for (let count = 0; count < 3; count++) await append();
    const journal = join(directory(), 'node-runtime.v1.journal');
    const older = join(directory(), 'older');
    await copyFile(journal, older);
    await append();
    await rejectsWith(
      inspect(async () => 5),
      'STATE_CORRUPT',
    );
    await copyFile(older, journal);
    await rejectsWith(inspect(), 'STATE_CORRUPT');
  });
});
