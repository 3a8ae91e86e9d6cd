/** `daemon start --with-node`: one command, and this machine runs what it is told to; twice is no error, and another daemon's node is left alone. */
import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('this machine as a node of its own daemon', function () {
  this.timeout(120_000);
  stepByStep(this);
  let sandbox: Sandbox;
  // No session bus, whatever the machine of the test has.
  const env = { XDG_RUNTIME_DIR: '/nonexistent', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' };
  const ports = ['--port', '0', '--node-port', '0', '--console-port', '0'];
  const start = (...words: string[]) =>
    sandbox.json(['daemon', 'start', ...ports, ...words], { env, timeoutMs: 60_000 });

  before(function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    sandbox.manage('daemon');
  });
  after(() => sandbox?.dispose());

  it('is not asked for in a script, and is made when it is told to', async () => {
    const alone = await start();
    assert.equal(alone.code, 0, JSON.stringify(alone.document));
    assertDocument(alone.document);
    assert.equal(alone.document.node, null);
    const { code, document } = await start('--with-node');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual([document.changed, document.node.changed], [false, true], 'the daemon ran already');
    const { nodes } = (await sandbox.json(['nodes', 'list'])).document;
    assert.deepEqual(
      nodes.map(({ id, name, presence }: typeof document.node) => [id, name, presence]),
      [[document.node.id, document.node.name, 'online']],
    );
    const run = await sandbox.json(['nodes', 'invoke', document.node.name, 'echo', 'text=hello']);
    assert.deepEqual([run.code, run.document.dispatch.output], [0, { text: 'hello' }]);
    const { invites } = (await sandbox.json(['invites', 'list'])).document;
    assert.deepEqual(
      invites.map(({ state }: { state: string }) => state),
      ['used'],
    );
  });

  it('says so when it is one already', async () => {
    const again = await start('--with-node');
    assert.deepEqual([again.code, again.document.node.changed], [0, false], JSON.stringify(again.document));
    const people = await sandbox.run(['daemon', 'start', '--with-node'], { env, timeoutMs: 60_000 });
    assert.match(people.stderr, /Node ".*" is one already, and online/);
    assert.equal((await start('--with-node', '--no-node')).code, 2);
    const { nodes } = (await sandbox.json(['nodes', 'list'])).document;
    assert.equal(nodes.length, 1);
  });

  it('leaves a machine alone that another daemon knows', async () => {
    const { link } = await sandbox.invite(['--name', 'elsewhere']);
    assert.equal((await sandbox.run(['node', 'pair', link], { home: 'other' })).code, 0);
    sandbox.manage('other');
    const words = ['daemon', 'start', ...ports, '--with-node'];
    const refused = await sandbox.json(words, { home: 'other', env, timeoutMs: 60_000 });
    assert.deepEqual([refused.code, refused.document.error.code], [78, 'NODE_ALREADY_PAIRED']);
    const status = await sandbox.run(['daemon', 'status'], { home: 'other' });
    assert.equal(status.code, 0, 'its daemon runs all the same');
  });
});
