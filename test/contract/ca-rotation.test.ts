/** The CA of a daemon is replaced while nodes work over real TLS and QUIC: nothing is lost, nothing is paired again, and the old one is worth nothing afterwards. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../src/lib/base/clock.js';
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { NODE_PROTOCOL } from '../../src/lib/base/model.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { acquireLock } from '../../src/lib/base/lock.js';
import { FORCE_WAIT_MS } from '../../src/lib/daemon/ca-rotation.js';
import { createDaemon } from '../../src/lib/daemon/daemon.js';
import { parseInviteLink } from '../../src/lib/identity/invite-link.js';
import { renewalLock } from '../../src/lib/node/trust-update.js';
import { readCredentials } from '../../src/lib/node/credentials.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { linkFactories } from '../../src/lib/node/link/factories.js';
import { enroll } from '../../src/lib/node/enroll.js';
import { TEST_FACTS, invite } from '../support/test-node.js';
import { JoinedNode } from '../support/joined-node.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { rejectsWith } from '../support/rejects-with.js';
import { eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

describe('the replacement of the CA', function () {
  this.timeout(120_000);
  let target: TestDaemon;
  let client: ControlPlaneClient;
  const nodes: JoinedNode[] = [];

  beforeEach(async () => {
    target = await startTestDaemon({ heartbeatMs: 500 });
    client = new ControlPlaneClient({ socketPath: target.socketPath });
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await client.close();
    await target.dispose();
  });

  const join_ = async (name: string, transport: 'grpc' | 'quic' | 'poll' = 'grpc') => {
    const node = await JoinedNode.join(target, name);
    nodes.push(node);
    void node.start(systemClock, { transport });
    await isOnline(node);
    return node;
  };
  const isOnline = (node: JoinedNode) => eventually('it is online', () => node.host?.status()?.state === 'online');
  const rotation = () => client.caRotation();
  const until = (phase: string) =>
    eventually(`the rotation is ${phase}`, async () => (await rotation()).phase === phase, 40_000);
  const credentials = async (node: JoinedNode) => (await readCredentials(node.stateDirectory))!;
  const identityFiles = () => readdir(join(target.options.stateDirectory, 'identity'));
  const caPem = () => readFile(join(target.options.stateDirectory, 'identity', 'ca.crt'), 'utf8');
  const enrollAs = (directory: string, link: string) =>
    enroll(
      {
        target: { kind: 'link', link: parseInviteLink(link) },
        stateDirectory: join(target.home, directory),
        name: directory,
        facts: TEST_FACTS,
      },
      { clock: systemClock, random: systemRandom, log: silentLog },
    );
  const restart = async () => {
    await target.daemon.stop();
    const { public: port, node: nodePort } = target.ports;
    const options = { ...target.options, port, nodePort };
    const daemon = await createDaemon(options, { clock: systemClock, random: systemRandom, log: silentLog });
    target = { ...target, daemon, dispose: async () => daemon.stop() };
  };

  it('reaches a node that was told while something else changed its identity', async () => {
    const node = await join_('pi');
    const lock = renewalLock(node.stateDirectory);
    await mkdir(lock, { recursive: true, mode: 0o700 });
    const unlock = await acquireLock(lock);
    await client.rotateCa({});
    await pause(1_500);
    assert.deepEqual((await rotation()).nodes.holding, 0, 'it cannot keep what it is told');
    await unlock();
    await until('done');
  });

  it('goes through by itself when every node is there, over each transport, under load', async () => {
    const fleet = [await join_('nas'), await join_('pi', 'quic'), await join_('tv', 'poll')];
    const before = await Promise.all(fleet.map(credentials));
    const oldCa = await caPem();
    const { link } = await invite(target, { name: 'late' });
    let away = 0;
    for (const node of fleet) node.host!.onState(({ state }) => (away += state === 'online' ? 0 : 1));
    let isOver = false;
    const lane = async (node: JoinedNode) => {
      const outcomes: string[] = [];
      while (!isOver) {
        outcomes.push(await node.run());
        await pause(20);
      }
      return outcomes;
    };
    const lanes = fleet.map(lane);
    const begun = await client.rotateCa({});
    assert.equal(begun.changed, true);
    assert.equal((await client.rotateCa({})).changed, false, 'one at a time');
    await until('done');
    await pause(300);
    isOver = true;
    const outcomes = (await Promise.all(lanes)).flat();
    assert.deepEqual([...new Set(outcomes)], ['succeeded']);
    assert.ok(outcomes.length > 10, `${outcomes.length}`);
    assert.equal(away, 0, 'no link was down');

    const newCa = await caPem();
    assert.notEqual(newCa, oldCa);
    assert.deepEqual(
      (await identityFiles()).filter((name) => name.includes('next')),
      [],
    );
    for (const [index, node] of fleet.entries()) {
      await eventually('it trusts the new one alone', async () => {
        const { trustBundle } = (await credentials(node)).identity;
        return (
          trustBundle.length === 1 && new X509Certificate(trustBundle[0]!).raw.equals(new X509Certificate(newCa).raw)
        );
      });
      const { identity } = await credentials(node);
      assert.ok(new X509Certificate(identity.certificatePem).verify(new X509Certificate(newCa).publicKey));
      assert.deepEqual(
        [identity.caPin, identity.deviceId],
        [before[index]!.identity.caPin, before[index]!.identity.deviceId],
      );
    }
    const view = await rotation();
    assert.deepEqual([view.nodes.holding, view.nodes.waiting, view.leftBehind, view.invites], [3, [], [], 1]);
    await rejectsWith(enrollAs('late', link), 'DAEMON_IDENTITY_MISMATCH');
    assert.equal((await client.listInvites()).find(({ name }) => name === 'late')?.state, 'revoked');
    const fresh = await invite(target, { name: 'fresh' });
    assert.notEqual((await enrollAs('fresh', fresh.link)).deviceId, '');

    // Who copied a certificate of the old one, and its key, gets nowhere, even knowing the new CA.
    const { material, identity: copied } = before[0]!;
    const thief = { ...material, trustBundle: [newCa] };
    const [endpoint = ''] = copied.nodeEndpoints;
    const facts = { deviceId: copied.deviceId, protocol: NODE_PROTOCOL, facts: TEST_FACTS, bootId: 'b', storeId: 's' };
    const connector = new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY });
    const deps = { clock: systemClock, random: systemRandom, log: silentLog, connector };
    for (const { transport, connect } of linkFactories(thief, deps)) {
      const link = connect(endpoint);
      const refused = link.register({ ...facts, pluginFailures: [] }, AbortSignal.timeout(5_000));
      await assert.rejects(refused, { reason: 'DAEMON_UNREACHABLE' }, `${transport}: TLS lets nobody in`);
      link.destroy();
    }

    for (const node of fleet) await node.stop();
    await restart();
    for (const node of fleet) void node.start();
    for (const node of fleet) await isOnline(node);
    assert.equal(await fleet[0]!.run(), 'succeeded');
    assert.equal((await rotation()).phase, 'done');
  });

  it('waits for a node that is away, over restarts of the daemon, and what was open goes on working meanwhile', async () => {
    const nas = await join_('nas');
    const macbook = await join_('macbook', 'quic');
    await macbook.stop();
    const { link } = await invite(target, { name: 'late' });
    await client.rotateCa({});
    await eventually('the other one has it', async () => (await rotation()).nodes.holding === 1);
    const waiting = await rotation();
    assert.deepEqual([waiting.phase, waiting.nodes.total, waiting.invites], ['overlap', 2, 1]);
    assert.deepEqual(waiting.nodes.waiting, [{ name: 'macbook', online: false }]);

    const late = await enrollAs('late', link);
    assert.equal(late.trustBundle.length, 2);
    const next = late.trustBundle.find((pem) =>
      new X509Certificate(late.certificatePem).verify(new X509Certificate(pem).publicKey),
    );
    assert.notEqual(new X509Certificate(next!).fingerprint256, new X509Certificate(await caPem()).fingerprint256);
    await client.removeNode('late');

    await nas.stop();
    await restart();
    void nas.start();
    await isOnline(nas);
    assert.equal((await rotation()).nodes.holding, 1, 'who had it has it');
    assert.equal(await nas.run(), 'succeeded');
    void macbook.start(systemClock, { transport: 'quic' });
    await until('done');
    await isOnline(macbook);
    assert.deepEqual((await rotation()).leftBehind, []);
    assert.equal(await macbook.run(), 'succeeded');
  });

  it('forced, it leaves behind who is away: that machine says so and has to be paired again', async () => {
    const nas = await join_('nas');
    const macbook = await join_('macbook');
    await macbook.stop();
    await client.rotateCa({ force: true });
    await until('done');
    assert.deepEqual((await rotation()).leftBehind, ['macbook']);
    assert.equal(await nas.run(), 'succeeded');
    assert.equal((await client.showNode('macbook')).node.presence, 'expired');
    void macbook.start();
    await eventually('it says why', () => macbook.host?.status()?.lastError?.reason === 'DAEMON_IDENTITY_MISMATCH');
    await macbook.stop();
    // It does not hold up the next one.
    await client.rotateCa({});
    await eventually('the next one is done too', async () => (await rotation()).phase === 'done');
  });

  it('forced, it tells a node that is there and does not follow, which ends for good', async () => {
    await target.dispose();
    const clock = new SteppedClock();
    target = await startTestDaemon({ heartbeatMs: 500 }, { clock });
    await client.close();
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    const stuck = await JoinedNode.join(target, 'stuck');
    nodes.push(stuck);
    // Somebody else is busy with its identity all the time.
    await mkdir(join(stuck.stateDirectory, 'renewal'), { mode: 0o700 });
    const unlock = await acquireLock(join(stuck.stateDirectory, 'renewal'));
    const ended = stuck.start();
    await isOnline(stuck);
    await client.rotateCa({ force: true });
    await pause(1_200);
    assert.equal((await rotation()).phase, 'overlap', 'it is there, so it gets its time');
    clock.step(FORCE_WAIT_MS);
    await assert.rejects(ended, { reason: 'NODE_REVOKED', message: /the CA of the daemon was replaced/ });
    await until('done');
    assert.deepEqual((await rotation()).leftBehind, ['stuck']);
    await unlock();
  });

  it('keeps the old one as long as it was asked to', async () => {
    await join_('nas');
    await client.rotateCa({ keepMs: 3_600_000 });
    await eventually('everybody has it', async () => (await rotation()).nodes.waiting.length === 0);
    await pause(1_500);
    assert.equal((await rotation()).phase, 'overlap');
    await client.rotateCa({ force: true });
    await until('done');
  });
});
