/**
 * Networks that fail while a node's certificate is renewed, above all after the daemon has signed, and while a node follows its daemon to another CA. The node works
 * on with one certificate or is given another by the same command; the daemon accepts exactly one in the end, and what was dispatched meanwhile ends once.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/lib/base/clock.js';
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { spkiOf } from '../../src/lib/identity/device-key.js';
import { signPossession } from '../../src/lib/identity/pairing-proof.js';
import { rotateMessage } from '../../src/lib/identity/renewal.js';
import { readCredentials, type NodeCredentials } from '../../src/lib/node/credentials.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { rotateOver } from '../../src/lib/node/link/renewal-calls.js';
import { ChaosNode, type Effect } from '../support/chaos-node.js';
import { eventually } from '../support/eventually.js';
import { GatedProcess } from '../support/gated-process.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { CHAOS, ROUNDS, SHAPES, type Shape } from '../support/network-shapes.js';
import { Sandbox } from '../support/palyra.js';
import { rejectsWith } from '../support/rejects-with.js';
import { privateKeySecret, secretsBelow } from '../support/secret-search.js';

const SCRIPT = fileURLToPath(new URL('../support/renew-process.ts', import.meta.url));
const HEARTBEAT = ['--heartbeat', '300ms'];
const TRANSPORTS = ['grpc', 'quic', 'poll'] as const;
/** For a call of a renewal, and how long the network is bad: longer. */
const CALL_MS = 1_500;
const DARK_MS = CHAOS ? 2_500 : 1_800;
/** What the daemon says is that long under way, so that it can be lost when it has said it. */
const UNDER_WAY_MS = 400;
const ENDS_WITHIN_MS = 20_000;
const FOLLOWED_WITHIN_MS = 60_000;

interface Renewal {
  readonly shape: Shape;
  /** The network fails before it is asked for, or when the daemon has signed and before that is heard. */
  readonly step: 'asked' | 'signed';
  readonly key: 'same-key' | 'new-key';
}
const renewals = (shape: Shape): Renewal[] =>
  (['asked', 'signed'] as const).flatMap((step) =>
    (['same-key', 'new-key'] as const).map((key) => ({ shape, step, key })),
  );
const RENEWALS: readonly (readonly [string, readonly Renewal[]])[] = CHAOS
  ? SHAPES.map((shape) => [shape.name, renewals(shape)])
  : [['dark towards the node', [{ shape: SHAPES[2]!, step: 'signed', key: 'new-key' }]]];

/** Before the node is told, or when it knows and has no certificate of the new one yet. */
const FOLLOWING = ['told', 'known'] as const;
const ROTATIONS = CHAOS
  ? SHAPES.flatMap((shape) => FOLLOWING.map((step) => ({ shape, step })))
  : [{ shape: SHAPES[1]!, step: 'told' as const }];

describe('a network that fails while certificates are replaced', function () {
  this.timeout(240_000);
  const sandbox = new Sandbox();
  let daemon: LiveDaemon;
  let nodePort: number;
  let place: Parameters<typeof ChaosNode.pair>[0];
  let followers: ChaosNode[];
  const all: ChaosNode[] = [];
  let renewed = 0;

  before(async () => {
    const started = await sandbox.startDaemon({ args: HEARTBEAT });
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    nodePort = Number(new URL(started.urls['node-rpc'] as string).port);
    place = { sandbox, daemon, nodePort };
    followers = await Promise.all(TRANSPORTS.map((transport) => pair(transport, transport)));
  });
  after(async () => {
    await Promise.all(all.map((node) => node.end('SIGKILL')));
    for (const { shim } of all) shim.close();
    await sandbox.dispose();
  });

  const pair = async (name: string, transport: (typeof TRANSPORTS)[number]) => {
    const node = await ChaosNode.pair(place, { name, transport });
    all.push(node);
    node.start();
    await node.online();
    return node;
  };
  const credentialsOf = async (node: ChaosNode) => (await readCredentials(node.stateDirectory))!;
  const fingerprintAtDaemon = async (node: ChaosNode) =>
    (await node.shown()).certificate.fingerprint.replace(/^sha256:/, '') as string;
  /** As another process, through the bad network again if it had learned another address. */
  const startAgain = async (node: ChaosNode) => {
    await node.end('SIGTERM');
    node.throughShim();
    node.start();
    await node.online();
  };
  const askWith = (old: NodeCredentials) => {
    const connector = new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY });
    const signedAtMs = Date.now();
    const { deviceId } = old.identity;
    const proof = signPossession(old.key, rotateMessage({ deviceId, serial: old.certificate.serial, signedAtMs }));
    const call = { endpoint: `127.0.0.1:${nodePort}`, timeoutMs: 5_000, signal: undefined };
    const request = { publicKey: spkiOf(old.key), signedAtMs, possessionProof: proof };
    return rotateOver({ clock: systemClock, connector }, call, old.material, request);
  };
  const assertOnce = async (effects: readonly Effect[], what: string) => {
    for (const effect of effects)
      assert.deepEqual([(await effect.settled()).state, effect.starts, effect.ends], ['succeeded', 1, 1], what);
  };

  const renews = async ({ shape, step, key }: Renewal, node: ChaosNode) => {
    const what = `${shape.name}, ${step}, ${key}`;
    const before = await credentialsOf(node);
    const gateFile = join(sandbox.directory, `${node.name}.gate`);
    const words = [node.stateDirectory, key, gateFile, String(CALL_MS)];
    const renewal = new GatedProcess(SCRIPT, words, gateFile);
    await renewal.at('ask');
    const effects = [await node.effect(500)];
    await effects[0]!.begun();
    if (step === 'asked') {
      const striking = shape.strike(node.shim);
      renewal.go();
      await striking;
    } else {
      const known = await fingerprintAtDaemon(node);
      node.shim.delayDownMs = UNDER_WAY_MS;
      renewal.go();
      await eventually(async () => (await fingerprintAtDaemon(node)) !== known, `${what}: signed`);
      await shape.strike(node.shim);
    }
    effects.push(await node.effect(50));
    await pause(DARK_MS);
    node.shim.delayDownMs = 0;
    shape.heal(node.shim);
    const first = await renewal.ended(ENDS_WITHIN_MS);
    assert.ok(first !== null, `${what}: it does not wait for ever`);
    if (first !== 'renewed') {
      assert.equal(first, 'DAEMON_UNREACHABLE', what);
      const more = key === 'new-key' ? ['--new-key'] : [];
      const { code, stderr } = await sandbox.run(['node', 'renew', ...more], { home: node.name });
      assert.equal(code, 0, `${what}: the same command once more: ${stderr}`);
    }
    if (CHAOS) process.stdout.write(`      ${what}: ${first === 'renewed' ? 'by itself' : 'once more'}\n`);
    await node.answers();
    await startAgain(node);
    await node.answers();
    const now = await credentialsOf(node);
    assert.notEqual(now.certificate.serial, before.certificate.serial, what);
    assert.equal(
      await fingerprintAtDaemon(node),
      now.certificate.fingerprint,
      `${what}: it is the one the daemon knows`,
    );
    // What it replaced is not accepted from its first use on.
    await rejectsWith(askWith(before), 'CERTIFICATE_REVOKED');
    await assertOnce(effects, what);
  };

  const rotation = () => daemon.with((client) => client.caRotation());

  const follows = async (shape: Shape, step: (typeof FOLLOWING)[number]) => {
    const what = `${shape.name}, ${step}`;
    const each = <T>(act: (node: ChaosNode) => Promise<T> | T) => Promise.all(followers.map(act));
    const bundleOf = async (node: ChaosNode) => (await credentialsOf(node)).identity.trustBundle.join();
    const effects = await each((node) => node.effect(1_000));
    await Promise.all(effects.map((effect) => effect.begun()));
    const startedAt = async () => (await rotation()).startedAt;
    const begunBefore = await startedAt();
    const before = new Map(await each(async (node) => [node, await bundleOf(node)] as const));
    const striking = step === 'told' ? each((node) => shape.strike(node.shim)) : null;
    const asked = sandbox.json(['daemon', 'rotate-ca'], { timeoutMs: FOLLOWED_WITHIN_MS });
    if (step === 'known')
      await each(async (node) => {
        await eventually(async () => (await bundleOf(node)) !== before.get(node), 'it knows', 30_000);
        await shape.strike(node.shim);
      });
    else await eventually(async () => (await startedAt()) !== begunBefore, 'it has begun');
    await striking;
    effects.push(...(await each((node) => node.effect(50))));
    await pause(DARK_MS);
    for (const { shim } of followers) shape.heal(shim);
    const healed = performance.now();
    assert.equal((await asked).document.changed, true, what);
    await eventually(
      async () => (await rotation()).phase === 'done',
      `${what}: every node has followed`,
      FOLLOWED_WITHIN_MS,
    );
    const followedMs = Math.round(performance.now() - healed);
    if (CHAOS) process.stdout.write(`      ${what}: done ${followedMs} ms after the healing\n`);
    await each(async (node) => {
      await node.answers();
      await eventually(
        async () => (await credentialsOf(node)).identity.trustBundle.length === 1,
        'it trusts the new one',
      );
      const { certificate } = await credentialsOf(node);
      await eventually(
        async () => (await fingerprintAtDaemon(node)) === certificate.fingerprint,
        `${what}: one certificate`,
      );
    });
    await assertOnce(effects, what);
    await each(startAgain);
    await each((node) => node.answers());
  };

  for (let round = 1; round <= ROUNDS; round++) {
    for (const [title, cases] of RENEWALS) {
      it(`a renewal: ${title}${ROUNDS > 1 ? `, round ${round}` : ''}`, async () => {
        await Promise.all(
          cases.map(async (renewal) => {
            const number = renewed++;
            const node = await pair(`n${number}`, TRANSPORTS[number % TRANSPORTS.length]!);
            await renews(renewal, node);
            await node.end('SIGTERM');
            // Nobody waits for it when the CA is replaced.
            assert.equal((await sandbox.run(['nodes', 'remove', node.name, '--yes'])).code, 0);
          }),
        );
      });
    }
    for (const { shape, step } of ROTATIONS) {
      it(`another CA: ${shape.name}, ${step}${ROUNDS > 1 ? `, round ${round}` : ''}`, () => follows(shape, step));
    }
  }

  it('gave every certificate a serial of its own, and took no key from its machine', async () => {
    const { document } = await sandbox.json(['audit', 'list', '--action', 'RotateDeviceCertificate', '--limit', '500']);
    const serials = document.entries.flatMap(({ target }: { target: { serial?: string } }) => target.serial ?? []);
    assert.ok(serials.length >= RENEWALS.flatMap(([, cases]) => cases).length, JSON.stringify(document.entries[0]));
    assert.equal(new Set(serials).size, serials.length);
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(nodes.map(({ name }) => name).sort(), [...TRANSPORTS].sort());
    const keys = all.map((node) =>
      privateKeySecret(node.name, readFileSync(join(node.stateDirectory, 'device.key'), 'utf8')),
    );
    assert.deepEqual(secretsBelow(sandbox.home('daemon'), keys), []);
  });
});
