import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { PROBE_MODULE, Sandbox, type Document } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('what runs, what ran and what could', function () {
  this.timeout(120_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;

  const start = async (...words: string[]): Promise<string> => {
    const { document } = await sandbox.json(['nodes', 'invoke', ...words, '--no-wait']);
    return document.dispatch.id as string;
  };
  const idsOf = (document: Document) => document.dispatches.map(({ id }: { id: string }) => id) as string[];

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    await sandbox.joinNode('pi-lab', { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } });
  });
  after(() => sandbox.dispose());

  it('has an empty list, which is no error', async () => {
    const { code, stdout, stderr } = await sandbox.run(['dispatches', 'list']);
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /palyra nodes invoke/);
  });

  it('shows what is open on a node, for people, for scripts and as a document', async () => {
    const done = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'echo', 'text=hi']);
    const id = await start('pi-lab', 'probe.sleep', 'ms=60000');
    const [open, all, table, plain, quiet, other] = await Promise.all([
      sandbox.json(['dispatches', 'list', '--open', '--node', 'pi-lab']),
      sandbox.json(['runs', 'list']),
      sandbox.run(['dispatches', 'list', '--since', '1h']),
      sandbox.run(['dispatches', 'list', '--plain', '--state', 'succeeded']),
      sandbox.run(['dispatches', 'list', '-q']),
      sandbox.run(['dispatches', 'list', '--capability', 'coffee.brew', '-q']),
    ]);
    for (const { code, document } of [open, all]) {
      assert.equal(code, 0);
      assertDocument(document);
    }
    assert.deepEqual(idsOf(open.document), [id]);
    assert.deepEqual(idsOf(all.document), [id, done.document.dispatch.id]);
    assert.match(table.stdout, /^ID +NODE +CAPABILITY +STATE +ASKED +TOOK +BY +ERROR\ndsp_\w+ +pi-lab +probe\.sleep /);
    assert.equal(table.stderr, '2 dispatches\n');
    assert.match(plain.stdout, /^dsp_\w+\tpi-lab\techo\tsucceeded\t[\dT:.-]+Z\t\d+\t\S+\t-\n$/);
    assert.equal(quiet.stdout, `${id}\n${String(done.document.dispatch.id)}\n`);
    assert.deepEqual([other.code, other.stdout], [0, '']);
  });

  it('goes on where a page ended', async () => {
    const first = await sandbox.json(['dispatches', 'list', '--limit', '1']);
    const next = await sandbox.json(['dispatches', 'list', '--limit', '1', '--cursor', first.document.nextCursor]);
    assert.notDeepEqual(idsOf(first.document), idsOf(next.document));
    assert.equal(next.document.nextCursor, null);
  });

  it('waits no longer than it is told to, names what is pending, and leaves it alone', async () => {
    const [id] = idsOf((await sandbox.json(['dispatches', 'list', '--open'])).document);
    const [plain, json] = await Promise.all([
      sandbox.run(['dispatches', 'wait', id!, '--timeout', '300ms']),
      sandbox.json(['dispatches', 'wait', id!.toLowerCase(), '--timeout', '300ms']),
    ]);
    assert.deepEqual([plain.code, plain.stdout], [8, '']);
    assert.match(plain.stderr, new RegExp(`is still running · ${id}`));
    assert.equal(json.code, 8);
    assertDocument(json.document);
    assert.equal(json.document.dispatch.state, 'running');
  });

  it('cancels once, and tells who waits', async () => {
    const [id] = idsOf((await sandbox.json(['dispatches', 'list', '--open'])).document);
    const waiting = sandbox.json(['dispatches', 'wait', id!]);
    const cancelled = await sandbox.json(['dispatches', 'cancel', id!]);
    assert.equal(cancelled.code, 0);
    assertDocument(cancelled.document);
    assert.equal(cancelled.document.changed, true);
    const waited = await waiting;
    assert.deepEqual([waited.code, waited.document.dispatch.state], [7, 'cancelled']);
    const [again, people] = [
      await sandbox.json(['dispatches', 'cancel', id!]),
      await sandbox.run(['runs', 'cancel', id!]),
    ];
    assert.deepEqual([again.code, again.document.changed], [0, false]);
    assert.match(people.stderr, /was already over \(cancelled\)/);
  });

  it('tells how a run ended by the exit code of wait, and everything about it by show', async () => {
    const good = await start('pi-lab', 'echo', 'text=later');
    const slow = await start('pi-lab', 'probe.sleep', 'ms=60000', '--timeout', '300ms');
    const [ok, late, shown, people] = await Promise.all([
      sandbox.run(['dispatches', 'wait', good]),
      sandbox.json(['dispatches', 'wait', slow]),
      sandbox.json(['dispatches', 'show', good.slice('dsp_'.length)]),
      sandbox.run(['runs', 'show', slow]),
    ]);
    assert.equal(ok.code, 0);
    assert.deepEqual(JSON.parse(ok.stdout), { text: 'later' });
    assert.deepEqual([late.code, late.document.dispatch.state], [10, 'timed-out']);
    assertDocument(shown.document);
    assert.deepEqual(shown.document.dispatch.input, { text: 'later' });
    assert.equal(people.code, 0);
    assert.match(people.stdout, new RegExp(`^${slow} · `));
    assert.match(people.stdout, /\n {2}input +\{ "ms": 60000 \}\n/);
  });

  it('refuses what it cannot find or read', async () => {
    for (const [args, exit, reason] of [
      [['dispatches', 'show', 'dsp_none'], 3, 'DISPATCH_NOT_FOUND'],
      [['dispatches', 'wait', 'dsp_none'], 3, 'DISPATCH_NOT_FOUND'],
      [['dispatches', 'cancel', 'dsp_none'], 3, 'DISPATCH_NOT_FOUND'],
      [['dispatches', 'list', '--node', 'nobody'], 3, 'NODE_NOT_FOUND'],
      [['dispatches', 'list', '--state', 'lost'], 2, 'USAGE_INVALID'],
      [['dispatches', 'list', '--limit', '1001'], 2, 'USAGE_INVALID'],
      [['dispatches', 'list', '--open', '--state', 'failed'], 2, 'USAGE_INVALID'],
      [['capabilities', 'show', 'coffee.brew'], 3, 'CAPABILITY_NOT_FOUND'],
    ] as const) {
      const { code, document } = await sandbox.json(args);
      assert.deepEqual([code, document.error.code], [exit, reason], args.join(' '));
      assertDocument(document);
    }
  });

  it('lists and shows capabilities of the fleet', async () => {
    const [list, table, quiet, show, people] = await Promise.all([
      sandbox.json(['capabilities', 'list', '--node', 'pi-lab']),
      sandbox.run(['capabilities', 'list']),
      sandbox.run(['capabilities', 'list', '-q', '--granted']),
      sandbox.json(['capabilities', 'show', 'system.health']),
      sandbox.run(['capabilities', 'show', 'probe.effect']),
    ]);
    assertDocument(list.document);
    assertDocument(show.document);
    assert.equal(quiet.stdout, 'echo\nprobe.effect\nprobe.sleep\nsystem.health\nsystem.identity\nsystem.which\n');
    assert.match(table.stdout, /^NAME +VERSION +EFFECTS +ASKS +REPEATABLE +NODES +SUMMARY\necho /);
    assert.equal(table.stderr, '6 capabilities\n');
    assert.deepEqual(
      show.document.offers[0].nodes.map(({ name }: { name: string }) => name),
      ['pi-lab'],
    );
    assert.match(people.stdout, /\n {2}repeatable +no: it is started at most once\n/);
  });
});
