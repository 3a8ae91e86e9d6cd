import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { BIN, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';
import { hasTmux, Terminal } from '../support/terminal-window.js';

describe('a machine that was set up anew', function () {
  this.timeout(120_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let node: RunningProcess;
  let old: Document;
  let invite: Document;

  const show = (name: string): Promise<Document> =>
    daemon.with(async (client) => (await client.showNode(name)).node as Document);
  const hold = () =>
    daemon.with((client) =>
      client.createDispatch('pi', { capability: 'echo', input: { text: 'x' }, queueMs: 3_600_000, wait: false }),
    );

  before(async () => {
    sandbox = new Sandbox();
    daemon = LiveDaemon.of(sandbox, 'daemon', await sandbox.startDaemon());
    const { link } = await sandbox.invite(['--name', 'pi', '--label', 'site=lab', '--purpose', 'weather']);
    node = await sandbox.startNode('pi', [link]);
    await daemon.with((client) => client.changeGrants('pi', { withhold: ['system.health'] }));
    old = await show('pi');
  });
  after(() => sandbox.dispose());

  it('is not let into a place where somebody works without a word: --force, or the name typed', async () => {
    const unsure = await sandbox.json(['node', 'pair', '--replace', 'pi']);
    assert.deepEqual([unsure.code, unsure.document.error.code], [78, 'REPLACED_NODE_ONLINE']);
    assert.match(JSON.stringify(unsure.document.error), /--force/);
    for (const [args, code] of [
      [['--replace', 'pi', '--force', '--uses', '2'], 'REQUEST_INVALID'],
      [['--replace', 'nobody'], 'NODE_NOT_FOUND'],
      [['--force'], 'USAGE_INVALID'],
      [['--ephemeral', '5s'], 'REQUEST_INVALID'],
    ] as const) {
      assert.equal((await sandbox.json(['node', 'pair', ...args])).document.error.code, code, args.join(' '));
    }
    const forced = await sandbox.invite(['--replace', 'pi', '--force']);
    assert.deepEqual(forced.replaces, { nodeId: old.id, name: 'pi', evenOnline: true });
    await daemon.with((client) => client.revokeInvite(forced.id as string));
  });

  it('asks on a terminal for the name of the node that works', async function () {
    if (!hasTmux) this.skip();
    const env = { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', PALYRA_HOME: sandbox.home('daemon') };
    const window = new Terminal('rejoin', [process.execPath, BIN, 'node', 'pair', '--replace', 'pi', '--no-wait'], env);
    try {
      await window.shows(/Takes the place of pi, which is online now · site=lab · "weather"/);
      await window.shows(/Type "pi" to go on:/);
      window.type('pi', 'Enter');
      await window.shows(/in place of pi, even[^]*palyra join/);
    } finally {
      window.close();
    }
    const { document } = await sandbox.json(['invites', 'list', '--open']);
    assertDocument(document);
    assert.equal(document.invites.length, 1);
    await daemon.with((client) => client.revokeInvite(document.invites[0].id as string));
  });

  it('gets an invite that names the place, and until it is used nothing happens to the old node', async () => {
    await node.end('SIGTERM');
    await daemon.nodeWhen('pi', 'offline');
    invite = await sandbox.invite(['--replace', old.id, '--ephemeral', '1h']);
    assert.deepEqual([invite.replaces.nodeId, invite.replaces.evenOnline], [old.id, false]);
    await hold();
    const table = await sandbox.run(['invites', 'list', '--open']);
    assert.match(table.stdout, /REPLACES[^]*\n\w{6} .* pi /);
    const shown = await sandbox.json(['invites', 'show', invite.id]);
    assertDocument(shown.document);
    assert.deepEqual([shown.document.invite.ephemeral, shown.document.invite.ephemeralMs], [true, 3_600_000]);
    const told = await sandbox.run(['invites', 'show', invite.id]);
    assert.match(told.stdout, /who joins +in place of pi\n +who joins +goes away when not seen for 1 h 00 min\n/);
    await daemon.kill();
    await daemon.startAgain();
    node = await sandbox.startNode('pi');
    const refused = await sandbox.json(['node', 'pair', invite.link], { home: 'early' });
    assert.deepEqual([refused.code, refused.document.error.code], [78, 'REPLACED_NODE_ONLINE']);
    assert.equal((await show('pi')).id, old.id);
    await node.end('SIGTERM');
    await daemon.nodeWhen('pi', 'offline');
  });

  it('takes name, labels, purpose and grants; the old key is refused, and what was held for it has failed', async () => {
    await hold();
    await sandbox.startNode('pi-anew', [invite.link, '--name', 'something-else']);
    const after = await show('pi');
    assert.notEqual(after.id, old.id);
    assert.deepEqual([after.labels, after.purpose], [{ site: 'lab' }, 'weather']);
    assert.ok(after.capabilities.includes('echo') && !after.capabilities.includes('system.health'));
    assert.deepEqual(after.replaces, { nodeId: old.id, name: 'pi' });
    assert.match(
      (await sandbox.run(['nodes', 'show', 'pi'])).stdout,
      new RegExp(`in place of pi · ${old.id}\n.*removed when not seen for 1 h`),
    );
    const { dispatches } = await daemon.with((client) => client.listDispatches());
    const failed = dispatches.filter(({ nodeId, state }) => nodeId === old.id && state === 'failed');
    assert.deepEqual(
      failed.map(({ error }) => error?.code),
      ['NODE_REVOKED'],
    );
    const listed = await sandbox.json(['nodes', 'list']);
    assertDocument(listed.document);
    assert.deepEqual(
      listed.document.nodes.map(({ name, ephemeralMs }: Document) => [name, ephemeralMs]),
      [['pi', 3_600_000]],
    );
    const late = await sandbox.run(['node', 'run'], { home: 'pi' });
    assert.equal(late.code, 78, late.stderr);
    await daemon.kill();
    await daemon.startAgain();
    await daemon.nodeWhen('pi', 'online');
    assert.equal((await show('pi')).id, after.id);
  });

  it('is told of in the audit log, on both sides of the change', async () => {
    const { entries } = await daemon.with((client) => client.listAudit({ limit: 200 }));
    const after = await show('pi');
    const of = (action: string, key: string) =>
      entries.find(({ action: name, target }) => name === action && key in target)?.target as Document;
    assert.equal(of('invites.create', 'replaces').replaces, old.id);
    assert.equal(of('invite.redeemed', 'replaces').replaces, old.id);
    assert.deepEqual(
      [of('pairing.issued', 'replaces').node, of('pairing.issued', 'replaces').replaces],
      [after.id, old.id],
    );
    assert.deepEqual(
      [of('node.revoked', 'replacedBy').node, of('node.revoked', 'replacedBy').replacedBy],
      [old.id, after.id],
    );
  });
});
