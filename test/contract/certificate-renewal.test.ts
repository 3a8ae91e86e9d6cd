/** Certificates of nodes over their life: renewed under way, after the end, with another key, at any crash, and never for who was removed. */
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { readCertificate } from '../../src/lib/identity/certificate.js';
import { exportKey, spkiOf, createDeviceKey } from '../../src/lib/identity/device-key.js';
import { writeNodeIdentity } from '../../src/lib/identity/node-identity.js';
import { renewalDueAt, rotateMessage } from '../../src/lib/identity/renewal.js';
import { signPossession } from '../../src/lib/identity/pairing-proof.js';
import { readCredentials } from '../../src/lib/node/credentials.js';
import { leaveDaemon } from '../../src/lib/node/leave.js';
import { rotateOver } from '../../src/lib/node/link/renewal-calls.js';
import { renewCertificate, type RenewalStep, type RenewOptions } from '../../src/lib/node/renew.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { JoinedNode } from '../support/joined-node.js';
import { rejectsWith } from '../support/rejects-with.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

const DAY_MS = 86_400_000;

const connector = new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY });

describe('certificate renewal', function () {
  this.timeout(60_000);
  let target: TestDaemon;
  let clock: SteppedClock;
  let node: JoinedNode;
  let names = 0;
  let name: string;
  let idOf: string;
  let keyOf: string;

  /** Paired that long ago, and now it is now: what TLS thinks of a certificate follows the machine's own clock. */
  const pairedAgo = async (ms: number) => {
    clock = new SteppedClock();
    clock.step(-ms);
    target = await startTestDaemon({ heartbeatMs: 1_000 }, { clock });
    name = `pi-${names++}`;
    node = await JoinedNode.join(target, name, clock);
    const { identity, certificate } = await credentials();
    [idOf, keyOf] = [identity.deviceId, certificate.spkiFingerprint];
  };

  afterEach(async () => {
    await node?.stop();
    await target?.dispose();
  });

  const credentials = async (directory = node.stateDirectory) => (await readCredentials(directory))!;
  const renew = (over: Partial<RenewOptions> = {}) =>
    renewCertificate(
      { stateDirectory: node.stateDirectory, newKey: false, replacing: null, byKey: false, timeoutMs: 5_000, ...over },
      { clock },
    );
  const state = () => node.host?.status()?.state;
  const online = () => eventually(`${name} is online`, () => state() === 'online');
  /** The row as the daemon keeps it: what the API shows has one certificate. */
  const record = () => target.daemon.runtime.renewals.assertRenewable(idOf, keyOf);
  const view = async () =>
    (await ask({ socketPath: target.socketPath }, { path: `/v1/nodes/${name}` })).json.node as Record<string, never>;

  it('is due at two thirds of the life, five hundredths either way', () => {
    const notBefore = Date.now();
    const life = { notBefore, notAfter: notBefore + 90 * DAY_MS };
    for (let seed = 0; seed < 200; seed++) {
      const share = (renewalDueAt(life, systemRandom) - notBefore) / (90 * DAY_MS);
      assert.ok(share > 0.616 && share < 0.718, `${share}`);
    }
  });

  for (const transport of ['grpc', 'quic'] as const) {
    it(`renews by itself when it is due, and the link over ${transport} changes over without a gap`, async () => {
      await pairedAgo(66 * DAY_MS);
      const before = await credentials();
      clock.step(50 * DAY_MS);
      void node.start(clock, { transport });
      await online();
      const since = node.host?.status()?.since;
      let away = 0;
      node.host?.onState((status) => (away += status.state === 'online' ? 0 : 1));
      const runs: Promise<string>[] = [];
      const load = setInterval(() => runs.push(node.run()), 10);
      clock.step(16 * DAY_MS);
      await eventually(
        'it is renewed',
        async () => (await credentials()).certificate.serial !== before.certificate.serial,
        15_000,
      );
      await eventually('the old one is gone from the allow list', () => record().certificates.length === 1);
      await eventually('work has gone on meanwhile', () => runs.length > 5);
      clearInterval(load);
      const outcomes = await Promise.all(runs);
      assert.deepEqual([...new Set(outcomes)], ['succeeded']);
      assert.equal(record().certificates[0]?.serial, (await credentials()).certificate.serial);
      await eventually(
        'only the new connection is left',
        () => target.daemon.quic.connections <= (transport === 'quic' ? 1 : 0),
      );
      assert.equal(node.host?.status()?.transport.used, transport);
      assert.deepEqual([away, node.host?.status()?.since], [0, since]);
    });
  }

  it('keeps the grants, whatever the machine announces', async () => {
    await pairedAgo(0);
    const before = record();
    await renew();
    const after = record();
    assert.deepEqual([after.granted, after.name, after.id], [before.granted, before.name, before.id]);
    assert.deepEqual(
      after.certificates.map(({ acceptedUntil }) => acceptedUntil === null),
      [false, true],
    );
  });

  it('accepts the old certificate for ten minutes, unless the new one is used before', async () => {
    await pairedAgo(11 * 60_000);
    const old = await credentials();
    await renew();
    const rotateWithOld = () => {
      const { deviceId, nodeEndpoints } = old.identity;
      const signedAtMs = Math.round(clock.now());
      const message = rotateMessage({ deviceId, serial: old.certificate.serial, signedAtMs });
      const request = { publicKey: spkiOf(old.key), signedAtMs, possessionProof: signPossession(old.key, message) };
      return rotateOver(
        { clock, connector },
        { endpoint: nodeEndpoints[0]!, timeoutMs: 5_000, signal: undefined },
        old.material,
        request,
      );
    };
    assert.notEqual((await rotateWithOld()).certificate, '');
    clock.step(10 * 60_000 + 1_000);
    await rejectsWith(rotateWithOld(), 'CERTIFICATE_REVOKED');
  });

  it('refuses a signature of another key, a replayed one and one of another certificate', async () => {
    await pairedAgo(0);
    const now = await credentials();
    const { deviceId, nodeEndpoints } = now.identity;
    const rotate = (serial: string, signedAtMs: number, key = now.key, spki = spkiOf(now.key)) =>
      rotateOver(
        { clock, connector },
        { endpoint: nodeEndpoints[0]!, timeoutMs: 5_000, signal: undefined },
        now.material,
        {
          publicKey: spki,
          signedAtMs,
          possessionProof: signPossession(key, rotateMessage({ deviceId, serial, signedAtMs })),
        },
      );
    const { serial } = now.certificate;
    const time = Math.round(clock.now());
    await rejectsWith(rotate(serial, time, createDeviceKey()), 'PAIRING_PROOF_INVALID');
    await rejectsWith(rotate('00', time), 'PAIRING_PROOF_INVALID');
    const skew = await rejectsWith(rotate(serial, time - 7 * 60_000), 'CLOCK_SKEW');
    assert.match(skew.message, /clock of that machine is 7 minutes behind the daemon's/);
    const other = await JoinedNode.join(target, `${name}-other`);
    const taken = (await credentials(other.stateDirectory)).key;
    await rejectsWith(rotate(serial, time, taken, spkiOf(taken)), 'PAIRING_PROOF_INVALID');
    assert.equal(record().certificates.length, 1);
  });

  for (const newKey of [false, true]) {
    it(`leaves an identity that works, wherever it crashes${newKey ? ', with a new key too' : ''}`, async () => {
      await pairedAgo(0);
      const steps: RenewalStep[] = ['key-written', 'signed', 'identity-written', 'done'];
      for (const step of steps) {
        const crash = (reached: RenewalStep) => {
          if (reached === step) throw new Error('crash');
        };
        await renew({ newKey, onStep: crash }).catch(() => undefined);
        // As another process would find it.
        const copy = `${node.stateDirectory}-${step}-${newKey}`;
        await cp(node.stateDirectory, copy, { recursive: true });
        void node.start(clock, { directory: copy });
        await online();
        assert.equal(await node.run(), 'succeeded', step);
        await node.stop();
        await cp(copy, node.stateDirectory, { recursive: true, force: true });
      }
      assert.equal((await readdir(node.stateDirectory)).includes('device.key.next'), false);
    });
  }

  it('finds its way back when the answer was lost and the grace is over', async () => {
    await pairedAgo(11 * 60_000);
    await renew({
      newKey: true,
      onStep: (step) => {
        if (step === 'signed') throw new Error('crash');
      },
    }).catch(() => undefined);
    const key = exportKey((await credentials()).key);
    clock.step(11 * 60_000);
    void node.start(clock);
    await online();
    assert.equal(await node.run(), 'succeeded');
    assert.notEqual(exportKey((await credentials()).key), key, 'the daemon knows the new key');
  });

  it('renews with the key alone until 30 days after the end, and says so afterwards', async () => {
    await pairedAgo(121 * DAY_MS);
    clock.step(119 * DAY_MS);
    void node.start(clock);
    await online();
    assert.equal(await node.run(), 'succeeded');
    await node.stop();
    clock.step(121 * DAY_MS);
    const error = await rejectsWith(node.start(clock), 'CERTIFICATE_EXPIRED');
    assert.equal(error.exitCode, 78);
    assert.equal((await view()).presence, 'expired');
  });

  it('gives nothing to who was removed', async () => {
    await pairedAgo(0);
    await ask({ socketPath: target.socketPath }, { method: 'DELETE', path: `/v1/nodes/${name}` });
    await rejectsWith(renew(), 'NODE_REVOKED');
    await rejectsWith(renew({ byKey: true }), 'NODE_REVOKED');
  });

  it('lets a node leave by itself, also with an expired certificate; the daemon keeps nothing of it', async () => {
    await pairedAgo(95 * DAY_MS);
    clock.step(95 * DAY_MS);
    await leaveDaemon(node.stateDirectory, { clock }, { timeoutMs: 5_000 });
    assert.deepEqual(target.daemon.runtime.listNodes().nodes, []);
    await rejectsWith(leaveDaemon(node.stateDirectory, { clock }, { timeoutMs: 5_000 }), 'NODE_REVOKED');
    const { entries } = (await ask({ socketPath: target.socketPath }, { path: '/v1/audit' })).json;
    const actions = (entries as { action: string; actor: { kind: string } }[]).map(({ action }) => action);
    assert.ok(actions.includes('RevokeDevicePairing') && actions.includes('RenewDeviceCertificate'), actions.join());
  });

  it('is told that it left when the first answer is lost with its connection', async () => {
    await pairedAgo(0);
    const proxy = await CuttingProxy.start(target.ports.node);
    const stop = target.daemon.runtime.onRevoked(() => proxy.cut());
    try {
      const { identity } = await credentials();
      await writeNodeIdentity(node.stateDirectory, { ...identity, nodeEndpoints: [proxy.endpoint] });
      await rejectsWith(leaveDaemon(node.stateDirectory, { clock }, { timeoutMs: 5_000 }), 'NODE_REVOKED');
      assert.equal(proxy.accepted, 2);
      assert.deepEqual(target.daemon.runtime.listNodes().nodes, []);
    } finally {
      stop();
      proxy.close();
    }
  });

  it('renews the certificate of the daemon while it runs; new connections see it', async () => {
    await pairedAgo(270 * DAY_MS);
    const shown = async () => {
      const { probeCertificates } = await import('../../src/lib/node/tls-probe.js');
      return await probeCertificates(
        { host: '127.0.0.1', port: target.ports.public },
        { clock: systemClock, connector },
        { timeoutMs: 5_000 },
        (chain) => readCertificate(chain[0]!).fingerprint,
      );
    };
    const before = await shown();
    clock.step(200 * DAY_MS);
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    assert.equal(await shown(), before, 'more than a third is left');
    clock.step(70 * DAY_MS);
    await eventually('another certificate is shown', async () => (await shown()) !== before);
    assert.ok((await readdir(join(target.options.stateDirectory, 'identity'))).includes('server.crt'));
  });
});
