/**
 * Networks that fail under a dispatch, in every shape, at every step, over every transport: the node is back by itself, what was asked for ends exactly once,
 * and `nodes show` says why it was gone. Processes of their own; heartbeats and back-offs are shortened, what is asserted is not.
 *
 * `npm test` runs one step of some shapes over each transport; `npm run chaos` runs all of them, and PALYRA_CHAOS_ROUNDS times.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { ABSENCE_REASONS } from '../../src/lib/base/absences.js';
import { ChaosNode, type Effect } from '../support/chaos-node.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import type { NetShim } from '../support/net-shim.js';
import { Sandbox, type Document } from '../support/palyra.js';

const ALL = process.env['PALYRA_CHAOS'] === '1';
const ROUNDS = Number(process.env['PALYRA_CHAOS_ROUNDS'] ?? 1);
const TRANSPORTS = ['grpc', 'quic', 'poll'] as const;
const HEARTBEAT_MS = 300;
/** Longer than both sides need to notice: four heartbeats. */
const DARK_MS = 2_500;
/** From the healing to an answer: one back-off, one time-out of a try that began in the dark, and a busy machine. */
const BACK_WITHIN_MS = 12_000;
const FLAP_MS = 100;
const FLAPPING = 'on and off';

type Strike = (shim: NetShim) => Promise<void> | void;
const SHAPES: Readonly<Record<string, Strike>> = {
  'both ways dark': (shim) => shim.dark('up', 'down'),
  'dark towards the daemon': (shim) => shim.dark('up'),
  'dark towards the node': (shim) => shim.dark('down'),
  'half open': (shim) => shim.halfOpen(),
  [`${FLAPPING} five times a second`]: async (shim) => {
    for (const until = performance.now() + DARK_MS; performance.now() < until;) {
      shim.cut();
      shim.dark('up', 'down');
      await pause(FLAP_MS);
      shim.light();
      await pause(FLAP_MS);
    }
  },
};
const STEPS = ['dispatch', 'run', 'acknowledgement'] as const;
type Step = (typeof STEPS)[number];

/** In the short form every second shape meets one step over each transport. */
function chosen(shape: number, step: number, transport: number): boolean {
  return ALL || (shape % 2 === 0 && (shape / 2 + transport) % STEPS.length === step);
}

describe('a network that fails', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let nodes: ChaosNode[];

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon({ args: ['--heartbeat', `${HEARTBEAT_MS}ms`] });
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

  /** Asks for an effect and for something that may be repeated, and makes the network bad at that step. */
  const strike = async (node: ChaosNode, shape: Strike, step: Step): Promise<{ effect: Effect; other: string }> => {
    const { shim } = node;
    if (step === 'dispatch') {
      await shape(shim);
      return { effect: await node.effect(100), other: await node.dispatch('probe.sleep', { ms: 100 }) };
    }
    const effect = await node.effect(step === 'run' ? 1_000 : 200);
    const other = await node.dispatch('probe.sleep', { ms: step === 'run' ? 1_000 : 200 });
    await effect.begun();
    if (step === 'acknowledgement') {
      // The result goes up, where the way up is free of what waits for an answer; that it came does not come down.
      shim.dark('down');
      await eventually(() => effect.ends > 0, 'it has ended');
      await pause(HEARTBEAT_MS);
    }
    await shape(shim);
    return { effect, other };
  };

  const survives = async (node: ChaosNode, shape: string, step: Step): Promise<void> => {
    await node.online();
    const beganAt = Date.now();
    const { effect, other } = await strike(node, SHAPES[shape]!, step);
    if (!shape.startsWith(FLAPPING)) await pause(DARK_MS);
    node.shim.light();
    const healed = performance.now();
    const outcomes = await Promise.all([effect.settled(), daemon.settled(other)]);
    await node.answers();
    const backMs = Math.round(performance.now() - healed);
    const what = `${node.transport}, ${shape}, ${step}`;
    assert.deepEqual(
      outcomes.map(({ state }) => state),
      ['succeeded', 'succeeded'],
      `${what}: ${JSON.stringify(outcomes)}`,
    );
    assert.deepEqual([effect.starts, effect.ends], [1, 1], `${what}: the effect happened once`);
    assert.ok(backMs < BACK_WITHIN_MS, `${what}: back after ${backMs} ms`);
    assert.equal(node.child.exitCode, null, `${what}: it never ends for a network error`);
    // A process that starves on a busy machine is silent for a moment more.
    await eventually(async () => (await node.shown()).absences[0]?.to !== null, `${what}: it is back`);
    assertAbsence(await node.shown(), beganAt, `${what}`, shape.startsWith(FLAPPING));
    await oneSession(node);
    if (ALL) process.stdout.write(`      ${what}: answered ${backMs} ms after the healing\n`);
  };

  const oneSession = (node: ChaosNode) =>
    eventually(
      async () => {
        const { document } = await sandbox.json(['daemon', 'status']);
        if (document.nodes.online < 1) return false;
        return node.transport === 'quic' ? document.quic.sessions === 1 : node.shim.live === 1;
      },
      `${node.name} has one live session`,
      20_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${node.shim.connections}; ${node.states.slice(-8).join(' ')}`);
    });

  for (const [shapeIndex, shape] of Object.keys(SHAPES).entries()) {
    if (!STEPS.some((_, step) => chosen(shapeIndex, step, 0))) continue;
    for (let round = 1; round <= ROUNDS; round++) {
      it(`${shape}${ROUNDS > 1 ? `, round ${round}` : ''}`, async () => {
        await Promise.all(
          nodes.map(async (node, transport) => {
            for (const [index, step] of STEPS.entries())
              if (chosen(shapeIndex, index, transport)) await survives(node, shape, step);
          }),
        );
      });
    }
  }
});

/** It was away, from about the strike on, and the reason is one that fits. */
function assertAbsence(node: Document, beganAt: number, what: string, mayHaveHeld: boolean): void {
  const [latest] = node.absences;
  if (mayHaveHeld && (latest === undefined || Date.parse(latest.to as string) < beganAt)) return;
  const told = `${what}: ${JSON.stringify(node.absences)}`;
  assert.ok(latest !== undefined && latest.to !== null, told);
  assert.ok(ABSENCE_REASONS.includes(latest.reason) && ['lost', 'silent'].includes(latest.reason), told);
  assert.ok(Date.parse(latest.to) > beganAt && Date.parse(latest.from) < Date.parse(latest.to), told);
}
