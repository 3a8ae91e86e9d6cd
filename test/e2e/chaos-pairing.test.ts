/**
 * Networks that fail while a machine pairs, in every shape, at every step of the conversation. Whatever was lost, above all the answer to a request that has spent
 * the invite: the machine is paired in the end by itself or by the same command once more, it is one node, and its key has not left it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { GatedProcess } from '../support/gated-process.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { NetShim } from '../support/net-shim.js';
import { CHAOS, ROUNDS, SHAPES, type Shape } from '../support/network-shapes.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { privateKeySecret, secretsBelow } from '../support/secret-search.js';

const SCRIPT = fileURLToPath(new URL('../support/enroll-process.ts', import.meta.url));
/** For one step; the network is bad for longer, or, every second round, for less. */
const STEP_MS = CHAOS ? 1_500 : 1_000;
const LONG_DARK_MS = CHAOS ? 2_500 : 1_500;
const SHORT_DARK_MS = 600;
/** A try that gives up has given up by then: four tries, their pauses, and a busy machine. */
const ENDS_WITHIN_MS = 25_000;

/**
 * Where the machine is when the network fails: before the first look, before the session, before the proofs are sent, after the daemon has decided and before that
 * is heard, before the material is asked for.
 */
const STEPS = ['probe', 'begin', 'complete', 'answer', 'material'] as const;
type Step = (typeof STEPS)[number];

interface Case {
  readonly shape: Shape;
  readonly step: Step;
  readonly round: number;
}

const every = (round: number) => SHAPES.flatMap((shape) => STEPS.map((step): Case => ({ shape, step, round })));
/** Where it hurts: the answer is lost, and a connection that nobody has forgotten but those in between. */
const SHORT: readonly Case[] = [
  { shape: SHAPES[2]!, step: 'answer', round: 0 },
  { shape: SHAPES[3]!, step: 'material', round: 0 },
];
const GROUPS: readonly (readonly [string, readonly Case[]])[] = CHAOS
  ? Array.from({ length: ROUNDS }, (_, round) =>
      SHAPES.map(
        (shape) => [`${shape.name}, round ${round + 1}`, every(round).filter((each) => each.shape === shape)] as const,
      ),
    ).flat()
  : [['dark towards the node, or half open', SHORT]];

describe('a network that fails while a machine pairs', function () {
  this.timeout(180_000);
  const sandbox = new Sandbox();
  let daemon: LiveDaemon;
  let publicPort: number;
  const machines: string[] = [];
  const shims: NetShim[] = [];

  before(async () => {
    const started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    publicPort = Number(new URL(started.urls.public as string).port);
  });
  after(async () => {
    for (const shim of shims) shim.close();
    await sandbox.dispose();
  });

  const stateOf = (name: string) => join(sandbox.home(name), 'state', 'node');
  const inviteOf = async (id: string): Promise<Document> => {
    const { document } = await sandbox.json(['invites', 'show', id]);
    return document.invite;
  };

  const strike = async ({ shape, step }: Case, shim: NetShim, machine: GatedProcess, invite: string) => {
    if (step !== 'answer') {
      const striking = shape.strike(shim);
      machine.go();
      await striking;
      return;
    }
    // The request goes up, and what the daemon says to it does not come down.
    shim.dark('down');
    machine.go();
    await eventually(async () => (await inviteOf(invite)).state === 'used', 'the invite is spent');
    await shape.strike(shim);
  };

  const survives = async (each: Case) => {
    const { shape, step, round } = each;
    const name = `m${machines.length}`;
    machines.push(name);
    const what = `${shape.name}, ${step}`;
    const shim = await NetShim.start(publicPort);
    shims.push(shim);
    // So many in a minute are more than a daemon makes.
    const invite = () => sandbox.invite(['--name', name, '--address', shim.endpoint]).catch(() => undefined);
    const { id, link } = await eventually(invite, 'an invite', 60_000);
    const gateFile = join(sandbox.directory, `${name}.gate`);
    const words = [stateOf(name), link as string, step === 'answer' ? 'complete' : step, gateFile, String(STEP_MS)];
    const machine = new GatedProcess(SCRIPT, words, gateFile);
    try {
      await machine.at(step === 'answer' ? 'complete' : step);
      await strike(each, shim, machine, id as string);
      await pause(round % 2 === 0 ? LONG_DARK_MS : SHORT_DARK_MS);
      shape.heal(shim);
      const first = await machine.ended(ENDS_WITHIN_MS);
      assert.ok(first !== null, `${what}: it does not wait for ever`);
      if (first !== 'paired') {
        assert.equal(first, 'DAEMON_UNREACHABLE', what);
        const { code, stderr } = await sandbox.run(['node', 'pair', link as string], { home: name });
        assert.equal(code, 0, `${what}: the same command once more: ${stderr}`);
      }
      if (CHAOS) process.stdout.write(`      ${what}: ${first === 'paired' ? 'by itself' : 'once more'}\n`);
      const { state, redeemedBy } = await inviteOf(id as string);
      assert.deepEqual([state, redeemedBy.length], ['used', 1], what);
      const node = await sandbox.startNode(name);
      const { document } = await sandbox.json(['nodes', 'invoke', name, 'echo', 'text=here']);
      assert.equal(document.dispatch?.state, 'succeeded', `${what}: ${JSON.stringify(document)}`);
      await node.end('SIGTERM');
    } finally {
      await machine.kill();
    }
  };

  for (const [title, cases] of GROUPS) {
    it(title, async () => {
      await Promise.all(cases.map(survives));
    });
  }

  it('made one node of each machine, with one certificate and a serial of its own, and no key has left its machine', async () => {
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(nodes.map(({ name }) => name).sort(), [...machines].sort());
    const { document } = await sandbox.json(['approvals', 'list']);
    assert.deepEqual(
      document.requests.filter(({ kind }: { kind: string }) => kind === 'join'),
      [],
    );
    const keys = machines.map((name) =>
      privateKeySecret(name, readFileSync(join(stateOf(name), 'device.key'), 'utf8')),
    );
    assert.deepEqual(secretsBelow(sandbox.home('daemon'), keys), []);
  });
});
