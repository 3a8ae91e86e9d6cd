/** What carries a node's link, as people and networks meet it: asked for, chosen, and changed when a network cuts what is long. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';

const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };

describe('the transport of a node', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let started: Document;

  before(async () => {
    sandbox = new Sandbox();
    started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
  });
  after(() => sandbox.dispose());

  const statusOf = async (home: string): Promise<Document> => {
    const { code, document } = await sandbox.json(['node', 'status'], { home });
    assert.equal(code, 0);
    assertDocument(document);
    return document;
  };
  const echo = (node: string, text: string) =>
    daemon.dispatch(node, { capability: 'echo', input: { text }, queueMs: 60_000 });
  /** Sends them over so many milliseconds, and expects each to come back once as it was. */
  const echoes = async (node: string, count: number, overMs = 0) => {
    const ids: string[] = [];
    for (let index = 0; index < count; index++) {
      const { id } = await echo(node, `n${index}`);
      ids.push(id);
      await new Promise((resolve) => setTimeout(resolve, overMs / count));
    }
    const outcomes = await Promise.all(ids.map((id) => daemon.settled(id)));
    for (const [index, { state, output, id }] of outcomes.entries()) {
      assert.deepEqual([state, (output as { text?: string } | null)?.text], ['succeeded', `n${index}`], id);
    }
  };

  it('--transport poll: 200 echoes, and everybody says what carries them', async () => {
    const { link } = await sandbox.invite(['--name', 'poll']);
    const node = await sandbox.startNode('poll', [link, '--transport', 'poll']);
    const startedAt = performance.now();
    await echoes('poll', 200);
    assert.ok(performance.now() - startedAt < 60_000);
    const { transport, rttMs } = (await statusOf('poll')).connection;
    assert.deepEqual(transport, { mode: 'poll', used: 'poll', why: 'it was asked for', failures: [] });
    assert.ok(rttMs > 0);
    const { stdout } = await sandbox.run(['node', 'status'], { home: 'poll' });
    assert.match(stdout, /^ {2}transport {4}poll: it was asked for · round trip [\d.]+ ms$/m);
    const shown = await sandbox.json(['nodes', 'show', 'poll']);
    assertDocument(shown.document);
    assert.equal(shown.document.node.transport, 'poll');
    assert.match((await sandbox.run(['nodes', 'show', 'poll'])).stdout, /^ {2}transport {3}poll$/m);
    assert.equal((await node.end('SIGTERM')).code, 143);
    const after = await daemon.nodeWhen('poll', 'offline');
    assert.deepEqual([after.transport, after.presenceReason], [null, 'stopped']);
  });

  it('PALYRA_TRANSPORT: the same for machines that nobody types on', async () => {
    const node = await sandbox.startNode('poll', [], { env: { PALYRA_TRANSPORT: 'poll' } });
    assert.equal((await statusOf('poll')).connection.transport.used, 'poll');
    await node.end('SIGTERM');
    const wrong = await sandbox.run(['node', 'run'], { home: 'poll', env: { PALYRA_TRANSPORT: 'pigeon' } });
    assert.equal(wrong.code, 78);
    assert.match(wrong.stderr, /PALYRA_TRANSPORT is none of auto, grpc, quic, poll/);
  });

  describe('auto, where every connection is cut after two seconds', () => {
    let proxy: CuttingProxy;
    let node: RunningProcess;

    before(async () => {
      const joined = await sandbox.joinNode('cut', WITH_PROBE);
      await joined.end('SIGTERM');
      proxy = await CuttingProxy.start(Number(new URL(started.urls['node-rpc'] as string).port), {
        lifeMs: () => 2_000,
      });
      // The machine has moved to a network where the daemon is met through the proxy.
      const file = join(sandbox.home('cut'), 'state', 'node', 'identity.json');
      const identity = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify({ ...identity, nodeEndpoints: [proxy.endpoint] }));
      node = await sandbox.startNode('cut', [], WITH_PROBE);
    });
    after(() => proxy.close());

    it('starts with the stream, changes to polling, says why, and loses and doubles nothing', async () => {
      assert.equal((await statusOf('cut')).connection.transport.used, 'grpc');
      const trace = join(sandbox.directory, 'trace');
      const effects: string[] = [];
      // Half of the time it is still the stream that is cut.
      for (let index = 0; index < 12; index++) {
        const asked = { capability: 'probe.effect', input: { ms: 500, file: trace }, queueMs: 60_000 };
        effects.push((await daemon.dispatch('cut', asked)).id);
        await echoes('cut', 10, 1_200);
      }
      const outcomes = await Promise.all(effects.map((id) => daemon.settled(id)));
      assert.deepEqual(
        outcomes.map(({ state }) => state),
        effects.map(() => 'succeeded'),
      );
      assert.equal(readFileSync(trace, 'utf8').match(/start/g)?.length, effects.length);
      assert.equal(readFileSync(trace, 'utf8').match(/end/g)?.length, effects.length);
      const view = await eventually(async () => {
        const { connection } = await statusOf('cut');
        return connection.transport.used === 'poll' && connection;
      }, 'it polls');
      assert.match(view.transport.why, /the stream was cut 3 times within \d+ s/);
      const failed = (transport: string) =>
        view.transport.failures.find((failure: Document) => failure.transport === transport);
      assert.match(failed('quic').message, /refused/, 'nobody answers UDP behind the proxy');
      assert.notEqual(failed('grpc').heldUntil, null);
      assert.equal((await daemon.nodeWhen('cut', 'online')).transport, 'poll');
      assert.match(node.stderr, /● Online again after .* Over poll: .*the stream was cut 3 times within \d+ s/);
      assert.ok(proxy.accepted >= 5, `${proxy.accepted} connections`);
    });

    it('is not lost any more: polling outlives the connections it uses', async () => {
      const before = proxy.accepted;
      const { since } = (await statusOf('cut')).connection;
      await eventually(() => proxy.accepted >= before + 3, 'three more connections are cut', 30_000);
      await echoes('cut', 5);
      const { connection } = await statusOf('cut');
      assert.deepEqual([connection.state, connection.since], ['online', since]);
    });
  });
});
