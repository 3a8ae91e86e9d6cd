/** `palyra daemon status --deep`: a daemon that is well, and daemons whose files somebody damaged while they run. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadQuiche } from '../../src/lib/quic/native.js';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const CHECKS = [
  'daemon.answers',
  'daemon.loop',
  'daemon.memory',
  'daemon.state',
  'daemon.storage',
  'daemon.disk',
  'daemon.audit',
  'daemon.public',
  'daemon.nodes',
  'daemon.console',
  'daemon.quic',
  'daemon.queues',
  'daemon.certificates',
];
/** On a machine that has other work. */
const MEANWHILE_SLOW = ['daemon.answers', 'daemon.loop'];

describe('daemon status --deep', function () {
  this.timeout(120_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let snapshot: string;
  let journal: string;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    ({ snapshot, journal } = daemon.files);
    await daemon.pair('pi');
  });
  after(() => sandbox.dispose());

  const deep = async () => {
    const { code, document } = await sandbox.json(['daemon', 'status', '--deep']);
    assertDocument(document);
    const found = (document.checks as Document[]).filter(
      ({ id, status }) => status !== 'pass' && status !== 'skip' && !MEANWHILE_SLOW.includes(id as string),
    );
    return { code, document, found };
  };
  const isWell = async () => {
    const { code, found } = await deep();
    assert.deepEqual([code, found], [0, []]);
  };
  const finds = async (id: string, pattern: RegExp) => {
    const { code, document, found } = await deep();
    assert.deepEqual([code, found.map((check) => [check.id, check.status])], [1, [[id, 'fail']]]);
    assert.match(found[0].detail, pattern);
    assert.ok(found[0].fix.length > 0);
    assert.equal(document.running, true);
  };
  const restart = async () => {
    const { code, document } = await sandbox.json(['daemon', 'restart']);
    assert.equal(code, 0, JSON.stringify(document));
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(
      nodes.map(({ name, trust }) => [name, trust]),
      [['pi', 'paired']],
    );
  };

  it('passes all of it when the daemon is well, and says so to people', async () => {
    const { code, document } = await deep();
    assert.equal(code, 0);
    assert.deepEqual(
      document.checks.map(({ id }: Document) => id),
      CHECKS,
    );
    const quic = document.checks.find(({ id }: Document) => id === 'daemon.quic');
    const served = await loadQuiche().then(
      () => true,
      () => false,
    );
    assert.equal(quic.status, served ? 'pass' : 'skip', quic.detail);
    await isWell();
    const { eventLoop, memory } = document.vitals;
    assert.ok(eventLoop.measuredMs >= 240 && eventLoop.maxMs >= eventLoop.p50Ms, JSON.stringify(eventLoop));
    assert.ok(memory.rssBytes > memory.heapUsedBytes && memory.heapLimitBytes > memory.heapUsedBytes);
    const people = await sandbox.run(['daemon', 'status', '--deep']);
    assert.equal(people.code, 0);
    assert.match(people.stdout, /^(✓ ok {3}|! warn )its event loop was at most \d+ ms late within \d+ ms/m);
    assert.match(people.stdout, /^✓ ok {3}the daemon uses \d+ MB, its heap \d+ MB of \d+ MB$/m);
    assert.match(people.stdout, /^● running/m);
    assert.match(people.stdout, /^✓ ok {3}snapshot and journal \(\d+ records\) are whole$/m);
    assert.match(people.stdout, /^✓ ok {3}the port for nodes answers at 127\.0\.0\.1:\d+$/m);
  });

  it('says nothing of it without being asked', async () => {
    const { code, document } = await sandbox.json(['daemon', 'status']);
    assertDocument(document);
    assert.deepEqual([code, 'checks' in document, 'vitals' in document], [0, false, false]);
  });

  it('finds a changed byte in the journal, which a restart writes anew', async () => {
    flipByte(journal, 120);
    await finds('daemon.state', /node-runtime\.v1\.journal at byte \d+/);
    const people = await sandbox.run(['daemon', 'status', '--deep']);
    assert.equal(people.code, 1);
    assert.match(people.stdout, /^✗ fail another start could not read the state: .* → Keep it running/m);
    await restart();
    await isWell();
  });

  it('finds a changed byte in the snapshot; afterwards the one before it is only a warning', async () => {
    flipByte(snapshot, 400);
    await finds('daemon.state', /node-runtime\.v1\.json at byte \d+/);
    await restart();
    const { code, found } = await deep();
    assert.deepEqual([code, found.map(({ id, status }) => [id, status])], [0, [['daemon.state', 'warn']]]);
    await restart();
    await isWell();
  });

  it('finds a journal and a snapshot that are gone, and both come back', async () => {
    await sandbox.invite();
    rmSync(journal);
    await finds('daemon.state', /journal at byte 0: it is missing/);
    await restart();
    rmSync(snapshot);
    await finds('daemon.state', /json at byte 0: it is missing/);
    await restart();
    await isWell();
  });

  it('finds a journal that is older than what the daemon has confirmed', async () => {
    await sandbox.invite();
    const before = readFileSync(journal);
    await sandbox.invite();
    writeFileSync(journal, before);
    await finds('daemon.state', /records, but the daemon confirmed \d+/);
    await restart();
    await isWell();
  });

  it('finds a changed byte in the audit log', async () => {
    const directory = join(daemon.stateDirectory, 'audit');
    const [name] = readdirSync(directory);
    flipByte(join(directory, name!), 60);
    await finds('daemon.audit', /audit log was changed or damaged at line 1/);
  });

  it('has nothing to look at when the daemon does not run', async () => {
    assert.equal((await sandbox.json(['daemon', 'stop'])).code, 0);
    const { code, document } = await sandbox.json(['daemon', 'status', '--deep']);
    assertDocument(document);
    assert.deepEqual([code, document.running, 'checks' in document], [5, false, false]);
  });

  it('is about this machine and about no other', async () => {
    const { code, document } = await sandbox.json(['daemon', 'status', '--deep', '--daemon', 'https://nas.lan:7443']);
    assert.deepEqual([code, document.error.code], [2, 'USAGE_INVALID']);
  });
});

/** In place, as a disk that goes bad does it: the file that the daemon has open is the one that changes. */
function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}
