/**
 * The delivery promises against random histories: enqueue, cancel, lost links, crashed nodes and daemons, wiped nodes, removed nodes, time.
 * Real runtime, real mailbox, in-memory durable store; nodes as `simulated-node.ts`. `PALYRA_HISTORIES` sets how many histories are run.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DownMessage } from '../../src/lib/base/link-messages.js';
import type { Caller, CapabilityDescriptor, DispatchView, NodeRecord } from '../../src/lib/base/model.js';
import { TERMINAL_STATES } from '../../src/lib/base/model.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { NodeRuntime } from '../../src/lib/runtime/runtime.js';
import { emptyTables } from '../../src/lib/runtime/state.js';
import { HandClock, settle } from '../support/hand-clock.js';
import { MemoryStateStore } from '../support/memory-state-store.js';
import { seededRandom } from '../support/seeded-random.js';
import { SimulatedNode } from '../support/simulated-node.js';

const OWNER: Caller = { kind: 'owner', name: 'eva' };
const HISTORIES = Number(process.env['PALYRA_HISTORIES'] ?? 300);
const TIMEOUT_MS = 60_000;

function descriptor(name: string, idempotent: boolean): CapabilityDescriptor {
  return {
    name,
    version: '1.0.0',
    summary: name,
    inputSchema: { type: 'object' },
    outputSchema: { type: 'object' },
    sideEffects: idempotent ? 'none' : 'external',
    mediation: 'none',
    idempotent,
    executionTimeoutMs: 30_000,
  };
}

const CAPABILITIES = [descriptor('safe.read', true), descriptor('door.open', false)];

function nodeRecord(id: string, name: string): NodeRecord {
  return {
    id,
    name,
    hostname: name,
    purpose: null,
    labels: {},
    platform: 'linux',
    arch: 'x64',
    version: '0.1.0',
    protocol: 1,
    keyFingerprint: id,
    certificates: [{ serial: '01', fingerprint: '00', notBefore: 0, notAfter: 4e12, acceptedUntil: null }],
    trust: 'paired',
    announced: CAPABILITIES,
    granted: CAPABILITIES.map((capability) => capability.name),
    pairedAt: 0,
    pairedBy: 'eva',
    removedAt: null,
    storeId: null,
    bootId: null,
    address: null,
    lastSeenAt: null,
    connectedAt: null,
    disconnectedAt: null,
    disconnectReason: null,
  };
}

class World {
  readonly clock = new HandClock();
  readonly nodes = ['nod_A', 'nod_B'].map((id) => new SimulatedNode(id));
  /** Ids whose caller was told OK. */
  readonly accepted = new Map<string, { idempotent: boolean }>();
  /** Terminal outcomes as first seen. */
  readonly outcomes = new Map<string, string>();
  store: MemoryStateStore;
  runtime!: NodeRuntime;

  constructor() {
    const tables = emptyTables();
    for (const node of this.nodes) tables.nodes.set(node.id, nodeRecord(node.id, node.id.toLowerCase()));
    this.store = new MemoryStateStore(tables);
  }

  async start(): Promise<void> {
    this.runtime = await NodeRuntime.open(
      {
        store: this.store,
        clock: this.clock,
        random: seededRandom(this.accepted.size + 1),
        log: silentLog,
        issuer: { issueNode: () => assert.fail('nothing is issued here') },
      },
      { ownerName: 'eva', version: '0.1.0' },
    );
  }

  /** kill -9: what was not durable is gone, every link drops, timers of the old process are dead. */
  async crashDaemon(): Promise<void> {
    for (const node of this.nodes) node.disconnected();
    this.store = this.store.restart();
    await this.start();
  }

  async connect(node: SimulatedNode): Promise<void> {
    if (node.revoked || node.session !== null) return;
    const caller = { kind: 'device', nodeId: node.id, serial: '01', address: '127.0.0.1' } as const;
    try {
      // A sink of its own for each connection: what an old daemon still sends goes nowhere.
      const sink = {
        transport: 'grpc' as const,
        send: (message: DownMessage) => void (node.connection === sink && node.inbox.push(message)),
        close: (reason: string) => void (node.connection === sink && node.close(reason)),
      };
      node.connection = sink;
      node.session = await this.runtime.openLink(caller, node.hello, sink);
    } catch (error) {
      assert.ok(error instanceof PalyraError && error.reason === 'NODE_REVOKED', String(error));
    }
  }

  drop(node: SimulatedNode): void {
    const { session } = node;
    node.disconnected();
    session?.closed('lost');
  }

  async enqueue(node: SimulatedNode, capability: CapabilityDescriptor, queue: boolean): Promise<void> {
    try {
      const view = await this.runtime.requestDispatch(OWNER, {
        node: node.id,
        capability: capability.name,
        inputJson: '{}',
        input: {},
        timeoutMs: TIMEOUT_MS,
        ...(queue ? { queueMs: 30_000 } : {}),
      });
      this.accepted.set(view.id, { idempotent: capability.idempotent });
    } catch (error) {
      assert.ok(error instanceof PalyraError, String(error));
      assert.ok(['NODE_OFFLINE', 'NODE_NOT_FOUND', 'QUEUE_FULL'].includes(error.reason), error.reason);
    }
  }

  check(): void {
    for (const [id, { idempotent }] of this.accepted) {
      const view = this.runtime.dispatchView(id);
      const outcome = JSON.stringify([view.state, view.output, view.error]);
      const before = this.outcomes.get(id);
      if (before !== undefined) assert.equal(outcome, before, `${id} changed after it was settled`);
      if (isTerminal(view)) this.outcomes.set(id, outcome);
      const executed = this.nodes.reduce((sum, node) => sum + (node.executions.get(id) ?? 0), 0);
      if (!idempotent) assert.ok(executed <= 1, `${id} is effectful and ran ${executed} times`);
      if (view.state === 'succeeded') assert.ok(executed >= 1, `${id} succeeded and never ran`);
      if (view.state === 'expired') assert.equal(executed, 0, `${id} expired and ran`);
      if (view.retrySafe && !idempotent && isTerminal(view))
        assert.equal(executed, 0, `${id} is called retry-safe and ran`);
    }
    for (const node of this.nodes) assert.deepEqual(node.startedAfterCancel, []);
  }
}

function isTerminal(view: DispatchView): boolean {
  return (TERMINAL_STATES as readonly string[]).includes(view.state);
}

type Step = (world: World) => void | Promise<void>;
const named = (name: string, step: Step): Step => Object.assign(step, { [fc.toStringMethod]: () => name });

const node = fc.nat({ max: 1 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(node, fc.nat({ max: 1 }), fc.boolean())
      .map(([n, c, queue]) =>
        named(`enqueue(${n}, ${CAPABILITIES[c]!.name}, ${queue})`, (w) =>
          w.enqueue(w.nodes[n]!, CAPABILITIES[c]!, queue),
        ),
      ),
  },
  { weight: 12, arbitrary: node.map((n) => named(`down(${n})`, (w) => w.nodes[n]!.deliver())) },
  {
    weight: 12,
    arbitrary: node.map((n) =>
      named(`up(${n})`, (w) => {
        const message = w.nodes[n]!.outbox.shift();
        if (message !== undefined) w.nodes[n]!.session?.receive(message);
      }),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(node, fc.nat({ max: 3 }), fc.constantFrom('succeeded' as const, 'failed' as const))
      .map(([n, nth, result]) => named(`finish(${n}, ${nth}, ${result})`, (w) => w.nodes[n]!.finish(nth, result))),
  },
  // Some steps of a healthy node in a row: without them hardly any history sees a result arrive.
  {
    weight: 6,
    arbitrary: fc.tuple(node, fc.integer({ min: 2, max: 8 })).map(([n, rounds]) =>
      named(`work(${n}, ${rounds})`, async (w) => {
        const it = w.nodes[n]!;
        await w.connect(it);
        for (let round = 0; round < rounds; round++) {
          it.deliver();
          it.finish(0, 'succeeded');
          const message = it.outbox.shift();
          if (message !== undefined) it.session?.receive(message);
          await settle();
        }
      }),
    ),
  },
  { weight: 4, arbitrary: node.map((n) => named(`connect(${n})`, (w) => w.connect(w.nodes[n]!))) },
  { weight: 2, arbitrary: node.map((n) => named(`drop(${n})`, (w) => w.drop(w.nodes[n]!))) },
  { weight: 2, arbitrary: node.map((n) => named(`beat(${n})`, (w) => w.nodes[n]!.beat())) },
  {
    weight: 2,
    arbitrary: node.map((n) =>
      named(`crashNode(${n})`, (w) => {
        const { session } = w.nodes[n]!;
        w.nodes[n]!.crash();
        session?.closed('lost');
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: node.map((n) =>
      named(`wipeNode(${n})`, (w) => {
        const { session } = w.nodes[n]!;
        w.nodes[n]!.wipe();
        session?.closed('lost');
      }),
    ),
  },
  { weight: 2, arbitrary: fc.constant(named('crashDaemon()', (w) => w.crashDaemon())) },
  {
    weight: 2,
    arbitrary: fc.nat().map((n) =>
      named(`cancel(${n})`, async (w) => {
        const id = [...w.accepted.keys()][n % Math.max(1, w.accepted.size)];
        if (id !== undefined) await w.runtime.cancelDispatch(OWNER, id);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(100, 1_000, 5_000, 11_000, 20_000, 40_000)
      .map((ms) => named(`advance(${ms})`, (w) => w.clock.advance(ms))),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(-3_600_000, -5_000, 5_000, 3_600_000)
      .map((ms) => named(`jump(${ms})`, (w) => w.clock.jump(ms))),
  },
);

describe('Delivery', function () {
  this.timeout(120_000 + HISTORIES * 60);

  it('keeps its promises through any history of crashes, lost links, cancels and time', async () => {
    const reached = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 80 }), fc.boolean(), async (history, removeLast) => {
        const world = new World();
        await world.start();
        for (const each of world.nodes) await world.connect(each);
        for (const step of history) {
          await step(world);
          await settle();
          world.check();
        }
        if (removeLast) {
          await world.runtime.removeNode(OWNER, 'nod_B');
          await settle();
          world.check();
        }
        // Everything accepted is over soon after the latest deadline, whatever the nodes do.
        world.clock.advance(TIMEOUT_MS + 30_000 + 5_000);
        await settle();
        await world.runtime.tick();
        await settle();
        world.check();
        for (const id of world.accepted.keys()) {
          const view = world.runtime.dispatchView(id);
          assert.ok(isTerminal(view), `${id} is still ${view.state} after its deadline`);
          reached.set(view.state, (reached.get(view.state) ?? 0) + 1);
        }
        assert.equal(world.runtime.openDispatchCount(), 0);
      }),
      { numRuns: HISTORIES, endOnFailure: false },
    );
    // A campaign that never reaches an outcome proves nothing about it.
    for (const state of TERMINAL_STATES) {
      if (state !== 'denied')
        assert.ok((reached.get(state) ?? 0) > 0, `no history ended ${state}: ${JSON.stringify([...reached])}`);
    }
  });
});
