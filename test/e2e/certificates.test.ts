/** The certificate of a machine as a person meets it: status, renew, leave. */
import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';

describe('node renew and node leave', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;

  before(async () => {
    sandbox = new Sandbox();
    await LiveDaemon.start(sandbox);
  });
  after(() => sandbox.dispose());

  it('tells when it renews itself, renews at once, and leaves without anybody logging in', async () => {
    const node = await sandbox.joinNode('pi');
    const { document: before } = await sandbox.json(['node', 'status'], { home: 'pi' });
    assertDocument(before);
    const dueInDays = (Date.parse(before.certificate.renewsAt as string) - Date.now()) / 86_400_000;
    assert.ok(dueInDays > 54 && dueInDays < 65, `${dueInDays}`);
    const { stdout } = await sandbox.run(['node', 'status'], { home: 'pi' });
    assert.match(stdout, /^ {2}certificate {2}89 days left, until .* · renews itself on \d/m);

    const { code, document: renewed } = await sandbox.json(['node', 'renew'], { home: 'pi' });
    assertDocument(renewed);
    assert.deepEqual([code, renewed.changed, renewed.node.name], [0, true, 'pi']);
    assert.notEqual(renewed.certificate.fingerprint, before.certificate.fingerprint);
    const told = await sandbox.run(['node', 'renew', '--new-key'], { home: 'pi' });
    assert.equal(told.code, 0);
    assert.match(told.stderr + told.stdout, /gave "pi" a new certificate, valid until/);

    await node.end('SIGTERM');
    const left = await sandbox.json(['node', 'leave', '--yes'], { home: 'pi' });
    assertDocument(left.document);
    assert.deepEqual([left.code, left.document.daemonTold], [0, true]);
    const { document: nodes } = await sandbox.json(['nodes', 'list']);
    assert.deepEqual(nodes.nodes, []);
  });

  it('refuses to renew what is not paired, and what was removed', async () => {
    assert.equal((await sandbox.run(['node', 'renew'], { home: 'nobody' })).code, 78);
    const node = await sandbox.joinNode('nas');
    await node.end('SIGTERM');
    assert.equal((await sandbox.run(['nodes', 'remove', 'nas', '--yes'])).code, 0);
    const { code, stderr } = await sandbox.run(['node', 'renew'], { home: 'nas' });
    assert.equal(code, 78);
    assert.match(stderr, /"nas" was removed/);
  });
});
