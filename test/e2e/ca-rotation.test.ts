/**
 * `palyra daemon rotate-ca` as people and scripts use it: nodes over both transports, contexts on other machines, dispatches that go on throughout, and a daemon
 * that is killed in every phase. Nothing is lost, doubled or paired again.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonValue } from '../../src/lib/base/model.js';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };
const FAST = ['--heartbeat', '1s'];
const PASSWORD = 'correct horse battery staple';
/** A dispatch waits that long for a node or a daemon that is away. */
const LONG_MS = 120_000;

describe('daemon rotate-ca', function () {
  stepByStep(this);
  this.timeout(90_000);
  const sandbox = new Sandbox();
  let daemon: LiveDaemon;
  let url: string;
  let late: Document;
  let macbook: RunningProcess;
  let daemonPids = 0;
  const lanes: Promise<string[]>[] = [];
  let isOver = false;

  const rotation = () => daemon.with((client) => client.caRotation());
  const record = (): { phase?: string } => {
    const file = join(daemon.stateDirectory, 'identity', 'rotation.json');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { phase: string }) : {};
  };
  const killWhen = async (what: string, isTime: () => boolean) => {
    await eventually(isTime, what);
    await daemon.kill();
    await daemon.startAgain(FAST);
    daemonPids += 1;
  };
  const identityOf = (home: string) =>
    JSON.parse(readFileSync(join(sandbox.home(home), 'state', 'node', 'identity.json'), 'utf8')) as Record<
      string,
      JsonValue
    >;
  const contextOf = (home: string) =>
    JSON.parse(readFileSync(join(sandbox.home(home), 'config', 'contexts.json'), 'utf8')) as {
      contexts: { home: { caPem: string; nextCaPem?: string } };
    };
  const login = async (home: string) => {
    const args = ['login', url, '--name', 'home', '--operator', 'max', '--password-stdin'];
    const { code, document } = await sandbox.json(args, { home, input: `${PASSWORD}\n` });
    assert.equal(code, 0, JSON.stringify(document));
  };
  /** One dispatch after the other until it is over; each is asked for again under its key until the daemon has said yes. */
  const lane = async (node: string): Promise<string[]> => {
    const ids: string[] = [];
    const input = { ms: 20, file: join(sandbox.directory, `trace-${node}`) };
    for (let number = 0; !isOver; number++) {
      const asked = { capability: 'probe.effect', input, queueMs: LONG_MS, timeoutMs: LONG_MS };
      const once = () =>
        daemon.dispatch(node, { ...asked, idempotencyKey: `${node}-${number}` }).catch(() => undefined);
      const { id } = await eventually(once, 'the daemon takes a dispatch', 60_000);
      ids.push(id);
      await pause(100);
    }
    return ids;
  };

  before(async () => {
    daemon = await LiveDaemon.start(sandbox, { args: FAST });
    const status = (await sandbox.json(['daemon', 'status'])).document;
    url = status.listen.find(({ purpose }: { purpose: string }) => purpose === 'public').url as string;
    const operator = ['operators', 'create', 'max', '--role', 'operator', '--password-stdin'];
    assert.equal((await sandbox.run(operator, { input: `${PASSWORD}\n` })).code, 0);
    const join_ = async (name: string, args: string[]) => {
      const { link } = await sandbox.invite(['--name', name]);
      return sandbox.startNode(name, [link, ...args], WITH_PROBE);
    };
    [, , macbook] = await Promise.all([
      join_('nas', ['--transport', 'grpc']),
      join_('pi', ['--transport', 'quic']),
      join_('macbook', []),
      login('laptop'),
      login('tablet'),
    ]);
    late = await sandbox.invite(['--name', 'late']);
  });
  after(async () => {
    isOver = true;
    await Promise.allSettled(lanes);
    await sandbox.dispose();
  });

  it('begins, is killed before it has begun, and goes on when it is asked again', async () => {
    await macbook.end('SIGTERM');
    lanes.push(lane('nas'), lane('pi'));
    const asked = sandbox.spawn(['daemon', 'rotate-ca', '--json']);
    await killWhen('a new key is there', () => existsSync(join(daemon.stateDirectory, 'identity', 'ca-next.key')));
    await asked.finished;
    const { code, document } = await sandbox.json(['daemon', 'rotate-ca']);
    assertDocument(document);
    assert.equal(code, 0, JSON.stringify(document));
    assert.equal(document.rotation.phase, 'overlap');
    await eventually(async () => (await rotation()).nodes.holding === 2, 'those who are there have it');
  });

  it('says how far it is, everywhere', async () => {
    const told = await sandbox.run(['daemon', 'rotate-ca', '--status']);
    assert.equal(told.code, 0);
    assert.match(told.stdout, /^2 of 3 nodes hold the new CA; macbook offline$/m);
    assert.match(told.stdout, /^1 open invite will end with the old CA$/m);
    const { document } = await sandbox.json(['daemon', 'rotate-ca', '--status']);
    assertDocument(document);
    assert.deepEqual(
      [document.action, document.rotation.nodes.waiting],
      ['status', [{ name: 'macbook', online: false }]],
    );
    assert.match(
      (await sandbox.run(['daemon', 'status'])).stdout,
      /^! rotate-ca +the CA is being replaced: 2 of 3 nodes hold/m,
    );
    assert.match((await sandbox.run(['doctor'])).stdout, /the CA of the daemon is being replaced: 2 of 3/);
    const again = await sandbox.run(['daemon', 'rotate-ca']);
    assert.equal(again.code, 0);
    assert.match(again.stderr, /2 of 3 nodes hold the new CA; macbook offline/);
    assert.match(again.stderr, /rotate-ca --force/);
  });

  it('lets in by the links that were made before, and contexts of other machines learn the new CA', async () => {
    const node = await sandbox.startNode('late', [late.link], WITH_PROBE);
    await node.end('SIGTERM');
    assert.equal((await sandbox.run(['nodes', 'remove', 'late', '--yes'])).code, 0);
    assert.equal(contextOf('laptop').contexts.home.nextCaPem, undefined);
    assert.equal((await sandbox.json(['nodes', 'list'], { home: 'laptop' })).code, 0);
    assert.match(contextOf('laptop').contexts.home.nextCaPem ?? '', /BEGIN CERTIFICATE/);
    late = await sandbox.invite(['--name', 'too-late']);
  });

  it('is killed while nodes catch up and while the old CA goes, and is done all the same', async () => {
    await killWhen('it is in the overlap', () => record().phase === 'overlap');
    const pin = identityOf('macbook').caPin;
    macbook = await sandbox.startNode('macbook', [], WITH_PROBE);
    await killWhen('the old one is being retired', () => ['retiring', 'done'].includes(record().phase ?? ''));
    await eventually(() => record().phase === 'done', 'it is done', 30_000);
    const { rotation: done } = (await sandbox.json(['daemon', 'rotate-ca', '--status'])).document;
    assert.deepEqual([done.phase, done.leftBehind, done.invites, done.nodes.holding], ['done', [], 1, 3]);
    for (const name of ['nas', 'pi', 'macbook']) {
      await daemon.nodeWhen(name, 'online', 40_000);
      await eventually(
        () => (identityOf(name).trustBundle as string[]).length === 1,
        `${name} trusts the new one alone`,
      );
    }
    assert.equal(identityOf('macbook').caPin, pin, 'the same daemon as when it was paired');
    assert.equal(daemonPids, 3);
  });

  it('has lost no dispatch and run none twice', async () => {
    isOver = true;
    for (const [index, node] of ['nas', 'pi'].entries()) {
      const ids = await lanes[index]!;
      const states = await Promise.all(ids.map(async (id) => (await daemon.settled(id)).state));
      assert.deepEqual([...new Set(states)], ['succeeded']);
      const lines = readFileSync(join(sandbox.directory, `trace-${node}`), 'utf8').split('\n');
      assert.equal(lines.filter((line) => line.startsWith('start')).length, ids.length);
      assert.ok(ids.length > 10, `${ids.length}`);
    }
  });

  it('serves who followed, refuses what pins the old CA before anything is sent, and has it all in the audit log', async () => {
    const list = await sandbox.json(['nodes', 'list'], { home: 'laptop' });
    assert.equal(list.code, 0, JSON.stringify(list.document));
    const { caPem, nextCaPem } = contextOf('laptop').contexts.home;
    assert.deepEqual([nextCaPem, caPem === contextOf('tablet').contexts.home.caPem], [undefined, false]);
    const stale = await sandbox.json(['nodes', 'list'], { home: 'tablet' });
    assert.deepEqual([stale.code, stale.document.error.code], [5, 'DAEMON_IDENTITY_CHANGED']);
    assert.match(stale.document.error.hint, /has replaced its CA: palyra context remove/);
    const refused = await sandbox.run(['node', 'run', late.link], { home: 'too-late' });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /its identity is not the one in the link/);
    assert.equal((await sandbox.invite(['--name', 'fresh'])).state, 'open');
    for (const action of ['daemon.rotateCa', 'ca.overlap', 'ca.retiring', 'ca.retired']) {
      const { document } = await sandbox.json(['audit', 'list', '--action', action]);
      assert.ok(document.entries.length > 0, action);
    }
  });

  it('with --force leaves behind who is away; that machine says so, and is itself again when it is paired anew', async () => {
    const { id } = (await sandbox.json(['nodes', 'show', 'macbook'])).document.node;
    await macbook.end('SIGTERM');
    const forced = await sandbox.run(['daemon', 'rotate-ca', '--force']);
    assert.equal(forced.code, 0, forced.stderr);
    assert.match(forced.stderr, /left behind, to be paired again with a new invite: macbook/);
    assert.match((await sandbox.run(['nodes', 'list'])).stdout, /macbook +\S* *expired/);
    const { code, document } = await sandbox.json(['node', 'renew'], { home: 'macbook' });
    assert.deepEqual([code, document.error.code], [5, 'DAEMON_IDENTITY_MISMATCH']);
    assert.match(document.error.message + document.error.detail, /palyra node reset/);
    assert.equal((await sandbox.run(['node', 'reset', '--yes'], { home: 'macbook' })).code, 0);
    const { link } = await sandbox.invite();
    await sandbox.startNode('macbook', [link]);
    assert.equal((await sandbox.json(['nodes', 'show', 'macbook'])).document.node.id, id);
  });
});
