/** `palyra doctor` on a machine that is a node, on one that is nothing, and about another node. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadQuiche } from '../../src/lib/quic/native.js';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { codeSecret, privateKeySecret, secretsIn, textSecret } from '../support/secret-search.js';
import { stepByStep } from '../support/step-by-step.js';

const hasQuic = () =>
  loadQuiche().then(
    () => true,
    () => false,
  );

describe('doctor', function () {
  this.timeout(180_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let invite: Document;
  const env = { XDG_RUNTIME_DIR: '/nonexistent', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' };
  const on = (home: string, args: readonly string[], more: Record<string, string> = {}) =>
    sandbox.json(args, { home, env: { ...env, ...more }, timeoutMs: 60_000 });
  const statusOf = (document: Document, id: string) =>
    document.checks.find((check: { id: string }) => check.id === id)?.status;

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    invite = await sandbox.invite(['--name', 'pi-lab']);
    assert.equal((await on('pi', ['node', 'install', invite.link])).code, 0);
  });
  after(() => sandbox?.dispose());

  it('finds nothing wrong with a node that is well', async () => {
    const { code, document } = await on('pi', ['doctor']);
    assertDocument(document);
    assert.equal(code, 0, JSON.stringify(document.checks));
    assert.equal(document.ok, true);
    for (const id of ['palyra.version', 'daemon.reachable', 'daemon.clock', 'node.certificate', 'node.connection'])
      assert.equal(statusOf(document, id), 'pass', id);
    for (const id of ['service.node', 'service.version', 'state.permissions', 'state.disk', 'state.leftovers'])
      assert.equal(statusOf(document, id), 'pass', id);
    // Where the optional package is missing there is nothing to reach.
    assert.equal(statusOf(document, 'network.udp'), (await hasQuic()) ? 'pass' : 'skip');
    const people = await sandbox.run(['doctor'], { home: 'pi', env });
    assert.match(people.stdout, /^✓ ok {3}palyra \S+, Node v/m);
    assert.match(people.stdout, /^✓ ok {3}daemon \S+ reachable at 127\.0\.0\.1:\d+ \(\d+ ms\)$/m);
  });

  it('has little to say about a machine that is nothing', async () => {
    const { code, document } = await on('nothing', ['doctor']);
    assertDocument(document);
    assert.equal(code, 0, JSON.stringify(document.checks));
  });

  it('calls a damaged pairing a problem', async () => {
    const state = join(sandbox.home('damaged'), 'state', 'node');
    mkdirSync(state, { recursive: true, mode: 0o700 });
    writeFileSync(join(state, 'identity.json'), '{"format":1', { mode: 0o600 });
    const { code, document } = await on('damaged', ['doctor']);
    assertDocument(document);
    assert.equal(code, 1);
    assert.equal(statusOf(document, 'node.certificate'), 'fail');
  });

  it('warns of a proxy without showing it', async () => {
    const env = { HTTPS_PROXY: 'http://eva:canary@127.0.0.1:9' };
    const straight = await on('pi', ['doctor'], env);
    assert.equal(statusOf(straight.document, 'network.proxy'), 'pass', 'this machine itself is reached without it');
    assert.equal((await on('pi', ['config', 'set', 'network.proxy_loopback', 'true'])).code, 0);
    const { document } = await on('pi', ['doctor'], env);
    assert.equal((await on('pi', ['config', 'unset', 'network.proxy_loopback'])).code, 0);
    assert.equal(statusOf(document, 'network.proxy'), 'warn');
    assert.doesNotMatch(JSON.stringify([document, straight.document]), /canary/);
  });

  it('finds a node that died and a directory that is open, and repairs both', async () => {
    const { document: status } = await on('pi', ['node', 'status']);
    process.kill(status.process.pid, 'SIGKILL');
    chmodSync(join(sandbox.home('pi'), 'state', 'node'), 0o755);
    const { code, document } = await on('pi', ['doctor']);
    assert.equal(code, 1);
    assert.equal(document.ok, false);
    assert.equal(statusOf(document, 'service.node'), 'fail');
    assert.equal(statusOf(document, 'state.permissions'), 'fail');
    assert.equal(statusOf(document, 'state.leftovers'), 'warn');
    const fixed = await on('pi', ['doctor', '--fix']);
    assertDocument(fixed.document);
    assert.equal(fixed.code, 0, JSON.stringify(fixed.document));
    assert.deepEqual(fixed.document.fixed.sort(), ['service.node', 'state.leftovers', 'state.permissions']);
    assert.equal(statusOf(fixed.document, 'node.connection'), 'pass');
  });

  it('tells the daemon’s half of the story about another node', async () => {
    const { code, document } = await on('daemon', ['doctor', '--node', 'pi-lab']);
    assertDocument(document);
    assert.equal(code, 0, JSON.stringify(document.checks));
    assert.deepEqual(
      document.checks.map(({ id }: { id: string }) => id),
      ['fleet.node', 'fleet.certificate', 'fleet.version', 'fleet.queue'],
    );
    const unknown = await on('daemon', ['doctor', '--node', 'nobody']);
    assert.equal(unknown.code, 1);
    assert.match(unknown.document.checks[0].detail, /no such node/i);
  });

  it('writes a report without the code, the key and the password of a proxy', async () => {
    const path = join(sandbox.directory, 'report.json');
    const { code, document } = await on('pi', ['doctor', '--bundle', path], {
      HTTPS_PROXY: 'http://eva:canary-password@127.0.0.1:9',
    });
    assert.equal(code, 0, JSON.stringify(document));
    const bytes = readFileSync(path);
    const key = readFileSync(join(sandbox.home('pi'), 'state', 'node', 'device.key'), 'utf8');
    const secrets = [
      codeSecret('the code', invite.code),
      privateKeySecret('the key', key),
      textSecret('the password', ['canary-password']),
    ];
    assert.deepEqual(secretsIn(bytes, secrets), []);
    const report = JSON.parse(bytes.toString());
    assert.ok(report.logs.node.length > 0);
    assert.ok(Object.keys(report.files).some((file) => file.endsWith('palyra-node')));
    assert.equal((await on('pi', ['doctor', '--bundle', path])).code, 2);
  });

  it('says that the daemon does not answer when it is gone', async () => {
    assert.equal((await on('daemon', ['daemon', 'stop', '--now'])).code, 0);
    const { code, document } = await on('pi', ['doctor']);
    assert.equal(code, 1);
    assert.equal(statusOf(document, 'daemon.reachable'), 'fail');
    assert.equal(statusOf(document, 'daemon.clock'), 'skip');
    assert.equal(statusOf(document, 'node.connection'), 'fail');
    await on('pi', ['node', 'leave', '--yes']);
  });
});
