import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type Document } from '../support/palyra.js';

describe('a machine and its copy', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  it('are seen where people look, on both sides, with what to do; the copy becomes a node of its own', async () => {
    const daemon = LiveDaemon.of(sandbox, 'daemon', await sandbox.startDaemon({ args: ['--heartbeat', '1s'] }));
    const { link } = await sandbox.invite(['--name', 'pi']);
    const node = await sandbox.startNode('pi', [link]);
    await node.end('SIGTERM');
    const state = (home: string) => join(sandbox.home(home), 'state', 'node');
    // A copy without the journal is told apart at once; one with it when the first machine comes back (test/contract/clones.test.ts).
    const filter = (path: string) => !/lock$|outbox/.test(path);
    cpSync(state('pi'), state('copy'), { recursive: true, filter });
    const both = ['pi', 'copy'].map((home) => sandbox.spawn(['node', 'run'], { home, timeoutMs: Infinity }));
    const conflict = await daemon.nodeWhen('pi', 'conflict', 40_000);
    assert.equal(conflict.rival?.address, '127.0.0.1');

    const words =
      /another machine uses its identity too at 127\.0\.0\.1.*on the copy: palyra node reset --new-identity/;
    assert.match((await sandbox.run(['nodes', 'show', 'pi'])).stdout, words);
    const people = await sandbox.run(['nodes', 'list']);
    assert.match(people.stdout, /^pi +conflict /m);
    assert.match(people.stderr, words);
    const { document } = await sandbox.json(['nodes', 'list']);
    assertDocument(document);
    assert.deepEqual([document.summary.online, document.summary.conflict], [1, 1]);
    assert.match(document.warnings.join(), words);
    const status = await sandbox.run(['daemon', 'status']);
    assert.match(status.stdout, /! identity +two machines use that of 1 node: palyra nodes list --status conflict/);

    const held = await eventually(() => {
      const index = both.findIndex(({ stderr }) => /○ Conflict: /.test(stderr));
      return index >= 0 && { home: ['pi', 'copy'][index]!, running: both[index]! };
    }, 'one of them is told');
    await held.running.line(/on the copy: palyra node reset --new-identity/);
    const own = await sandbox.run(['node', 'status'], { home: held.home });
    assert.match(own.stdout, /^○ conflict [^]*! identity +on the copy: palyra node reset --new-identity/m);
    await held.running.end('SIGTERM');
    const reset = await sandbox.json(['node', 'reset', '--new-identity', '--yes'], { home: held.home });
    assert.equal(reset.code, 0, JSON.stringify(reset.document));
    const second = await sandbox.invite(['--name', 'pi-two']);
    await sandbox.startNode(held.home, [second.link]);
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(
      nodes
        .filter(({ presence }: Document) => presence === 'online' || presence === 'conflict')
        .map(({ name }) => name),
      ['pi', 'pi-two'],
    );
  });
});
