import assert from 'node:assert/strict';
import { assertDocument, assertLine } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { eventually } from '../support/eventually.js';
import { stepByStep } from '../support/step-by-step.js';

describe('the care of a fleet', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let pi: RunningProcess;
  let place: string;

  const linesOf = ({ stdout }: RunningProcess) =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type !== 'ping');
  const statusOf = async (name: string) => {
    const { nodes } = (await sandbox.json(['nodes', 'list'])).document;
    return nodes.find((node: Document) => node.name === name)?.presence as string | undefined;
  };

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    place = new URL(started.urls.public).host;
    pi = await sandbox.joinNode('pi');
    await sandbox.joinNode('nas');
  });
  after(() => sandbox.dispose());

  it('revokes only when told so twice: refused at once, shown as revoked, its name kept', async () => {
    const unsure = await sandbox.json(['nodes', 'revoke', 'pi']);
    assert.deepEqual([unsure.code, unsure.document.error.code], [2, 'CONFIRMATION_REQUIRED']);
    const { code, document } = await sandbox.json(['nodes', 'revoke', 'pi', '--yes']);
    assert.equal(code, 0);
    assertDocument(document);
    assert.deepEqual([document.changed, document.node.trust, document.node.presence], [true, 'revoked', 'revoked']);
    const ended = await pi.finished;
    assert.equal(ended.code, 78, ended.stderr);
    const again = await sandbox.json(['nodes', 'revoke', 'pi']);
    assert.deepEqual([again.code, again.document.changed], [0, false]);
    const list = await sandbox.run(['nodes', 'list']);
    assert.match(list.stdout, /^pi +revoked /m);
    assert.match(list.stderr, /2 nodes: 1 online, 0 offline, 1 revoked/);
    const invoked = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=x', '--queue', '1h']);
    assert.deepEqual([invoked.code, invoked.document.error.code], [7, 'NODE_NOT_TRUSTED']);
    const planned = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=x', '--dry-run']);
    assert.equal(planned.document.nodes[0].problem.code, 'NODE_NOT_TRUSTED');
    const all = await sandbox.json(['nodes', 'invoke', '--all', 'echo', 'text=x']);
    assert.deepEqual([all.code, all.document.results.length], [0, 1]);
    const refused = await sandbox.run(['node', 'run'], { home: 'pi' });
    assert.equal(refused.code, 78);
  });

  it('stays revoked over a restart of the daemon, and comes back as it was when restored', async () => {
    await daemon.kill();
    await daemon.startAgain();
    assert.equal(await statusOf('pi'), 'revoked');
    const { code, document } = await sandbox.json(['nodes', 'restore', 'pi']);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual([document.changed, document.node.trust], [true, 'paired']);
    assert.equal((await sandbox.json(['nodes', 'restore', 'pi'])).document.changed, false);
    pi = await sandbox.startNode('pi');
    const echoed = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=back']);
    assert.equal(echoed.document.dispatch.state, 'succeeded');
    await eventually(
      async () => (await sandbox.json(['node', 'status'], { home: 'pi' })).document.paired as boolean,
      'the machine knows that it is trusted again',
    );
  });

  it('restores what was removed, under another name when its own is given away', async () => {
    const { id } = (await sandbox.json(['nodes', 'remove', 'pi', '--yes'])).document.node as { id: string };
    assert.equal((await pi.finished).code, 78);
    const { link } = await sandbox.invite(['--name', 'pi']);
    await sandbox.startNode('pi-2', [link]);
    const refused = await sandbox.json(['nodes', 'restore', id]);
    assert.deepEqual([refused.code, refused.document.error.code], [78, 'NAME_TAKEN']);
    const { document } = await sandbox.json(['nodes', 'restore', id, '--name', 'old-pi']);
    assert.deepEqual([document.node.id, document.node.name], [id, 'old-pi']);
    assert.equal(await statusOf('old-pi'), 'offline');
  });

  it('prunes nobody by accident: tells first, then removes exactly those', async () => {
    const dry = await sandbox.json(['nodes', 'prune', '--not-seen-for', '1h']);
    assert.deepEqual([dry.code, dry.document.changed, dry.document.candidates], [0, false, []]);
    assertDocument(dry.document);
    const people = await sandbox.run(['nodes', 'prune', '--not-seen-for', '1h', '--apply']);
    assert.deepEqual([people.code, people.stdout, people.stderr], [0, '', 'Every node was seen since then.\n']);
    const tooShort = await sandbox.json(['nodes', 'prune', '--not-seen-for', '5m']);
    assert.deepEqual([tooShort.code, tooShort.document.error.code], [2, 'REQUEST_INVALID']);
  });

  it('lists a machine that asks, and follows the queue across a restart', async () => {
    const watch = sandbox.spawn(['approvals', 'watch', '--json'], { timeoutMs: Infinity });
    const people = sandbox.spawn(['approvals', 'watch'], { timeoutMs: Infinity });
    await eventually(() => linesOf(watch).length === 1 && people.stderr.includes('Nothing waits'), 'snapshots');
    assert.deepEqual(linesOf(watch)[0].requests, []);
    const asking = sandbox.spawn(['node', 'run', place, '--name', 'win-pc'], { home: 'win', timeoutMs: Infinity });
    await asking.line(/Waiting for a person/);
    await eventually(() => linesOf(watch).length === 2, 'the request');
    const asked = linesOf(watch)[1];
    assert.deepEqual([asked.type, asked.change, asked.request.subject.name], ['approval', 'requested', 'win-pc']);
    const list = await sandbox.run(['nodes', 'list']);
    assert.match(list.stdout, /^win-pc +asking \(PIN\) /m);
    assert.match(list.stderr, /1 asking to join → palyra approvals/);
    const { document } = await sandbox.json(['nodes', 'list']);
    assertDocument(document);
    assert.deepEqual(
      document.asking.map((row: Document) => [row.name, row.presenceReason]),
      [['win-pc', 'pin']],
    );
    assert.equal((await sandbox.json(['nodes', 'list', '--status', 'online'])).document.asking.length, 0);
    const only = await sandbox.json(['nodes', 'list', '--status', 'asking']);
    assert.deepEqual([only.document.nodes.length, only.document.asking.length], [0, 1]);
    await daemon.kill();
    await daemon.startAgain();
    await eventually(() => linesOf(watch).some(({ type }) => type === 'resync'), 'the queue again', 20_000);
    const resync = linesOf(watch).at(-1);
    assert.deepEqual([resync.reason, resync.requests.length], ['restarted', 1]);
    await eventually(() => people.stderr.includes('The queue again'), 'people see the queue again', 20_000);
    await sandbox.json(['approvals', 'reject', resync.requests[0].id, '--reason', 'no']);
    await eventually(() => linesOf(watch).at(-1).change === 'decided', 'the answer');
    assert.equal(linesOf(watch).at(-1).request.state, 'rejected');
    for (const line of linesOf(watch)) assertLine('palyra.approvals.watch/v1', line);
    await eventually(() => /request to join req_\w+ rejected/.test(people.stdout), 'people are told');
    for (const { code } of [await watch.end('SIGINT'), await people.end('SIGINT')]) assert.equal(code, 130);
  });

  it('follows dispatches, chosen as in the list', async () => {
    const all = sandbox.spawn(['dispatches', 'watch', '--json'], { timeoutMs: Infinity });
    const failed = sandbox.spawn(['dispatches', 'watch', '--state', 'failed', '--json'], { timeoutMs: Infinity });
    const elsewhere = sandbox.spawn(['dispatches', 'watch', '--node', 'old-pi'], { timeoutMs: Infinity });
    await eventually(
      () => linesOf(all).length === 1 && linesOf(failed).length === 1 && /Nothing is open/.test(elsewhere.stderr),
      'snapshots',
    );
    await daemon.nodeWhen('nas', 'online');
    const { dispatch } = (await sandbox.json(['nodes', 'invoke', 'nas', 'echo', 'text=x'])).document;
    await eventually(() => linesOf(all).at(-1).state === 'succeeded', 'the end');
    for (const line of linesOf(all)) assertLine('palyra.dispatches.watch/v1', line);
    assert.deepEqual(
      new Set(
        linesOf(all)
          .slice(1)
          .map((line) => line.dispatch),
      ),
      new Set([dispatch.id]),
    );
    const held = await sandbox.json(['nodes', 'invoke', 'old-pi', 'echo', 'text=x', '--queue', '1h', '--no-wait']);
    await eventually(() => elsewhere.stdout.includes(held.document.dispatch.id), 'the held one');
    assert.ok(!elsewhere.stdout.includes(dispatch.id));
    const late = sandbox.spawn(['dispatches', 'watch', '--json'], { timeoutMs: Infinity });
    await eventually(() => linesOf(late).length > 0, 'a snapshot');
    assert.deepEqual(
      linesOf(late)[0].dispatches.map(({ id }: Document) => id),
      [held.document.dispatch.id],
    );
    assert.equal(linesOf(failed).length, 1);
    for (const watch of [all, failed, elsewhere, late]) assert.equal((await watch.end('SIGINT')).code, 130);
    const typo = await sandbox.json(['dispatches', 'watch', '--state', 'broken']);
    assert.deepEqual([typo.code, typo.document.error.code], [2, 'USAGE_INVALID']);
  });
});
