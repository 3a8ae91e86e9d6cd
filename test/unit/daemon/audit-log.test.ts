import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditDraft } from '../../../src/lib/base/audit-chain.js';
import { systemClock } from '../../../src/lib/base/clock.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { AuditLog } from '../../../src/lib/daemon/audit-log.js';
import { Auditor, type Attempted } from '../../../src/lib/daemon/auditor.js';
import { FaultFs } from '../../support/fault-fs.js';

const draft = (n: number): AuditDraft => ({
  at: new Date(n).toISOString(),
  actor: { kind: 'owner', name: 'tester', credential: 'local socket' },
  origin: { listener: 'local', address: 'local' },
  action: 'nodes.remove',
  target: { node: `node-${n}` },
  outcome: 'ok',
  requestId: null,
});
const attempted: Attempted = {
  actor: draft(0).actor,
  origin: draft(0).origin,
  action: 'nodes.remove',
  target: { node: 'alpha' },
};
const everything = { limit: 1000, matches: () => true };

describe('the audit log', () => {
  let directory: string;
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'palyra-audit-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const active = () => join(directory, 'audit.v1.log');
  const write = async (log: AuditLog, count: number) => {
    await Promise.all(Array.from({ length: count }, (_, index) => log.append(draft(index + 1))));
  };
  const openAuditor = (fs?: FaultFs) =>
    Auditor.open(
      { clock: systemClock, random: systemRandom, log: silentLog },
      fs === undefined ? { directory } : { directory: '/audit', fs },
    );

  it('goes on where it ended, over many files, and is read in both directions', async () => {
    let log = await AuditLog.open({ directory, maxFileBytes: 2000 });
    for (let round = 0; round < 10; round++) await write(log, 3);
    await log.close();
    log = await AuditLog.open({ directory, maxFileBytes: 2000 });
    await write(log, 1);
    assert.ok((await readdir(directory)).length >= 5);
    assert.deepEqual(await log.verify(), { ok: true, entries: 31, head: log.head, firstBad: null });
    const all = await log.list(everything);
    assert.deepEqual(
      all.entries.map(({ seq }) => seq),
      Array.from({ length: 31 }, (_, index) => 31 - index),
    );
    const page = await log.list({ ...everything, limit: 4, before: 20 });
    assert.deepEqual([page.entries.map(({ seq }) => seq), page.nextCursor], [[19, 18, 17, 16], 16]);
    const lines: number[] = [];
    for await (const line of log.lines({ after: 12, limit: 7 })) lines.push(JSON.parse(line.toString()).seq);
    assert.deepEqual(lines, [13, 14, 15, 16, 17, 18, 19]);
    await log.close();
  });

  it('notices a file that is gone', async () => {
    const log = await AuditLog.open({ directory, maxFileBytes: 2000 });
    for (let round = 0; round < 10; round++) await write(log, 3);
    const names = (await readdir(directory)).sort();
    await rm(join(directory, names[1]!));
    assert.equal((await log.verify()).ok, false);
    await log.close();
  });

  it('cuts a torn write off, wherever it was torn', async () => {
    const log = await AuditLog.open({ directory });
    await write(log, 2);
    await log.close();
    const whole = await readFile(active());
    const lengths = whole
      .toString()
      .split('\n')
      .map((line) => line.length + 1);
    for (let length = 0; length < whole.length; length++) {
      await writeFile(active(), whole.subarray(0, length));
      const opened = await AuditLog.open({ directory });
      const kept = length < lengths[0]! ? 0 : 1;
      assert.equal(opened.head.seq, kept, `cut at ${length}`);
      await opened.append(draft(4));
      assert.equal((await opened.verify()).entries, kept + 1);
      await opened.close();
    }
  });

  it('refuses to start, and changes nothing, when confirmed entries are missing, damaged or others', async () => {
    const auditor = await openAuditor();
    for (let n = 0; n < 3; n++) await auditor.around(attempted, (attempt) => attempt.begin());
    await auditor.close();
    const whole = await readFile(active());
    const cases = [whole.subarray(0, -1), whole.subarray(0, 100), Buffer.alloc(0)];
    const spoilt = Buffer.from(whole);
    spoilt[spoilt.length - 20]! ^= 1;
    for (const bytes of [...cases, spoilt]) {
      await writeFile(active(), bytes);
      await assert.rejects(openAuditor(), { reason: 'STATE_CORRUPT' });
      assert.deepEqual(await readFile(active()), bytes);
    }
    await rm(active());
    const forged = await AuditLog.open({ directory });
    await write(forged, 5);
    await forged.close();
    await assert.rejects(openAuditor(), { reason: 'STATE_CORRUPT' });
  });

  it('tells once what a killed daemon left undecided', async () => {
    const killed = await openAuditor();
    await killed.around(attempted, (attempt) => attempt.begin());
    await killed.attempt({ ...attempted, target: { node: 'undecided' } }).begin();
    const settled = killed.attempt({ ...attempted, target: { node: 'decided' } });
    await settled.begin();
    await settled.settle('ok');
    // No close: the process is gone.
    for (let start = 0; start < 2; start++) {
      const next = await openAuditor();
      const { entries } = await next.trail.list(everything);
      assert.deepEqual(
        entries.map(({ target, outcome }) => `${target['node']} ${outcome}`),
        ['undecided interrupted', 'decided ok', 'alpha ok'],
      );
      assert.equal((await next.trail.verify()).ok, true);
      await next.close();
    }
    await killed.close();
  });

  it('writes refusals of strangers at a bounded rate, and counts the others', async () => {
    const auditor = await openAuditor();
    const stranger: Attempted = { ...attempted, actor: { kind: 'anonymous', name: '', credential: 'none' } };
    for (let n = 0; n < 500; n++) await auditor.attempt(stranger).settle('UNAUTHENTICATED');
    await auditor.around(attempted, (attempt) => attempt.begin());
    assert.equal((await auditor.trail.list(everything)).entries.length, 61);
    await auditor.close();
  });

  it('does nothing that it could not tell: a full disk refuses before the deed', async () => {
    const fs = new FaultFs();
    const auditor = await openAuditor(fs);
    fs.capacity = 100;
    let done = 0;
    const deed = () =>
      auditor.around(attempted, async (attempt) => {
        await attempt.begin();
        done += 1;
      });
    await assert.rejects(deed(), { reason: 'STORAGE_FULL' });
    assert.equal(done, 0);
    fs.capacity = Infinity;
    await deed();
    assert.equal(done, 1);
    assert.deepEqual(
      (await auditor.trail.list(everything)).entries.map(({ outcome }) => outcome),
      ['ok'],
    );
  });

  it('answers a deed whose entry cannot be written with the failure, and tells of it at the next start', async () => {
    const fs = new FaultFs();
    const auditor = await openAuditor(fs);
    const deed = auditor.around(attempted, async (attempt) => {
      await attempt.begin();
      fs.capacity = 0;
    });
    await assert.rejects(deed, { reason: 'STORAGE_FULL' });
    fs.capacity = Infinity;
    const next = await openAuditor(fs.killed());
    assert.deepEqual(
      (await next.trail.list(everything)).entries.map(({ outcome }) => outcome),
      ['interrupted'],
    );
  });

  it('takes nothing with a full disk, is unharmed by it, and goes on when there is space', async () => {
    const fs = new FaultFs();
    const log = await AuditLog.open({ directory: '/audit', fs });
    await write(log, 2);
    const { head } = log;
    fs.capacity = 900;
    const refused = await Promise.allSettled([log.append(draft(3)), log.append(draft(4))]);
    for (const result of refused) assert.equal((result as PromiseRejectedResult).reason.reason, 'STORAGE_FULL');
    assert.deepEqual(log.head, head);
    fs.capacity = Infinity;
    await write(log, 1);
    assert.deepEqual([(await log.verify()).entries, (await log.verify()).ok], [3, true]);
  });

  it('never writes again after a failed fsync, and says so', async () => {
    const fs = new FaultFs();
    const log = await AuditLog.open({ directory: '/audit', fs });
    await write(log, 1);
    let fatal = '';
    log.onFatal = (error) => (fatal = error.reason);
    fs.faults = [{ call: fs.calls + 2, fault: 'EIO' }];
    await assert.rejects(log.append(draft(2)), { reason: 'STORAGE_FAILED' });
    await assert.rejects(log.append(draft(3)), { reason: 'STORAGE_FAILED' });
    assert.equal(fatal, 'STORAGE_FAILED');
  });

  it('keeps its files to their owner', async () => {
    await (await AuditLog.open({ directory })).close();
    await chmod(active(), 0o644);
    await assert.rejects(AuditLog.open({ directory }), { reason: 'STATE_NOT_OWNED' });
    await truncate(active(), 0);
  });
});
