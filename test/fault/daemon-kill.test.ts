/**
 * The daemon dies without warning, again and again. What it accepted must be there when it is back, and end exactly once; nothing with an effect may
 * start twice. The moments of the kills come from a seed that is printed; `PALYRA_SEED` replays them.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DispatchView } from '../../src/lib/base/model.js';
import { TERMINAL_STATES } from '../../src/lib/base/model.js';
import type { Random } from '../../src/lib/base/random.js';
import { LiveDaemon, type Asked } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type RunningProcess } from '../support/palyra.js';
import { seededRandom } from '../support/seeded-random.js';

const SEED = Number(process.env['PALYRA_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
/** Kills in full flight; a campaign takes more. */
const KILLS = Number(process.env['PALYRA_KILLS'] ?? 3);
const NODES = ['pi', 'nas'] as const;
const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };
const IN_FLIGHT = 50;
const CLIENTS = 8;
/** From before the first run has begun until most are over. */
const KILL_WITHIN_MS = 600;
const BACK_WITHIN_MS = 35_000;

interface Planned {
  readonly node: string;
  readonly asked: Asked;
  /** Where an effect leaves its trace; null for what has none. */
  readonly trace: string | null;
}

describe(`kill -9 of the daemon (seed ${SEED})`, function () {
  this.timeout(120_000);
  const random = seededRandom(SEED);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let nodes: RunningProcess[];
  let round = 0;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    nodes = await Promise.all(NODES.map((name) => sandbox.joinNode(name, WITH_PROBE)));
  });
  // New processes start with a short back-off, so that one test does not wait for the outages of the one before.
  beforeEach(async () => {
    if (round++ === 0) return;
    await Promise.all(nodes.map((node) => node.end('SIGTERM')));
    nodes = await Promise.all(NODES.map((name) => sandbox.startNode(name, [], WITH_PROBE)));
  });
  after(() => sandbox.dispose());

  const nodesAreBack = async () => {
    await Promise.all(NODES.map((name) => daemon.nodeWhen(name, 'online', BACK_WITHIN_MS)));
    for (const node of nodes) assert.equal(node.child.exitCode, null, node.stderr);
  };

  for (let life = 1; life <= KILLS; life++) {
    it(`with ${IN_FLIGHT} dispatches in flight, time ${life}: each ends once, the nodes come back, no effect starts twice`, async () => {
      const plan = planned(sandbox, `life-${life}`, random);
      const accepted = await Promise.all(plan.map(({ node, asked }) => daemon.dispatch(node, asked)));
      assert.equal(new Set(accepted.map(({ id }) => id)).size, IN_FLIGHT);
      await pause(random.fraction() * KILL_WITHIN_MS);
      await daemon.kill();
      await daemon.startAgain();
      await nodesAreBack();
      const settled = await Promise.all(accepted.map(({ id }) => daemon.settled(id)));
      assertOutcomes(settled, plan);
      // What is over stays as it is.
      const again = await Promise.all(accepted.map(({ id }) => daemon.settled(id)));
      assert.deepEqual(again, settled);
    });
  }

  it('an operator who waits for a run is told its outcome by the next daemon', async () => {
    const waiting = sandbox.json(['nodes', 'invoke', 'pi', 'probe.sleep', 'ms=2500', 'marker=patient']);
    await daemon.nodeRuns('pi', 1);
    await daemon.kill();
    await daemon.startAgain();
    const { code, document } = await waiting;
    assert.equal(code, 0, JSON.stringify(document));
    assert.deepEqual([document.dispatch.state, document.dispatch.output.marker], ['succeeded', 'patient']);
  });

  it('while it accepts: what a client was told exists, what it was not told can be asked again, and nothing starts twice', async () => {
    const plan = planned(sandbox, 'accepting', random);
    const told = new Map<string, string>();
    const killAfter = 1 + Math.floor(random.fraction() * (IN_FLIGHT / 2));
    let killed: Promise<void> | undefined;
    /** Asks for all of it, a few at a time; gives back what it was answered instead of an id. */
    const askAll = async () => {
      const left = [...plan];
      const failures: unknown[] = [];
      const askOn = async () => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          const key = next.asked.idempotencyKey!;
          try {
            const { id } = await daemon.dispatch(next.node, next.asked);
            assert.equal(told.get(key) ?? id, id, 'one key, one dispatch');
            told.set(key, id);
            if (told.size >= killAfter) killed ??= daemon.kill();
          } catch (error) {
            failures.push(error);
          }
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, askOn));
      return failures;
    };
    await askAll();
    await killed;
    assert.ok(told.size >= killAfter && told.size <= killAfter + CLIENTS, `it was killed on the way: ${told.size}`);
    await daemon.startAgain();
    await nodesAreBack();
    await daemon.with(async (client) => {
      for (const id of told.values()) assert.equal((await client.showDispatch(id)).id, id);
    });
    assert.deepEqual(await askAll(), []);
    assert.equal(new Set(told.values()).size, IN_FLIGHT);
    const settled = await Promise.all(plan.map(({ asked }) => daemon.settled(told.get(asked.idempotencyKey!)!)));
    assertOutcomes(settled, plan);
  });
});

/** Half of them with effects, over both nodes, in no particular order of length. */
function planned(sandbox: Sandbox, name: string, random: Random): Planned[] {
  const directory = join(sandbox.directory, name);
  mkdirSync(directory);
  return Array.from({ length: IN_FLIGHT }, (_, index) => {
    const ms = Math.floor(random.fraction() * 120);
    const node = NODES[index % NODES.length]!;
    const idempotencyKey = `${name}-${index}`;
    if (index % 4 < 2) {
      return { node, trace: null, asked: { capability: 'probe.sleep', input: { ms, marker: name }, idempotencyKey } };
    }
    const trace = join(directory, `${index}`);
    return { node, trace, asked: { capability: 'probe.effect', input: { ms, file: trace }, idempotencyKey } };
  });
}

/** The nodes lived on, so everything that was accepted has run to its end. */
function assertOutcomes(settled: readonly DispatchView[], plan: readonly Planned[]): void {
  for (const [index, dispatch] of settled.entries()) {
    const { trace, asked } = plan[index]!;
    assert.equal(dispatch.capability, asked.capability);
    assert.ok((TERMINAL_STATES as readonly string[]).includes(dispatch.state));
    assert.equal(dispatch.state, 'succeeded', JSON.stringify(dispatch));
    if (trace === null) continue;
    assert.ok(existsSync(trace), `${dispatch.id} never ran`);
    assert.match(readFileSync(trace, 'utf8'), /^start (\d+)\nend \1\n$/, dispatch.id);
  }
}
