/**
 * Nodes and daemons that stop running: paused, killed, away for long. Processes of their own; "five minutes" and "an hour" are shortened together with the
 * heartbeats and the back-off they are measured against, and the proportions stay: a pause of many heartbeats, an outage of many back-offs.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { BACKOFF_CAP_MS, ChaosNode } from '../support/chaos-node.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const HEARTBEAT_MS = 300;
const HEARTBEAT = ['--heartbeat', `${HEARTBEAT_MS}ms`];
/** For five minutes: more than the six seconds after which a machine takes itself for one that slept. */
const PAUSE_MS = 7_500;
/** For an hour: many times the largest back-off. */
const OUTAGE_MS = 6 * BACKOFF_CAP_MS;
/** One back-off, one connection, and what a busy machine adds. */
const BACK_WITHIN_MS = BACKOFF_CAP_MS + 6_000;
const TRANSPORTS = ['grpc', 'quic', 'poll'] as const;

describe('nodes and daemons that stop running', function () {
  this.timeout(120_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let nodes: ChaosNode[];

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon({ args: HEARTBEAT });
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    const nodePort = Number(new URL(started.urls['node-rpc'] as string).port);
    const place = { sandbox, daemon, nodePort };
    nodes = await Promise.all(TRANSPORTS.map((transport) => ChaosNode.pair(place, { name: transport, transport })));
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.online()));
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.end('SIGKILL')));
    for (const { shim } of nodes) shim.close();
    await sandbox.dispose();
  });

  const each = <T>(act: (node: ChaosNode) => Promise<T>) => Promise.all(nodes.map((node) => act(node)));
  /** Milliseconds until a new dispatch is answered. */
  const back = async (node: ChaosNode) => {
    const tookMs = await node.answers();
    assert.ok(tookMs < BACK_WITHIN_MS, `${node.name} was back after ${Math.round(tookMs)} ms`);
  };
  const why = async (node: ChaosNode) => (await node.shown()).absences[0];

  it('SIGSTOP of a node: it goes on where it was, nothing runs twice, and it is told that it was paused', async () => {
    const under = await each(async (node) => {
      const [effect, other] = [await node.effect(1_500), await node.dispatch('probe.sleep', { ms: 1_500 })];
      await effect.begun();
      return { effect, other };
    });
    for (const { child } of nodes) child.kill('SIGSTOP');
    await each((node) => daemon.nodeWhen(node.name, 'offline'));
    const [gone] = (await nodes[0]!.shown()).absences;
    assert.deepEqual([gone.to, ['lost', 'silent'].includes(gone.reason as string)], [null, true], JSON.stringify(gone));
    const late = await each((node) => node.effect(10));
    await pause(PAUSE_MS);
    for (const { child } of nodes) child.kill('SIGCONT');
    await each(back);
    for (const { effect, other } of under) {
      assert.deepEqual(
        [(await effect.settled()).state, effect.starts, effect.ends, (await daemon.settled(other)).state],
        ['succeeded', 1, 1, 'succeeded'],
      );
    }
    for (const effect of late)
      assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['succeeded', 1, 1]);
    await each(async (node) => {
      // A session that goes on where it was is told with the next heartbeat what its silence was.
      await eventually(async () => (await why(node)).reason === 'paused', `${node.name}: paused`);
      const { from, to } = await why(node);
      assert.ok(
        Date.parse(to as string) - Date.parse(from as string) >= PAUSE_MS - 2 * HEARTBEAT_MS,
        `${node.name}: ${from} to ${to}`,
      );
    });
    const { stdout } = await sandbox.run(['nodes', 'show', 'grpc']);
    assert.match(
      stdout,
      /^ {2}was away {4}\w{3} \d\d [\d:]{8} for \d+\.\d s: the node did not run: its machine slept/m,
    );
  });

  it('kill -9 of a node that is supervised: back as another process, with no effect twice and what is unknown said so', async () => {
    const unwatch = nodes.map((node) => node.supervise());
    const under = await each(async (node) => {
      const [effect, other] = [await node.effect(60_000), await node.dispatch('probe.sleep', { ms: 500 })];
      await effect.begun();
      return { effect, other };
    });
    for (const { child } of nodes) child.kill('SIGKILL');
    await each((node) => eventually(() => node.child.exitCode === null && node.child.signalCode === null, 'it runs'));
    // A process takes seconds to start on a busy machine; that is not the node's back-off.
    await each((node) => node.answers());
    for (const { effect, other } of under) {
      assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['unknown', 1, 0]);
      assert.equal((await daemon.settled(other)).state, 'succeeded');
    }
    await each(async (node) => assert.equal((await why(node)).reason, 'restarted', node.name));
    for (const end of unwatch) end();
  });

  it('a daemon that is away for long: every node is back within one back-off, and it is told who was away', async () => {
    const under = await each(async (node) => {
      const effect = await node.effect(1_000);
      await effect.begun();
      return effect;
    });
    const before = new Map(nodes.map((node) => [node, node.states.length]));
    await daemon.kill();
    await pause(OUTAGE_MS);
    // A try over UDP takes seconds when nobody answers: the outage lasts until each has made a few.
    await each(async (node) => {
      const tries = () => node.states.slice(before.get(node)).filter((state) => state === 'connecting').length;
      await eventually(() => tries() >= 3, `${node.name} goes on trying`, 40_000).catch((error: unknown) => {
        throw new Error(`${String(error)}; ${node.states.join()}`);
      });
      assert.equal(node.child.exitCode, null);
    });
    await daemon.startAgain(HEARTBEAT);
    await each(back);
    for (const effect of under)
      assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['succeeded', 1, 1]);
    await each(async (node) => {
      const { reason, to } = await why(node);
      assert.deepEqual([reason, to === null], ['daemon-away', false], node.name);
      assert.equal((await node.shown()).absences[1].reason, 'restarted', 'what was before is still known');
    });
  });

  it('a node that is stopped says so, to a daemon that is busy too, and the reason stands until it is back', async () => {
    process.kill(daemon.pid, 'SIGSTOP');
    const stopping = each((node) => node.end('SIGTERM'));
    // Much less than a node waits for its goodbye to be heard: a busy machine needs the rest.
    await pause(400);
    process.kill(daemon.pid, 'SIGCONT');
    await stopping;
    await each(async (node) => {
      await daemon.nodeWhen(node.name, 'offline');
      const { reason, to } = await why(node);
      assert.deepEqual([reason, to], ['stopped', null], node.name);
    });
    const [node] = nodes;
    const { stdout } = await sandbox.run(['nodes', 'show', node!.name]);
    assert.match(stdout, /^ {2}why {9}the node was stopped there · since \w{3} \d\d [\d:]{8}$/m);
    node!.start();
    await node!.online();
    assert.equal((await why(node!)).reason, 'stopped');
  });
});
