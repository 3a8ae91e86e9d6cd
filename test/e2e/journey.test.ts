import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { assertDocument } from '../support/document-schemas.js';
import { PROBE_MODULE, Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('a daemon and two machines', function () {
  this.timeout(120_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let byLink: RunningProcess;
  let byCode: RunningProcess;

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    assertDocument(started);
    assert.equal(started.changed, true);
  });
  after(() => sandbox.dispose());

  it('says that the daemon already runs', async () => {
    const { code, document } = await sandbox.json(['daemon', 'start']);
    assert.equal(code, 0);
    assert.equal(document.changed, false);
  });

  it('tells where it listens, the local socket included', async () => {
    const { code, document } = await sandbox.json(['daemon', 'status']);
    assert.equal(code, 0);
    assertDocument(document);
    const purposes = document.listen.map((listener: { purpose: string }) => listener.purpose).sort();
    assert.deepEqual(purposes, ['console', 'local', 'node-rpc', 'public']);
    const local = document.listen.find((listener: { purpose: string }) => listener.purpose === 'local').url as string;
    assert.ok(existsSync(local.replace(/^unix:/, '')));
  });

  it('has an empty list, which is no error', async () => {
    const { code, stdout, stderr } = await sandbox.run(['nodes', 'list']);
    assert.equal(code, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /palyra node pair/);
  });

  it('pairs a machine by its link, read from the environment', async () => {
    const { code, document } = await sandbox.json(['node', 'pair', '--name', 'pi-lab', '--label', 'site=lab']);
    assert.equal(code, 0);
    assertDocument(document);
    assert.match(document.invite.link, /^https:\/\/127\.0\.0\.1:\d+\/j\/[0-9A-Z]{12}-[0-9A-Z]{26}$/);
    assert.match(document.warnings[0], /127\.0\.0\.1 only/);
    byLink = await sandbox.startNode('pi', [], {
      env: { PALYRA_INVITE: document.invite.link, PALYRA_CAPABILITY_MODULES: PROBE_MODULE },
    });
    assert.match(
      byLink.stderr,
      /✓ Reached 127\.0\.0\.1:\d+, identity matches the invite\n✓ Paired as "pi-lab" · certificate valid until/,
    );
  });

  it('pairs a second machine by the typed code', async () => {
    const invite = await sandbox.invite(['--name', 'nas']);
    const place = new URL(invite.link).host;
    byCode = await sandbox.startNode('nas', [place, '--code-stdin'], {
      input: `${String(invite.code).toLowerCase()}\n`,
    });
    assert.match(byCode.stderr, /identity [0-9A-Z ]{19} {3}← compare with/);
  });

  it('lists both, for people, for scripts and as a document', async () => {
    const [table, names, plain, json] = await Promise.all([
      sandbox.run(['nodes', 'list']),
      sandbox.run(['ls', '-q', '--status', 'online']),
      sandbox.run(['nodes', 'list', '--plain', '--fields', 'name,presence,labels']),
      sandbox.json(['nodes', 'list', '-l', 'site=lab']),
    ]);
    assert.match(
      table.stdout,
      /^NAME +STATUS +SEEN +PLATFORM +VERSION +LABELS\nnas +online .*\npi-lab +online .*site=lab\n$/,
    );
    assert.equal(table.stderr, '2 nodes: 2 online, 0 offline\n');
    assert.equal(names.stdout, 'nas\npi-lab\n');
    assert.equal(plain.stdout, 'nas\tonline\t-\npi-lab\tonline\tsite=lab\n');
    assertDocument(json.document);
    assert.deepEqual(
      json.document.nodes.map((node: { name: string }) => node.name),
      ['pi-lab'],
    );
    assert.equal(json.document.summary.total, 2);
  });

  it('shows one by name and by a part of its id', async () => {
    const { document } = await sandbox.json(['nodes', 'show', 'pi-lab']);
    assertDocument(document);
    const { id } = document.node as { id: string };
    const again = await sandbox.json(['nodes', 'show', id.slice(0, -2)]);
    assert.equal(again.document.node.id, id);
    const people = await sandbox.run(['nodes', 'show', 'pi-lab']);
    assert.match(people.stdout, /^pi-lab · online/);
    assert.match(people.stdout, /can do +echo · probe\.effect · probe\.sleep · system\.health · system\.identity/);
  });

  it('runs capabilities: the result on stdout, the story on stderr', async () => {
    const { code, stdout, stderr } = await sandbox.run(['nodes', 'invoke', 'nas', 'echo', 'text=hello']);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { text: 'hello' });
    assert.match(stderr, /^✓ nas · echo · \d+ ms · dsp_\w+\n$/);
    const health = await sandbox.json(['nodes', 'invoke', 'nas', 'system.health']);
    assertDocument(health.document);
    assert.equal(health.document.dispatch.state, 'succeeded');
    assert.ok(health.document.dispatch.output.memory.totalBytes > 0);
  });

  it('takes input from stdin and types key=value by the schema', async () => {
    const piped = await sandbox.json(['nodes', 'invoke', 'nas', 'echo', '--input', '-'], { input: '{"text":"piped"}' });
    assert.deepEqual(piped.document.dispatch.output, { text: 'piped' });
    const typed = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'probe.sleep', 'ms=1', 'marker=42']);
    assert.deepEqual(typed.document.dispatch.input, { ms: 1, marker: '42' });
  });

  it('tells each way a run can end by its exit code', async () => {
    const [unknown, missing, refused, slow, later] = await Promise.all([
      sandbox.json(['nodes', 'invoke', 'nobody', 'echo']),
      sandbox.json(['nodes', 'invoke', 'nas', 'coffee.brew']),
      sandbox.json(['nodes', 'invoke', 'pi-lab', 'probe.sleep', 'ms=-4']),
      sandbox.json(['nodes', 'invoke', 'pi-lab', 'probe.sleep', 'ms=60000', '--timeout', '500ms']),
      sandbox.json(['nodes', 'invoke', 'pi-lab', 'probe.sleep', 'ms=10', '--no-wait']),
    ]);
    assert.deepEqual([unknown.code, unknown.document.error.code], [3, 'NODE_NOT_FOUND']);
    assert.deepEqual([missing.code, missing.document.error.code], [3, 'CAPABILITY_NOT_FOUND']);
    assert.deepEqual([refused.code, refused.document.error.code], [2, 'INPUT_INVALID']);
    assert.deepEqual([slow.code, slow.document.dispatch.state], [10, 'timed-out']);
    assert.equal(later.code, 0);
    assert.ok(['queued', 'delivered', 'running'].includes(later.document.dispatch.state));
    for (const { document } of [unknown, missing, refused, slow, later]) assertDocument(document);
  });

  it('gives one run for one idempotency key', async () => {
    const args = ['nodes', 'invoke', 'nas', 'echo', 'text=once', '--idempotency-key', 'k1'];
    const [first, second] = [await sandbox.json(args), await sandbox.json(args)];
    assert.equal(first.document.dispatch.id, second.document.dispatch.id);
  });

  it('leaves the run alone on Ctrl-C and names it', async () => {
    const running = sandbox.spawn(['nodes', 'invoke', 'pi-lab', 'probe.sleep', 'ms=1500', '--json']);
    const open = async () => (await sandbox.json(['daemon', 'status'])).document.dispatches.open as number;
    while ((await open()) === 0);
    const { code, stdout } = await running.end('SIGINT');
    assert.equal(code, 130);
    const { dispatch } = JSON.parse(stdout) as { dispatch: { id: string; state: string } };
    assert.match(dispatch.id, /^dsp_/);
  });

  it('tells this machine about itself', async () => {
    const { code, document } = await sandbox.json(['node', 'status'], { home: 'pi' });
    assert.equal(code, 0);
    assertDocument(document);
    assert.equal(document.connection.state, 'online');
    const [both, people] = await Promise.all([
      sandbox.json(['status']),
      sandbox.run(['node', 'status'], { home: 'pi' }),
    ]);
    assertDocument(both.document);
    assert.match(people.stdout, /^● online/);
  });

  it('lists and revokes invites without showing their codes', async () => {
    const invite = await sandbox.invite();
    const list = await sandbox.json(['invites', 'list']);
    assertDocument(list.document);
    assert.ok(!JSON.stringify(list.document).includes(String(invite.code)));
    const id = String(invite.id).replace('inv_', '').toLowerCase();
    const [revoked, again] = [
      await sandbox.json(['invites', 'revoke', id]),
      await sandbox.json(['invites', 'revoke', invite.id]),
    ];
    assertDocument(revoked.document);
    assert.deepEqual([revoked.document.changed, again.document.changed], [true, false]);
    const refused = await sandbox.json(['node', 'pair', invite.link], { home: 'other' });
    assert.deepEqual([refused.code, refused.document.error.code], [78, 'INVITE_REFUSED']);
  });

  it('keeps its ports over a restart, and the nodes come back', async () => {
    const before = (await sandbox.json(['daemon', 'status'])).document;
    const { code, document } = await sandbox.json(['daemon', 'restart', '--now']);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual(document.listen, before.listen);
    for (const node of ['nas', 'pi-lab']) {
      const held = await sandbox.json(['nodes', 'invoke', node, 'echo', 'text=back', '--queue', '1m']);
      assert.equal(held.document.dispatch?.state, 'succeeded', JSON.stringify(held.document));
    }
  });

  it('removes a machine only when told so twice, and the machine says why it stops', async () => {
    const unsure = await sandbox.json(['nodes', 'remove', 'nas']);
    assert.deepEqual([unsure.code, unsure.document.error.code], [2, 'CONFIRMATION_REQUIRED']);
    assert.match(unsure.document.error.hint, /--yes/);
    const removed = await sandbox.json(['nodes', 'remove', 'nas', '--yes']);
    assert.equal(removed.code, 0);
    assertDocument(removed.document);
    const { code, stderr } = await byCode.finished;
    assert.equal(code, 78, stderr);
    assert.match(stderr, /✗ This machine was removed from the daemon/);
    const status = await sandbox.json(['node', 'status'], { home: 'nas' });
    assert.equal(status.document.paired, false);
    const again = await sandbox.run(['node', 'run'], { home: 'nas' });
    assert.equal(again.code, 78);
  });

  it('refuses what is for a node that is away, and holds it when asked to', async () => {
    const { code } = await byLink.end('SIGTERM');
    assert.equal(code, 143);
    const refused = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'echo', 'text=x']);
    assert.deepEqual([refused.code, refused.document.error.code], [6, 'NODE_OFFLINE']);
    const held = await sandbox.json(['nodes', 'invoke', 'pi-lab', 'echo', 'text=x', '--queue', '1h', '--no-wait']);
    assert.equal(held.document.dispatch.state, 'queued');
    const list = await sandbox.run(['nodes', 'list']);
    assert.match(list.stdout, /pi-lab +offline \(stopped\)/);
  });

  it('stops, says so twice, and is gone', async () => {
    const [stopped, again] = [await sandbox.json(['daemon', 'stop', '--now']), await sandbox.json(['daemon', 'stop'])];
    assert.deepEqual([stopped.code, stopped.document.changed], [0, true]);
    assert.deepEqual([again.code, again.document.changed], [0, false]);
    assertDocument(stopped.document);
    const status = await sandbox.json(['daemon', 'status']);
    assert.deepEqual([status.code, status.document.running], [5, false]);
  });
});
