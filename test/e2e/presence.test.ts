/** Whether a node is there, and how it went: what `nodes list` says after each way to go and come, and what knowing it costs. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite as newInvite } from '../support/test-node.js';

const BACK_WITHIN_MS = 35_000;
/** Loss is noticed by the connection, not by silence. */
const SEEN_WITHIN_MS = 5000;

describe('presence', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let pi: RunningProcess;
  let nas: RunningProcess;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    [pi, nas] = await Promise.all([sandbox.joinNode('pi'), sandbox.joinNode('nas')]);
  });
  after(() => sandbox.dispose());

  const listed = async (): Promise<Document> => {
    const { code, document } = await sandbox.json(['nodes', 'list']);
    assert.equal(code, 0);
    assertDocument(document);
    return document;
  };
  const presences = async () =>
    Object.fromEntries(
      (await listed()).nodes.map(({ name, presence, presenceReason }: Document) => [
        name,
        presenceReason === null ? presence : `${presence} (${presenceReason})`,
      ]),
    ) as Record<string, string>;

  it('knows a machine that paired and never connected', async () => {
    const { link } = await sandbox.invite(['--name', 'shy']);
    assert.equal((await sandbox.json(['node', 'pair', link], { home: 'shy' })).code, 0);
    assert.deepEqual(await presences(), { nas: 'online', pi: 'online', shy: 'never-seen' });
    const { summary } = await listed();
    assert.deepEqual([summary.total, summary.online, summary.late], [3, 2, 0]);
    const { stdout } = await sandbox.run(['nodes', 'list']);
    assert.match(stdout, /^nas +online .*\npi +online .*\nshy +never seen /m);
  });

  it('tells one that said goodbye from one that vanished', async () => {
    assert.equal((await pi.end('SIGTERM')).code, 143);
    await nas.end('SIGKILL');
    await Promise.all([
      daemon.nodeWhen('pi', 'offline', SEEN_WITHIN_MS),
      daemon.nodeWhen('nas', 'offline', SEEN_WITHIN_MS),
    ]);
    assert.deepEqual(await presences(), { nas: 'offline (lost)', pi: 'offline (stopped)', shy: 'never-seen' });
    const { stdout } = await sandbox.run(['nodes', 'list']);
    assert.match(stdout, /^nas +offline \(lost\) .*\npi +offline \(stopped\) /m);
  });

  it('keeps what it knows over a restart, clean or not', async () => {
    const before = await presences();
    assert.equal((await sandbox.json(['daemon', 'stop'])).code, 0);
    await daemon.startAgain();
    assert.deepEqual(await presences(), before);
    [pi, nas] = await Promise.all([sandbox.startNode('pi'), sandbox.startNode('nas')]);
    assert.deepEqual(await presences(), { nas: 'online', pi: 'online', shy: 'never-seen' });
    await daemon.kill();
    await daemon.startAgain();
    assert.equal((await presences())['shy'], 'never-seen');
  });

  it('sees the nodes again by themselves after a crash of the daemon', async () => {
    const back = ['pi', 'nas'].map((name) => daemon.nodeWhen(name, 'online', BACK_WITHIN_MS));
    await Promise.all(back);
    await Promise.all([pi, nas].map((node) => node.line(/^● Online again after/m)));
    for (const node of [pi, nas]) assert.match(node.stderr, /^○ Offline: .*; it keeps trying$/m);
  });
});

describe('heartbeats', function () {
  this.timeout(60_000);
  const HEARTBEAT_MS = 100;
  const HEARTBEATS = 15;
  let sandbox: Sandbox;
  let target: TestDaemon;

  before(async () => {
    sandbox = new Sandbox();
    target = await startTestDaemon({ heartbeatMs: HEARTBEAT_MS });
  });
  after(async () => {
    await target.dispose();
    await sandbox.dispose();
  });

  it(`write nothing: after ${HEARTBEATS} of them every file of daemon and node is as it was`, async () => {
    const { link } = await newInvite(target, { name: 'idle' });
    await sandbox.startNode('idle', [link]);
    const lastSeen = () => target.daemon.runtime.listNodes().nodes[0]!.lastSeenAt;
    // The first of them shows that registration is over and written.
    const first = lastSeen();
    await eventually(() => lastSeen() !== first, 'a heartbeat');
    const directories = [target.options.stateDirectory, join(sandbox.home('idle'), 'state')];
    const before = directories.map(filesOf);
    assert.ok(before.every((files) => files.size > 2));
    const seen = new Set<string | null>();
    await eventually(() => seen.add(lastSeen()).size > HEARTBEATS, `${HEARTBEATS} heartbeats`);
    assert.deepEqual(directories.map(filesOf), before);
  });
});

/** Size and time of change of every file, to the nanosecond. */
function filesOf(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return new Map(
    names.map((name) => {
      const { size, mtimeNs } = statSync(join(directory, name), { bigint: true });
      return [name, `${size} ${mtimeNs}`];
    }),
  );
}
