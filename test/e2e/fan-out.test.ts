import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('one command on many nodes', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let nas: RunningProcess;

  const join = async (name: string, label: string) => {
    const { link } = await sandbox.invite(['--name', name, '--label', label]);
    return sandbox.startNode(name, [link], { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } });
  };
  const stateOf = ({ results }: Document, name: string) => {
    const result = results.find(({ node }: { node: string }) => node === name);
    return (result.dispatch?.state ?? result.error.code) as string;
  };

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    await join('pi-1', 'site=lab');
    await join('pi-2', 'site=lab');
    nas = await join('nas', 'site=attic');
  });
  after(() => sandbox.dispose());

  it('runs on the nodes of a selector: one line a node on stdout, the story on stderr', async () => {
    const { code, stdout, stderr } = await sandbox.run(['nodes', 'invoke', '-l', 'site=lab', 'echo', 'text=hi']);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/\d+ ms/, 'N ms'))
        .sort(),
      ['✓ pi-1 · N ms · {"text":"hi"}', '✓ pi-2 · N ms · {"text":"hi"}'],
    );
    assert.equal(stderr, '2 nodes: 2 succeeded\n');
    const plain = await sandbox.run(['nodes', 'invoke', '-l', 'site!=lab', 'echo', 'text=hi', '--plain']);
    assert.match(plain.stdout, /^nas\tsucceeded\tdsp_\w+\t\{"text":"hi"\}\n$/);
  });

  it('gives one object under --json, results in the order of names', async () => {
    const { code, document } = await sandbox.json([
      'nodes',
      'invoke',
      '--all',
      'echo',
      'text=hi',
      '--max-parallel',
      '1',
    ]);
    assert.equal(code, 0);
    assertDocument(document);
    const names = document.results.map(({ node }: { node: string }) => node) as string[];
    assert.deepEqual(names, ['nas', 'pi-1', 'pi-2']);
  });

  it('is one run a node for one key', async () => {
    const command = ['nodes', 'invoke', '--all', 'echo', 'text=once', '--idempotency-key', 'k1'];
    const idsOf = (document: Document) => document.results.map((row: Document) => row.dispatch.id) as string[];
    const [first, second] = [await sandbox.json(command), await sandbox.json(command)];
    assert.equal(new Set(idsOf(first.document)).size, 3);
    assert.deepEqual(idsOf(first.document), idsOf(second.document));
    const long = await sandbox.json(['nodes', 'invoke', '--all', 'echo', '--idempotency-key', 'x'.repeat(120)]);
    assert.deepEqual([long.code, long.document.error.code], [2, 'USAGE_INVALID']);
  });

  it('refuses what cannot be meant, before anything is sent', async () => {
    for (const [words, detail] of [
      [['-l', 'site=lab'], /missing <capability>/],
      [['pi-1'], /missing <capability>/],
      [[], /missing <node> <capability>/],
      [['-l', 'site=lab', '--all', 'echo'], /not both/],
      [['--all', 'echo', '--max-parallel', '0'], /max-parallel|greater than/],
    ] as const) {
      const { code, document } = await sandbox.json(['nodes', 'invoke', ...words]);
      assert.deepEqual([code, document.error.code], [2, 'USAGE_INVALID'], words.join(' '));
      assert.match(document.error.message, detail);
    }
    const nobody = await sandbox.json(['nodes', 'invoke', '-l', 'site=moon', 'echo']);
    assert.deepEqual([nobody.code, nobody.document.error.code], [3, 'NODE_NOT_FOUND']);
  });

  it('names what goes on after Ctrl-C, and what was never sent', async () => {
    const sleeping = ['nodes', 'invoke', '--all', 'probe.sleep', 'ms=3000', '--max-parallel', '2'];
    const open = async () => (await sandbox.json(['daemon', 'status'])).document.dispatches.open as number;
    const people = sandbox.spawn(sleeping);
    await eventually(async () => (await open()) === 2, 'two at work');
    const { code, stderr, stdout } = await people.end('SIGINT');
    assert.equal(code, 130);
    assert.equal(stdout, '');
    assert.match(stderr, /Still running on nas as dsp_\w+; it was not cancelled\.\nStill running on pi-1 as dsp_/);
    assert.match(stderr, /Not sent: pi-2\n$/);
    await eventually(async () => (await open()) === 0, 'they are over', 20_000);
    const program = sandbox.spawn([...sleeping, '--json']);
    await eventually(async () => (await open()) === 2, 'two at work again');
    const ended = await program.end('SIGINT');
    assert.equal(ended.code, 130);
    const document = JSON.parse(ended.stdout);
    assertDocument(document);
    assert.match(stateOf(document, 'nas'), /delivered|running/);
    assert.equal(stateOf(document, 'pi-2'), 'CANCELLED');
    await eventually(async () => (await open()) === 0, 'they are over', 20_000);
  });

  it('tells what would happen and sends nothing', async () => {
    const before = (await sandbox.json(['dispatches', 'list'])).document.dispatches.length as number;
    const { code, document } = await sandbox.json(['nodes', 'invoke', '--all', 'echo', 'text=x', '--dry-run']);
    assert.equal(code, 0);
    assertDocument(document);
    assert.deepEqual(
      document.nodes.map((row: Document) => [row.node, row.would, row.asks]),
      [
        ['nas', 'run', 'nobody'],
        ['pi-1', 'run', 'nobody'],
        ['pi-2', 'run', 'nobody'],
      ],
    );
    const one = await sandbox.run(['nodes', 'invoke', 'pi-1', 'echo', 'text=x', '--dry-run']);
    assert.equal(one.stdout, 'pi-1: would run now · asks nobody · side effects: none\n');
    assert.match(one.stderr, /Nothing was sent/);
    const misfit = await sandbox.json(['nodes', 'invoke', 'pi-1', 'probe.sleep', 'ms=-4', '--dry-run']);
    assert.deepEqual([misfit.code, misfit.document.nodes[0].problem.code], [2, 'INPUT_INVALID']);
    const strange = await sandbox.json(['nodes', 'invoke', '--all', 'coffee.brew', '--dry-run']);
    assert.deepEqual([strange.code, strange.document.nodes[0].problem.code], [3, 'CAPABILITY_NOT_FOUND']);
    assert.equal((await sandbox.json(['dispatches', 'list'])).document.dispatches.length, before);
  });

  it('ends with 12 when nodes end differently, and with the common code when all fail alike', async () => {
    await nas.end('SIGTERM');
    const mixed = await sandbox.json(['nodes', 'invoke', '--all', 'echo', 'text=hi']);
    assert.equal(mixed.code, 12);
    assertDocument(mixed.document);
    assert.deepEqual([stateOf(mixed.document, 'nas'), stateOf(mixed.document, 'pi-1')], ['NODE_OFFLINE', 'succeeded']);
    const people = await sandbox.run(['nodes', 'invoke', '--all', 'echo', 'text=hi']);
    assert.match(people.stdout, /^✗ nas: .*nas is offline \(stopped.*\(NODE_OFFLINE\)$/m);
    assert.equal(people.stderr, '3 nodes: 2 succeeded, 1 did not\n');
    const alike = await sandbox.json(['nodes', 'invoke', '-l', 'site=lab', 'coffee.brew']);
    assert.equal(alike.code, 3);
    const away = await sandbox.json(['nodes', 'invoke', 'nas', 'echo', 'text=x', '--dry-run', '--queue', '1h']);
    assert.deepEqual([away.code, away.document.nodes[0].would], [0, 'hold']);
    const refused = await sandbox.json(['nodes', 'invoke', 'nas', 'echo', 'text=x', '--dry-run']);
    assert.deepEqual([refused.code, refused.document.nodes[0].problem.code], [6, 'NODE_OFFLINE']);
  });
});
