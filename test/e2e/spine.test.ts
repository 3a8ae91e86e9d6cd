/**
 * The backbone as its users meet it: two machines with a home each and a third that is only removed again. Every document is checked against its published
 * schema, and at the end nothing runs and nothing lies outside of the homes.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type Document, type RunningProcess, type RunOptions } from '../support/palyra.js';
import { CAN_SEE_PROCESSES, processesBelow } from '../support/processes.js';

const TOLD_WITHIN_MS = 5000;
const HOMES = ['daemon', 'pi', 'nas'] as const;

describe('the spine', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let elsewhere: string;
  let surroundings: RunOptions;
  let pi: RunningProcess;
  let nas: RunningProcess;

  before(() => {
    sandbox = new Sandbox();
    // Everything that a program might write to without being told.
    elsewhere = join(sandbox.directory, 'elsewhere');
    const place = (name: string) => {
      mkdirSync(join(elsewhere, name), { recursive: true });
      return join(elsewhere, name);
    };
    const env = {
      HOME: place('home'),
      TMPDIR: place('tmp'),
      XDG_CONFIG_HOME: place('config'),
      XDG_STATE_HOME: place('state'),
      XDG_CACHE_HOME: place('cache'),
      XDG_DATA_HOME: place('data'),
      XDG_RUNTIME_DIR: place('run'),
    };
    surroundings = { env, cwd: place('cwd') };
  });
  after(() => sandbox.dispose());

  /** One command, its exit code 0, its document as published. */
  const ok = async (args: readonly string[], options: RunOptions = {}): Promise<Document> => {
    const { code, document } = await sandbox.json(args, { ...surroundings, ...options });
    assert.equal(code, 0, `${args.join(' ')}: ${JSON.stringify(document)}`);
    assertDocument(document);
    assert.ok(Array.isArray(document.warnings));
    return document;
  };

  it('daemon start: listens, and its state is private', async () => {
    const ports = ['--port', '0', '--node-port', '0', '--console-port', '0'];
    const started = await ok(['daemon', 'start', ...ports]);
    assert.deepEqual([started.changed, started.state], [true, 'running']);
    const status = await ok(['daemon', 'status']);
    assert.deepEqual(status.listen, started.listen);
    assert.equal(status.stateDirectory, join(sandbox.home('daemon'), 'state', 'daemon'));
    for (const path of filesBelow(sandbox.home('daemon'))) {
      assert.equal(statSync(path).mode & 0o077, 0, `${path} is open to others`);
    }
  });

  it('pairs a machine by its link', async () => {
    const { invite } = await ok(['node', 'pair', '--name', 'pi', '--label', 'site=lab', '--purpose', 'prints labels']);
    pi = await sandbox.startNode('pi', [invite.link], surroundings);
    assert.match(pi.stderr, /✓ Paired as "pi"/);
  });

  it('pairs a second one by the typed code, as a person types it', async () => {
    const { invite } = await ok(['node', 'pair', '--name', 'nas']);
    const input = `${String(invite.code).toLowerCase().replaceAll('-', ' ')}\n`;
    nas = await sandbox.startNode('nas', [new URL(invite.link).host, '--code-stdin'], { ...surroundings, input });
    assert.match(nas.stderr, /✓ Paired as "nas"/);
    const { invites } = await ok(['invites', 'list']);
    assert.deepEqual(invites.map(({ state, redeemedBy }: Document) => [state, redeemedBy[0].name]).sort(), [
      ['used', 'nas'],
      ['used', 'pi'],
    ]);
  });

  it('lists and shows them, and each knows its own place', async () => {
    const { nodes, summary } = await ok(['nodes', 'list']);
    assert.deepEqual(
      nodes.map(({ name, presence, trust }: Document) => [name, presence, trust]),
      [
        ['nas', 'online', 'paired'],
        ['pi', 'online', 'paired'],
      ],
    );
    assert.deepEqual([summary.total, summary.online], [2, 2]);
    const shown = await ok(['nodes', 'show', 'pi']);
    assert.deepEqual([shown.node.labels, shown.node.purpose], [{ site: 'lab' }, 'prints labels']);
    assert.deepEqual(
      shown.node.capabilityDetails.map(({ name, granted }: Document) => [name, granted]),
      [
        ['echo', true],
        ['system.health', true],
        ['system.identity', true],
        ['system.which', true],
      ],
    );
    const own = await ok(['node', 'status'], { home: 'pi' });
    assert.deepEqual([own.paired, own.id, own.connection.state], [true, shown.node.id, 'online']);
    await ok(['status']);
  });

  it('runs each built-in capability on each of them', async () => {
    for (const node of ['pi', 'nas']) {
      const echo = await ok(['nodes', 'invoke', node, 'echo', '--input', '{"text":"grüße","deep":[{"n":1.5}]}']);
      assert.deepEqual(echo.dispatch.output, { text: 'grüße', deep: [{ n: 1.5 }] });
      const health = await ok(['nodes', 'invoke', node, 'system.health']);
      assert.ok(health.dispatch.output.uptimeMs > 0);
      const identity = await ok(['nodes', 'invoke', node, 'system.identity']);
      assert.equal(identity.dispatch.output.name, node);
    }
  });

  it('removes one: its node stops with exit code 78 within seconds and says why', async () => {
    const began = performance.now();
    const removed = await ok(['nodes', 'remove', 'nas', '--yes']);
    assert.deepEqual([removed.changed, removed.node.trust], [true, 'revoked']);
    const { code, stderr } = await nas.finished;
    const tookMs = performance.now() - began;
    assert.equal(code, 78, stderr);
    assert.ok(tookMs < TOLD_WITHIN_MS, `after ${Math.round(tookMs)} ms`);
    assert.match(stderr, /✗ This machine was removed from the daemon/);
    assert.match(stderr, /palyra node run <link>/);
    const { nodes } = await ok(['nodes', 'list']);
    assert.deepEqual(
      nodes.filter(({ presence }: Document) => presence !== 'revoked').map(({ name }: Document) => name),
      ['pi'],
    );
    assert.equal((await ok(['nodes', 'invoke', 'pi', 'echo', 'text=still'])).dispatch.state, 'succeeded');
  });

  it('lets the removed machine come back by a new invite, under its old name', async () => {
    const { invite } = await ok(['node', 'pair', '--name', 'nas']);
    nas = await sandbox.startNode('nas', [invite.link], surroundings);
    assert.equal((await ok(['nodes', 'invoke', 'nas', 'echo', 'text=back'])).dispatch.state, 'succeeded');
  });

  it('stops, and nothing is left: no process, no socket, no file outside of the homes', async () => {
    await ok(['daemon', 'stop']);
    for (const node of [pi, nas]) {
      const { code, stderr } = await node.end('SIGTERM');
      assert.equal(code, 143, stderr);
    }
    const status = await sandbox.json(['daemon', 'status'], surroundings);
    assert.deepEqual([status.code, status.document.running], [5, false]);
    if (CAN_SEE_PROCESSES) await eventually(() => processesBelow(sandbox.directory).length === 0, 'all have ended');
    const sockets = HOMES.flatMap((home) => filesBelow(sandbox.home(home))).filter((path) => statSync(path).isSocket());
    assert.deepEqual(sockets, []);
    assert.deepEqual(filesBelow(elsewhere), []);
    assert.deepEqual(readdirSync(sandbox.directory).sort(), [...HOMES, 'elsewhere'].sort());
  });
});

/** Everything that is not a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => !statSync(path).isDirectory());
}
