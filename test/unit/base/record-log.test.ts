import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordLog } from '../../../src/lib/base/record-log.js';
import { crc32, crc32ByTable } from '../../../src/lib/base/crc32.js';
import { FaultFs } from '../../support/fault-fs.js';
import { HandClock } from '../../support/hand-clock.js';

describe('the record log', () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'palyra-log-'));
    path = join(directory, 'outbox.journal');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('computes the CRC-32 of gzip, natively and by table', () => {
    for (const compute of [crc32, crc32ByTable]) {
      assert.equal(compute(Buffer.from('123456789')), 0xcbf43926);
      assert.equal(compute(Buffer.alloc(0)), 0);
    }
  });

  it('writes lines a person can read, mode 0600', async () => {
    const { log } = await RecordLog.open(path);
    await log.append({ hello: 'wörld' });
    await log.append({ n: 2 });
    await log.close();
    const lines = (await readFile(path, 'utf8')).split('\n');
    assert.match(lines[0] as string, /^[0-9a-f]{8} 1 00000000 \{"hello":"wörld"\}$/);
    const first = (lines[0] as string).slice(0, 8);
    assert.match(lines[1] as string, new RegExp(`^[0-9a-f]{8} 2 ${first} \\{"n":2\\}$`));
    assert.equal(lines.length, 3);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it('opens an empty log, an existing one, and reports what it cut off', async () => {
    const first = await RecordLog.open(path);
    assert.deepEqual([first.records, first.truncatedBytes, first.log.bytes, first.log.records], [[], 0, 0, 0]);
    await Promise.all([first.log.append({ n: 1 }), first.log.append({ n: 2 })]);
    await first.log.close();
    const whole = (await stat(path)).size;
    await truncate(path, whole - 3);
    const second = await RecordLog.open(path);
    assert.deepEqual(second.records, [{ n: 1 }]);
    assert.equal(second.truncatedBytes, whole / 2 - 3);
    assert.equal((await stat(path)).size, whole / 2);
    await second.log.append({ n: 3 });
    await second.log.close();
    const third = await RecordLog.open(path);
    assert.deepEqual(third.records, [{ n: 1 }, { n: 3 }]);
    await third.log.close();
  });

  it('refuses a log with damage in the middle and leaves every byte as it is', async () => {
    const { log } = await RecordLog.open(path);
    for (let n = 0; n < 5; n++) await log.append({ n });
    await log.close();
    const bytes = await readFile(path);
    bytes[50] = 0x21;
    await writeFile(path, bytes);
    await assert.rejects(RecordLog.open(path), { reason: 'STATE_CORRUPT', details: { file: path, offset: 28 } });
    assert.deepEqual(await readFile(path), bytes);
  });

  it('refuses a missing file that must exist', async () => {
    await assert.rejects(RecordLog.open(path, { mustExist: true }), { reason: 'STATE_CORRUPT' });
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  it('starts to write at once and shares one fsync among what is appended in one turn and while it is busy', async () => {
    const fs = new FaultFs();
    const { log } = await RecordLog.open('/log', { fs });
    const before = fs.calls;
    await Promise.all(Array.from({ length: 100 }, (_, n) => log.append({ n })));
    assert.deepEqual(fs.kinds.slice(before), ['append', 'sync']);
    const busy = [log.append({ n: 100 })];
    await fs.nextCall();
    for (let n = 0; n < 50; n++) busy.push(log.append({ n }));
    await Promise.all(busy);
    assert.deepEqual(fs.kinds.slice(before + 2), ['append', 'sync', 'append', 'sync']);
    await log.close();
  });

  it('forgets what was made redundant and keeps its numbers going', async () => {
    const { log } = await RecordLog.open(path);
    for (let n = 0; n < 4; n++) await log.append({ n });
    const mark = log.mark();
    await log.append({ n: 4 });
    await log.dropUpTo(mark);
    assert.equal(log.records, 1);
    await log.append({ n: 5 });
    const second = log.mark();
    assert.deepEqual([second.records, log.records], [6, 2]);
    await log.dropUpTo(second);
    assert.deepEqual([log.records, log.bytes], [0, 0]);
    await log.dropUpTo(second);
    await log.append({ n: 6 });
    await log.close();
    const reopened = await RecordLog.open(path, { after: second.link });
    assert.deepEqual(reopened.records, [{ n: 6 }]);
    await reopened.log.close();
    await assert.rejects(
      RecordLog.open(path),
      { reason: 'STATE_CORRUPT' },
      'without its snapshot it is not a whole log',
    );
  });

  it('tries a full disk once a second, not with every append', async () => {
    const fs = new FaultFs();
    const clock = new HandClock();
    const { log } = await RecordLog.open('/log', { fs, clock });
    fs.capacity = 0;
    await assert.rejects(log.append({ n: 1 }), { reason: 'STORAGE_FULL' });
    const before = fs.calls;
    clock.advance(999);
    assert.equal(log.accepting, false);
    await assert.rejects(log.append({ n: 1 }), { reason: 'STORAGE_FULL' });
    assert.equal(fs.calls, before);
    clock.advance(1);
    assert.equal(log.accepting, true);
    await assert.rejects(log.append({ n: 1 }), { reason: 'STORAGE_FULL' });
    assert.equal(log.accepting, false);
    fs.capacity = 1_000;
    clock.advance(1_000);
    await log.append({ n: 1 });
    assert.equal(log.accepting, true);
    await log.close();
  });

  it('refuses with a record everything appended behind it, and nothing that comes after the refusal', async () => {
    const fs = new FaultFs();
    const clock = new HandClock();
    const { log } = await RecordLog.open('/log', { fs, clock });
    await log.append({ n: 0 });
    fs.faults = [{ call: fs.calls + 1, fault: 'ENOSPC' }];
    const before = fs.calls;
    const first = log.append({ n: 1 });
    await fs.nextCall();
    assert.equal(fs.calls, before + 1);
    const behind = log.append({ n: 2 });
    await assert.rejects(first, { reason: 'STORAGE_FULL' });
    await assert.rejects(behind, { reason: 'STORAGE_FULL' });
    await log.flushed();
    clock.advance(1_000);
    await log.append({ n: 3 });
    await log.close();
    const reopened = await RecordLog.open('/log', { fs });
    assert.deepEqual(reopened.records, [{ n: 0 }, { n: 3 }]);
  });

  it('refuses more than it can hold when the disk does not keep up, after it has settled what came before', async () => {
    const fs = new FaultFs();
    const clock = new HandClock();
    const { log } = await RecordLog.open('/log', { fs, clock });
    const text = 'x'.repeat(8 * 1024 * 1024);
    const settled: string[] = [];
    const appends = Array.from({ length: 10 }, () =>
      log.append({ text }).then(
        () => settled.push('confirmed'),
        (error: { reason: string }) => settled.push(error.reason),
      ),
    );
    assert.equal(log.accepting, false);
    await Promise.all(appends);
    assert.deepEqual(settled, [...Array<string>(8).fill('confirmed'), 'STORAGE_FULL', 'STORAGE_FULL']);
    await assert.rejects(log.append({ n: 1 }), { reason: 'STORAGE_FULL' }, 'built on what was refused');
    clock.advance(1_000);
    await log.append({ text: 'it goes on' });
    assert.equal(log.records, 9);
    await log.close();
  });

  it('finishes what is pending when it is closed', async () => {
    const { log } = await RecordLog.open(path);
    const appended = [log.append({ n: 1 }), log.append({ n: 2 })];
    await log.close();
    await Promise.all(appended);
    await assert.rejects(log.append({ n: 3 }), { reason: 'STORAGE_FAILED' });
    const reopened = await RecordLog.open(path);
    assert.equal(reopened.records.length, 2);
    await reopened.log.close();
  });
});
