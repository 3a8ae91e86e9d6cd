import assert from 'node:assert/strict';
import { assertDocument, assertLine } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document, type RunningProcess } from '../support/palyra.js';

/** Restarts of the daemon under a watching command; a campaign takes more. */
const RESTARTS = Number(process.env['PALYRA_RESTARTS'] ?? 3);

function linesOf(running: RunningProcess): Document[] {
  return running.stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe('following the fleet', function () {
  this.timeout(60_000 + RESTARTS * 20_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    await sandbox.joinNode('pi');
  });
  after(() => sandbox.dispose());

  const watch = (...args: string[]) => sandbox.spawn([...args, '--json'], { timeoutMs: Infinity });

  it(`nodes list --watch --json survives ${RESTARTS} restarts without gap, duplicate or silent end`, async () => {
    const watching = watch('nodes', 'list', '--watch');
    await eventually(() => linesOf(watching).length > 0, 'the snapshot');
    for (let round = 1; round <= RESTARTS; round++) {
      if (round % 2 === 0) await daemon.kill();
      else assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
      await daemon.startAgain();
      await eventually(
        () => linesOf(watching).filter(({ type }) => type === 'resync').length === round,
        `resync ${round}`,
        20_000,
      );
      for (const word of [`round=${round}`, `again=${round}`]) {
        assert.equal((await sandbox.run(['nodes', 'label', 'pi', word])).code, 0);
      }
      await eventually(() => linesOf(watching).some(({ node }) => node?.labels.again === `${round}`), `round ${round}`);
    }
    await daemon.nodeWhen('pi', 'online', 60_000);
    await eventually(() => linesOf(watching).findLast(({ type }) => type === 'node')?.node.presence === 'online', 'pi');
    assert.equal(watching.child.exitCode, null);
    const { code } = await watching.end('SIGINT');
    assert.equal(code, 130);

    const lines = linesOf(watching);
    for (const line of lines) assertLine('palyra.nodes.watch/v1', line);
    const told = lines.filter(({ type }) => type !== 'ping');
    const positions = told.map(({ id }) => (id as string).split('-').map(Number) as [number, number]);
    positions.slice(1).forEach(([boot, seq], index) => {
      const [bootBefore, seqBefore] = positions[index]!;
      assert.ok(boot > bootBefore || (boot === bootBefore && seq > seqBefore), `${boot}-${seq} is out of order`);
    });
    assert.deepEqual(
      told.map(({ type }) => type).filter((type) => type !== 'node'),
      ['snapshot', ...Array.from({ length: RESTARTS }, () => 'resync')],
    );
    const rounds = told.filter(({ change }) => change === 'labels').map(({ node }) => node.labels);
    assert.deepEqual(
      rounds.map(({ round, again }: Record<string, string>) => `${round}/${again ?? 0}`),
      Array.from({ length: RESTARTS }, (_, index) => [`${index + 1}/${index}`, `${index + 1}/${index + 1}`]).flat(),
    );
    const { document } = await sandbox.json(['nodes', 'list']);
    const seen = told.at(-1).node;
    assert.deepEqual(
      [seen.name, seen.presence, seen.labels],
      [document.nodes[0].name, document.nodes[0].presence, document.nodes[0].labels],
    );
  });

  it('events --json tells everything, and --from goes on after a line', async () => {
    const following = watch('events');
    await eventually(() => linesOf(following).length > 0, 'the snapshot');
    await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=hello']);
    await eventually(() => linesOf(following).some(({ state }) => state === 'succeeded'), 'the end of the dispatch');
    await following.end('SIGTERM');
    const lines = linesOf(following);
    for (const line of lines) assertLine('palyra.events/v1', line);
    const events = lines.filter(({ type }) => type === 'dispatch');
    assert.ok(!following.stdout.includes('hello'));
    const again = watch('events', '--from', events[0].id);
    await eventually(() => linesOf(again).length >= events.length - 1, 'the events after the first');
    const { code } = await again.end('SIGTERM');
    assert.equal(code, 143);
    const { seq } = events[0] as { seq: number };
    assert.deepEqual(
      linesOf(again)
        .slice(0, events.length - 1)
        .map((line) => line.seq),
      events.slice(1).map((_, index) => seq + 1 + index),
    );
    const wrong = await sandbox.json(['events', '--from', '812']);
    assert.equal(wrong.code, 2);
  });

  it('nodes watch tells people', async () => {
    const watching = sandbox.spawn(['nodes', 'watch'], { timeoutMs: Infinity });
    await eventually(() => watching.stdout.includes('pi '), 'the table');
    await sandbox.run(['nodes', 'label', 'pi', 'site=lab']);
    await eventually(() => /^\d\d:\d\d:\d\d {2}pi {2}labels .*site=lab/m.test(watching.stdout), 'the change');
    assert.match(watching.stdout, /^NAME +STATUS/);
    assert.equal((await watching.end('SIGINT')).code, 130);
  });

  it('nodes label and nodes rename change what an owner says, once', async () => {
    const labelled = await sandbox.json(['nodes', 'label', 'pi', 'room=2', 'site-']);
    assertDocument(labelled.document);
    assert.deepEqual([labelled.code, labelled.document.changed], [0, true]);
    assert.equal(labelled.document.node.labels.room, '2');
    assert.equal(labelled.document.node.labels.site, undefined);
    assert.equal((await sandbox.json(['nodes', 'label', 'pi', 'room=2'])).document.changed, false);
    assert.equal((await sandbox.run(['nodes', 'label', 'pi', 'room'])).code, 2);

    const renamed = await sandbox.json(['nodes', 'rename', 'pi', 'pi-lab']);
    assertDocument(renamed.document);
    assert.deepEqual([renamed.code, renamed.document.node.name], [0, 'pi-lab']);
    assert.equal((await sandbox.run(['nodes', 'show', 'pi'])).code, 3);
    assert.equal((await sandbox.run(['nodes', 'rename', 'pi-lab', 'no spaces'])).code, 2);
    const invoked = await sandbox.run(['nodes', 'invoke', 'pi-lab', 'echo', 'text=x']);
    assert.equal(invoked.code, 0);
    const back = await sandbox.run(['nodes', 'rename', 'pi-lab', 'pi']);
    assert.match(back.stderr, /✓ pi-lab is now pi/);
  });

  it('nodes wait tells when it is so, and 8 when it was not in time', async () => {
    const now = await sandbox.json(['nodes', 'wait', 'pi', '--for', 'online']);
    assertDocument(now.document);
    assert.deepEqual([now.code, now.document.met, now.document.node], [0, true, 'pi']);
    const late = await sandbox.json(['nodes', 'wait', 'pi', '--for', 'offline', '--timeout', '500ms']);
    assertDocument(late.document);
    assert.deepEqual([late.code, late.document.met], [8, false]);
    assert.ok(late.document.waitedMs >= 450);
    assert.equal((await sandbox.run(['nodes', 'wait', 'nobody', '--for', 'online'])).code, 3);
    assert.equal((await sandbox.run(['nodes', 'wait', 'pi'])).code, 2);
    const paired = sandbox.run(['nodes', 'wait', 'nas', '--for', 'paired']);
    await sandbox.joinNode('nas');
    assert.equal((await paired).code, 0);
    const removed = sandbox.run(['nodes', 'wait', 'nas', '--for', 'removed']);
    assert.equal((await sandbox.run(['nodes', 'remove', 'nas', '--yes'])).code, 0);
    assert.equal((await removed).code, 0);
  });

  it('does not hide that there is no daemon', async () => {
    const nowhere = { home: 'nowhere' };
    for (const args of [['events'], ['nodes', 'watch'], ['nodes', 'wait', 'pi', '--for', 'online']]) {
      const { code, document } = await sandbox.json(args, nowhere);
      assert.deepEqual([code, document.error.code], [5, 'DAEMON_NOT_RUNNING']);
    }
    const watching = watch('nodes', 'watch', '--give-up', '1s');
    await eventually(() => linesOf(watching).length > 0, 'the snapshot');
    await sandbox.run(['daemon', 'stop']);
    const { code } = await watching.finished;
    assert.equal(code, 5);
    assert.equal(linesOf(watching).at(-1).schema, 'palyra.error/v1');
  });
});
