/**
 * What happens to a node in its life: its daemon is not there when it starts, is killed, moves to another address behind the same name; its certificate is replaced
 * while it runs; it is killed in the middle of a run; its handlers take long, or take the whole process. Processes of their own, over each transport.
 *
 * It never ends for any of that, is back within one back-off, beats while handlers run, and starts nothing twice.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readCredentials } from '../../src/lib/node/credentials.js';
import { BACKOFF_CAP_MS, ChaosNode } from '../support/chaos-node.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { CHAOS } from '../support/network-shapes.js';
import { OtherNames } from '../support/other-names.js';
import { Sandbox } from '../support/palyra.js';

const BLOCKING = fileURLToPath(new URL('../fixtures/blocking-capability.js', import.meta.url));
const TRANSPORTS = ['grpc', 'quic', 'poll'] as const;
/** Five lives on three nodes, twice. */
const ROUNDS = CHAOS ? 2 : 1;
const MOVES = 'its daemon moves: the same name leads to another address';
const HEARTBEAT_MS = 500;
/** With five seconds between them no two heartbeats are further apart than seven; a busy machine adds to that. */
const GAP_MS = HEARTBEAT_MS * 1.4 + 700;
/** So many of its heartbeats the daemon waits before it takes a node for gone. */
const GONE_AFTER = 4;
const BACK_WITHIN_MS = BACKOFF_CAP_MS + 9_000;
const NAME = 'daemon.palyra.test';

describe('the life of a node', function () {
  this.timeout(120_000);
  const sandbox = new Sandbox();
  let daemon: LiveDaemon;
  let nodePort: number;
  let names: OtherNames | null;
  let nodes: ChaosNode[];

  before(async () => {
    const started = await sandbox.startDaemon({ args: ['--heartbeat', `${HEARTBEAT_MS}ms`] });
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    nodePort = Number(new URL(started.urls['node-rpc'] as string).port);
    names = OtherNames.make(join(sandbox.directory, 'hosts'));
    const place = { sandbox, daemon, nodePort };
    const same = { modules: [BLOCKING], ...(names === null ? {} : { through: names.through }) };
    nodes = await Promise.all(
      TRANSPORTS.map((transport) => ChaosNode.pair(place, { name: transport, transport, ...same })),
    );
    for (const node of nodes) node.start();
    await each((node) => node.online());
  });
  after(async () => {
    await Promise.all((nodes ?? []).map((node) => node.end('SIGKILL')));
    for (const { shim } of nodes ?? []) shim.close();
    await sandbox.dispose();
  });

  const each = <T>(act: (node: ChaosNode) => Promise<T>) => Promise.all(nodes.map(act));
  const startDaemonAt = (address: string) =>
    daemon.startAgain(['--heartbeat', `${HEARTBEAT_MS}ms`, '--listen', address]);
  const isBack = (node: ChaosNode, since: number) => {
    const tookMs = Math.round(performance.now() - since);
    assert.ok(tookMs < BACK_WITHIN_MS, `${node.name} was back after ${tookMs} ms`);
    assert.equal(node.child.exitCode, null, `${node.name} goes on`);
  };
  const endsOnce = async (node: ChaosNode, effect: Awaited<ReturnType<ChaosNode['effect']>>) =>
    assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['succeeded', 1, 1], node.name);

  const lives: Readonly<Record<string, () => Promise<void>>> = {
    'its daemon is not there when it starts, and comes later': async () => {
      await each((node) => node.end('SIGTERM'));
      await daemon.kill();
      for (const node of nodes) node.start();
      await each((node) =>
        eventually(
          () => node.states.slice(node.states.lastIndexOf('stopping')).filter((s) => s === 'offline').length >= 3,
          'it tries',
        ),
      );
      await startDaemonAt('127.0.0.1');
      const since = performance.now();
      await each(async (node) => {
        await node.answers();
        isBack(node, since);
      });
    },
    'its daemon is killed under a run': async () => {
      const effects = await each((node) => node.effect(1_500));
      await Promise.all(effects.map((effect) => effect.begun()));
      await daemon.kill();
      await startDaemonAt('127.0.0.1');
      const since = performance.now();
      await each(async (node) => {
        await node.answers();
        isBack(node, since);
        await endsOnce(node, effects[nodes.indexOf(node)]!);
      });
    },
    'it is killed in the middle of a run': async () => {
      const effects = await each((node) => node.effect(60_000));
      await Promise.all(effects.map((effect) => effect.begun()));
      await each((node) => node.end('SIGKILL'));
      for (const node of nodes) node.start();
      await each((node) => node.answers());
      for (const effect of effects)
        assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['unknown', 1, 0]);
    },
    'its certificate is replaced under a run, and its link is cut': async () => {
      const effects = await each((node) => node.effect(2_500));
      await Promise.all(effects.map((effect) => effect.begun()));
      await each(async (node) => {
        const { certificate: old } = (await readCredentials(node.stateDirectory))!;
        assert.equal((await sandbox.run(['node', 'renew'], { home: node.name })).code, 0);
        const { certificate } = (await readCredentials(node.stateDirectory))!;
        assert.notEqual(certificate.serial, old.serial);
        node.throughShim();
        node.shim.cut();
        node.shim.halfOpen();
        await node.answers();
        await endsOnce(node, effects[nodes.indexOf(node)]!);
        assert.equal(node.child.exitCode, null);
      });
    },
    [MOVES]: async () => {
      await each((node) => node.end('SIGTERM'));
      names!.lead(NAME, '127.0.0.1');
      for (const node of nodes) {
        node.throughShim(`${NAME}:${nodePort}`);
        node.start();
      }
      await each((node) => node.answers());
      for (const address of ['127.0.0.2', '127.0.0.1']) {
        await daemon.kill();
        await startDaemonAt(address);
        // It has been looked up in vain by then, and has led to where nobody is any more.
        await pause(BACKOFF_CAP_MS);
        names!.lead(NAME, address);
        const since = performance.now();
        await each(async (node) => {
          await node.answers();
          isBack(node, since);
        });
      }
      await each((node) => node.end('SIGTERM'));
      for (const node of nodes) {
        node.throughShim();
        node.start();
      }
      await each((node) => node.answers());
    },
  };

  for (let round = 1; round <= ROUNDS; round++) {
    for (const [title, live] of Object.entries(lives)) {
      if (!CHAOS && title !== MOVES) continue;
      it(`${title}${ROUNDS > 1 ? `, round ${round}` : ''}`, async function () {
        if (title === MOVES && names === null) {
          process.stderr.write('      not tried: no process can have an /etc/hosts of its own here (it takes root)\n');
          this.skip();
        }
        await live();
      });
    }
  }

  /** The longest time between two signs of life that the daemon had, while `until` is not over. */
  const longestGap = (node: ChaosNode, until: Promise<unknown>): Promise<number> =>
    daemon.with(async (client) => {
      let isOver = false;
      void until.finally(() => (isOver = true));
      const seen = async () => {
        const { presence, lastSeenAt } = (await client.showNode(node.name)).node;
        assert.ok(presence === 'online' || presence === 'late', `${node.name}: ${presence}`);
        return Date.parse(lastSeenAt!);
      };
      let longestMs = 0;
      for (let last = await seen(); !isOver;) {
        await pause(20);
        const now = await seen();
        longestMs = Math.max(longestMs, now - last);
        last = now;
      }
      return longestMs;
    });

  it('beats while its handlers run, as many as it has room for', async () => {
    await each(async (node) => {
      const runs = await Promise.all(
        Array.from({ length: 16 }, (_, index) =>
          index % 2 === 0 ? node.dispatch('probe.sleep', { ms: 3_000 }) : node.effect(3_000),
        ),
      );
      const ids = runs.map((run) => (typeof run === 'string' ? run : run.id));
      const settled = Promise.all(ids.map((id) => daemon.settled(id)));
      const gapMs = await longestGap(node, settled);
      if (CHAOS) process.stdout.write(`      ${node.name}: ${gapMs} ms between heartbeats of ${HEARTBEAT_MS} ms\n`);
      assert.ok(gapMs > 0 && gapMs <= GAP_MS, `${node.name}: ${gapMs} ms without a heartbeat`);
      for (const { state } of await settled) assert.equal(state, 'succeeded');
    });
  });

  if (!CHAOS) return;
  it('is taken for gone while a handler takes the whole process, and tells the outcome once when it can', async () => {
    await each(async (node) => {
      const effect = await node.effect((GONE_AFTER + 3) * HEARTBEAT_MS, 'stall.process');
      await daemon.nodeWhen(node.name, 'offline');
      await endsOnce(node, effect);
      await node.answers();
      assert.equal(node.child.exitCode, null, 'two minutes of that would have ended it: see the watchdog');
      const [{ reason, to }] = (await node.shown()).absences;
      assert.ok(to !== null, `${node.name}: ${reason}`);
    });
  });
});
