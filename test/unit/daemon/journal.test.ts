import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '../../../src/lib/base/crc32.js';
import type { Log } from '../../../src/lib/base/log.js';
import { silentLog } from '../../../src/lib/base/log.js';
import {
  FileStateStore,
  NODE_RUNTIME_JOURNAL_FILE_NAME,
  NODE_RUNTIME_PREVIOUS_FILE_NAME,
  NODE_RUNTIME_STATE_FILE_NAME,
} from '../../../src/lib/daemon/journal.js';
import { decodeSnapshot, encodeSnapshot } from '../../../src/lib/daemon/snapshot.js';
import { HandClock } from '../../support/hand-clock.js';
import { changesAt, fingerprint, fold, prefixFingerprints } from '../../support/state-workload.js';

const PREFIXES = prefixFingerprints(30);
const lists = (from: number, to: number) => Array.from({ length: to - from }, (_, offset) => changesAt(from + offset));

describe('the state store on disk', () => {
  let directory: string;
  let clock: HandClock;
  let snapshotPath: string;
  let journalPath: string;
  let previousPath: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'palyra-journal-'));
    clock = new HandClock();
    snapshotPath = join(directory, NODE_RUNTIME_STATE_FILE_NAME);
    journalPath = join(directory, NODE_RUNTIME_JOURNAL_FILE_NAME);
    previousPath = join(directory, NODE_RUNTIME_PREVIOUS_FILE_NAME);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = (log: Log = silentLog) => new FileStateStore({ clock, log }, { directory });
  const contents = async () => {
    const names = (await readdir(directory)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), 'base64')])),
    );
  };
  /** A store with a previous snapshot after 3 lists, a snapshot after 6 and a journal up to 9. */
  const fill = async () => {
    const store = open();
    await store.load();
    for (const [from, to] of [
      [0, 3],
      [3, 6],
      [6, 9],
    ] as const) {
      for (const changes of lists(from, to)) await store.append(changes);
      if (to < 9) await store.snapshot(fold(lists(0, to)), clock.now());
    }
    await store.close();
  };
  const assertLoads = async (count: number) => {
    const store = open();
    assert.equal(fingerprint(await store.load()), PREFIXES[count]);
    await store.close();
  };
  const assertRefused = async (
    reason: string,
    check: (error: { detail: string; details: Record<string, unknown> }) => void,
  ) => {
    const before = await contents();
    await assert.rejects(
      open().load(),
      (error: { reason: string; detail: string; details: Record<string, unknown> }) => {
        assert.equal(error.reason, reason);
        check(error);
        return true;
      },
    );
    assert.deepEqual(await contents(), before, 'nothing was changed');
  };

  it('keeps three files, all 0600: the snapshot, its predecessor and the journal since', async () => {
    await fill();
    assert.deepEqual(
      (await readdir(directory)).sort(),
      [NODE_RUNTIME_JOURNAL_FILE_NAME, NODE_RUNTIME_STATE_FILE_NAME, NODE_RUNTIME_PREVIOUS_FILE_NAME].sort(),
    );
    for (const name of await readdir(directory)) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
    assert.equal(fingerprint(decodeSnapshot(await readFile(previousPath), 'p').tables), PREFIXES[3]);
    assert.equal(fingerprint(decodeSnapshot(await readFile(snapshotPath), 's').tables), PREFIXES[6]);
    const store = open();
    assert.equal(fingerprint(await store.load()), PREFIXES[9]);
    assert.equal(store.status().journalRecords, 3);
    await store.close();
  });

  it('writes a snapshot as two JSON documents, header and tables', async () => {
    await fill();
    const [header, body, end] = (await readFile(snapshotPath, 'utf8')).split('\n');
    const { format, version, seq, writtenAt } = JSON.parse(header as string) as Record<string, unknown>;
    assert.deepEqual([format, version, seq, writtenAt], ['palyra.node-runtime', 1, 6, clock.now()]);
    const tables = JSON.parse(body as string) as { tombstones: Record<string, unknown> };
    assert.deepEqual(tables.tombstones['dsp_0_a'], { id: 'dsp_0_a', at: -1 });
    assert.equal(end, '');
  });

  it('reads tables that an older snapshot lacks as empty', () => {
    const body = '{"tombstones":{"dsp_1":{"id":"dsp_1","at":1}}}\n';
    const header = {
      format: 'palyra.node-runtime',
      version: 1,
      seq: 7,
      crc: 8,
      writtenAt: 9,
      bodySha256: createHash('sha256').update(body).digest('hex'),
    };
    const headerCrc = crc32(Buffer.from(JSON.stringify(header)))
      .toString(16)
      .padStart(8, '0');
    const bytes = Buffer.from(`${JSON.stringify({ ...header, headerCrc })}\n${body}`);
    const { tables, link, writtenAt } = decodeSnapshot(bytes, 'f');
    assert.deepEqual([link, writtenAt], [{ seq: 7, crc: 8 }, 9]);
    assert.equal(tables.tombstones.get('dsp_1')?.at, 1);
    assert.equal(tables.nodes.size, 0);
  });

  it('finds a cut at any offset, a changed bit in any byte and anything added to a snapshot', () => {
    const bytes = encodeSnapshot({ tables: fold(lists(0, 20)), link: { seq: 20, crc: 0xfedcba98 }, writtenAt: 1 });
    const refused = (damaged: Buffer, what: string) =>
      assert.throws(
        () => decodeSnapshot(damaged, 'the.json'),
        (error: { reason: string; details: { file: string; offset?: number } }) =>
          (error.reason === 'STATE_CORRUPT' || error.reason === 'STATE_VERSION_UNSUPPORTED') &&
          error.details.file === 'the.json',
        what,
      );
    for (let at = 0; at < bytes.length; at++) {
      refused(bytes.subarray(0, at), `cut at ${at}`);
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] as number) ^ (1 << bit);
        refused(damaged, `bit ${bit} of byte ${at}`);
      }
    }
    for (const added of ['\n', ' ', '{}']) refused(Buffer.concat([bytes, Buffer.from(added)]), 'added');
  });

  it('refuses a damaged snapshot naming file and offset, though the previous one is whole', async () => {
    await fill();
    const bytes = await readFile(snapshotPath);
    const body = bytes.indexOf('\n') + 1;
    bytes[body + 30] = 0x7a;
    await writeFile(snapshotPath, bytes);
    await assertRefused('STATE_CORRUPT', ({ details }) =>
      assert.deepEqual(details, { file: snapshotPath, offset: body }),
    );
  });

  it('refuses a damaged journal naming file and offset', async () => {
    await fill();
    const bytes = await readFile(journalPath);
    const second = bytes.indexOf('\n') + 1;
    bytes[second + 30] = 0x7a;
    await writeFile(journalPath, bytes);
    await assertRefused('STATE_CORRUPT', ({ details }) =>
      assert.deepEqual(details, { file: journalPath, offset: second }),
    );
  });

  it('refuses a snapshot of a newer version', async () => {
    await writeFile(snapshotPath, '{"format":"palyra.node-runtime","version":2,"anything":"else"}\nbinary', {
      mode: 0o600,
    });
    await assertRefused('STATE_VERSION_UNSUPPORTED', ({ details }) =>
      assert.deepEqual(details, { file: snapshotPath, version: 2, supported: 1 }),
    );
  });

  it('refuses a file that is not a snapshot', async () => {
    for (const text of ['', '{}', '{}\n', 'null\n', '[]\n{}', 'x'.repeat(100)]) {
      await writeFile(snapshotPath, text, { mode: 0o600 });
      await assertRefused('STATE_CORRUPT', ({ details }) => assert.equal(details['offset'], 0));
    }
  });

  it('refuses when the snapshot or the journal was taken away, or belongs to another generation', async () => {
    await fill();
    const [snapshot, previous, journal] = await Promise.all(
      [snapshotPath, previousPath, journalPath].map((path) => readFile(path)),
    );
    await unlink(journalPath);
    await assertRefused('STATE_CORRUPT', ({ detail }) => assert.match(detail, /missing/));
    await writeFile(journalPath, journal as Buffer, { mode: 0o600 });
    await writeFile(snapshotPath, previous as Buffer);
    await assertRefused('STATE_CORRUPT', ({ details }) => assert.equal(details['file'], journalPath));
    await unlink(snapshotPath);
    await assertRefused('STATE_CORRUPT', ({ detail }) => assert.match(detail, /missing/));
    await unlink(previousPath);
    await assertRefused('STATE_CORRUPT', ({ details }) => assert.equal(details['file'], journalPath));
    await writeFile(snapshotPath, snapshot as Buffer, { mode: 0o600 });
    await assertLoads(9);
  });

  it('refuses a journal whose records do not fit the tables', async () => {
    const store = open();
    await store.load();
    await store.append([{ op: 'set', table: 'tombstones', key: 'none', row: { at: 1 } }]);
    await store.close();
    await assertRefused('STATE_CORRUPT', ({ details }) => assert.deepEqual(details, { file: journalPath, record: 1 }));
  });

  it('cuts off an unfinished write, says so once, and goes on', async () => {
    await fill();
    const bytes = await readFile(journalPath);
    await writeFile(journalPath, Buffer.concat([bytes, Buffer.from('0badc0de 10 0badc0de {"chan')]));
    const warnings: unknown[] = [];
    const log: Log = { ...silentLog, warn: (_message, fields) => warnings.push(fields), scope: () => log };
    const store = open(log);
    assert.equal(fingerprint(await store.load()), PREFIXES[9]);
    assert.deepEqual(warnings, [{ file: journalPath, offset: bytes.length, bytes: 27 }]);
    assert.deepEqual(await readFile(journalPath), bytes);
    await store.append(changesAt(9));
    await store.close();
    await assertLoads(10);
  });

  it('removes what a crashed snapshot left, and nothing else', async () => {
    await fill();
    await writeFile(`${snapshotPath}.0123456789ab.tmp`, 'half', { mode: 0o600 });
    await writeFile(join(directory, 'other.tmp'), 'not ours', { mode: 0o600 });
    const store = open();
    await store.load();
    await store.close();
    const names = await readdir(directory);
    assert.equal(names.length, 4);
    assert.ok(names.includes('other.tmp'));
  });

  it('refuses links and files that others can read, and writes nothing through them', async () => {
    await fill();
    await chmod(journalPath, 0o644);
    await assertRefused('STATE_NOT_OWNED', ({ details }) => assert.equal(details['path'], journalPath));
    await chmod(journalPath, 0o600);
    const victim = join(directory, 'victim');
    await writeFile(victim, '', { mode: 0o600 });
    for (const path of [journalPath, snapshotPath]) {
      const bytes = await readFile(path);
      await unlink(path);
      await symlink(victim, path);
      await assertRefused('STATE_NOT_OWNED', ({ details }) => assert.equal(details['path'], path));
      await unlink(path);
      await writeFile(path, bytes, { mode: 0o600 });
    }
    assert.equal((await stat(victim)).size, 0);
  });

  it('wants a snapshot when the journal is old or long, and not again while the last try is fresh', async () => {
    const store = open();
    const tables = await store.load();
    const later = clock.now() + 10 * 60_000 + 1;
    assert.equal(store.wantsSnapshot(later), false, 'nothing to save');
    await store.append(changesAt(0));
    assert.equal(store.wantsSnapshot(clock.now()), false);
    assert.equal(store.wantsSnapshot(later), true);
    assert.equal(store.wantsSnapshot(clock.now() - 24 * 3_600_000), true, 'the clock was set back');
    const snapshot = store.snapshot(tables, later);
    assert.equal(store.wantsSnapshot(later), false, 'one is being written');
    await snapshot;
    assert.equal(store.wantsSnapshot(later), false);
    const id = 'x'.repeat(1_000_000);
    for (let n = 0; n < 9; n++)
      await store.append([{ op: 'put', table: 'tombstones', key: `${n}`, row: { id, at: n } }]);
    assert.equal(store.wantsSnapshot(later), true);
    await store.close();
  });
});
