/** A machine is set up, sealed and copied twice; the copies join as machines of their own, with the settings of the first. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { filesBelow } from '../support/service-sandbox.js';
import { privateKeySecret, secretsBelow, textSecret } from '../support/secret-search.js';
import { stepByStep } from '../support/step-by-step.js';

describe('a golden image', function () {
  this.timeout(120_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let was: Document;
  let key: string;

  const env = { XDG_RUNTIME_DIR: '/nonexistent', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' };
  const node = (home: string, ...args: string[]) => sandbox.json(['node', ...args], { home, env, timeoutMs: 60_000 });
  const homePath = () => sandbox.home('golden');

  before(async () => {
    sandbox = new Sandbox();
    daemon = LiveDaemon.of(sandbox, 'daemon', await sandbox.startDaemon());
  });
  after(() => sandbox?.dispose());

  it('is not made of a machine that works by hand, nor without a yes', async () => {
    const { link } = await sandbox.invite(['--name', 'golden']);
    const byHand = await sandbox.startNode('golden', [link], { env });
    await sandbox.run(['nodes', 'invoke', 'golden', 'echo', 'text=hello']);
    const unasked = await node('golden', 'seal');
    assert.deepEqual([unasked.code, unasked.document.error.code], [2, 'CONFIRMATION_REQUIRED']);
    const refused = await node('golden', 'seal', '--yes');
    assert.deepEqual([refused.code, refused.document.error.code], [78, 'NODE_ALREADY_RUNNING']);
    await byHand.end('SIGTERM');
    assert.ok(existsSync(join(homePath(), 'state', 'node', 'identity.json')), 'nothing was changed');
  });

  it('keeps what was set, drops what the machine is, and says what', async function () {
    if (process.platform !== 'linux') this.skip();
    for (const words of [
      ['config', 'set', 'node.name', 'image'],
      ['node', 'capabilities', 'enable', 'system.logs'],
      ['node', 'capabilities', 'allow', 'process.run', '["uptime"]'],
    ])
      assert.equal((await sandbox.run(words, { home: 'golden', env })).code, 0, words.join(' '));
    const installed = await node('golden', 'install');
    assert.equal(installed.code, 0, JSON.stringify(installed.document));
    was = installed.document.node;
    key = readFileSync(join(homePath(), 'state', 'node', 'device.key'), 'utf8');

    const { code, document } = await node('golden', 'seal', '--yes');
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual(
      [document.changed, document.service, document.node],
      [true, 'kept', { id: was.id, name: 'golden' }],
    );
    const inside = (paths: string[]) => paths.map((path) => path.slice(homePath().length + 1));
    assert.deepEqual(
      inside(document.removed).filter((path) => !path.startsWith('state/node/outbox')),
      ['state/node/identity.json', 'state/node/device.key', 'state/logs/node.log'],
    );
    assert.match(document.removed.join(), /outbox/);
    assert.deepEqual(inside(document.kept).slice(0, 2), ['state/node/policy.json', 'config/config.toml']);
    assert.deepEqual(document.warnings, [
      'Every copy will ask for the name image (node.name); to have each take its own: palyra config unset node.name',
    ]);
    assert.deepEqual(filesBelow(homePath()).toSorted(), inside(document.kept).toSorted());
    const secrets = [privateKeySecret('the key', key), textSecret('its id', [was.id])];
    assert.deepEqual(secretsBelow(homePath(), secrets), []);
  });

  it('is sealed once', async () => {
    const { code, document } = await node('golden', 'seal');
    assert.equal(code, 0);
    assertDocument(document);
    assert.deepEqual([document.changed, document.removed, document.node], [false, [], null]);
    assert.equal((await node('golden', 'status')).document.paired, false);
    const people = await sandbox.run(['node', 'seal'], { home: 'golden', env });
    assert.match(people.stderr, /kept {5}.*policy\.json\n/);
    assert.match(people.stderr, /it can be copied as it is/);
  });

  it('becomes two machines, with its settings and without a conflict', async () => {
    const { link } = await sandbox.invite(['--uses', '2']);
    for (const home of ['one', 'two']) {
      cpSync(homePath(), sandbox.home(home), { recursive: true });
      assert.equal((await sandbox.run(['config', 'set', 'node.name', home], { home, env })).code, 0);
      await sandbox.startNode(home, [link], { env });
    }
    const { nodes } = await daemon.with((client) => client.listNodes());
    const online = nodes.filter(({ presence }: Document) => presence === 'online');
    assert.deepEqual(online.map(({ name }) => name).toSorted(), ['one', 'two']);
    assert.equal(new Set([was.id, ...online.map(({ id }) => id)]).size, 3);
    assert.equal(nodes.filter(({ presence }: Document) => presence === 'conflict').length, 0);
    for (const name of ['one', 'two']) {
      const { document } = await sandbox.json(['nodes', 'show', name]);
      assert.ok(JSON.stringify(document).includes('system.logs'), `${name} has what was switched on`);
      const { document: local } = await node(name, 'capabilities', 'list');
      assert.match(JSON.stringify(local), /uptime/);
    }
  });
});
