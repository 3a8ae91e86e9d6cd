import assert from 'node:assert/strict';
import { readCertificate } from '../../../src/lib/identity/certificate.js';
import { createDeviceKey } from '../../../src/lib/identity/device-key.js';
import { parseInviteLink } from '../../../src/lib/identity/invite-link.js';
import { fromServiceError } from '../../../src/lib/wire/grpc/status.js';
import { PairingMethod, PairingState } from '../../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { ask, startTestDaemon, type TestDaemon } from '../../support/test-daemon.js';
import { call, invite, pairTestNode, TestPairing } from '../../support/test-node.js';

describe('pairing over the public port', () => {
  let target: TestDaemon;
  const open: TestPairing[] = [];
  const pairingWith = async (code: string) => {
    const pairing = await TestPairing.with(target, code);
    open.push(pairing);
    return pairing;
  };

  before(async () => {
    target = await startTestDaemon();
  });
  afterEach(() => {
    for (const pairing of open.splice(0)) pairing.client.close();
  });
  after(() => target.dispose());

  it('gives a machine with a link a certificate for its own key, and only its endpoints', async () => {
    const node = await pairTestNode(target, { name: 'pi-lab' });
    assert.equal(node.name, 'pi-lab');
    assert.deepEqual(node.nodeEndpoints, [`127.0.0.1:${target.ports.node}`]);
    const facts = readCertificate(node.certificatePem);
    assert.deepEqual(facts.uris, [`urn:palyra:node:${node.deviceId}`]);
    const shown = await ask({ socketPath: target.socketPath }, { path: '/v1/nodes/pi-lab' });
    assert.equal(shown.json.node.id, node.deviceId);
    assert.equal(shown.json.node.presence, 'never-seen');
  });

  it('proves the daemon before the node has shown anything', async () => {
    const { link } = await invite(target);
    const pairing = await pairingWith(parseInviteLink(link).code);
    assert.equal(pairing.daemonIsProven(await pairing.begin()), true);
  });

  it('answers unknown, spent and revoked codes alike and not sooner than 250 ms', async () => {
    const spent = await invite(target);
    const first = await pairingWith(spent.code);
    await first.complete(await first.begin());
    const revoked = await invite(target);
    await ask({ socketPath: target.socketPath }, { method: 'DELETE', path: `/v1/invites/${revoked.id}` });
    for (const code of ['0000-0000-0000', spent.code, revoked.code]) {
      const pairing = await pairingWith(code);
      const startedAt = performance.now();
      await assert.rejects(pairing.begin(), (error) => {
        const { reason, detail } = fromServiceError(error);
        assert.deepEqual([reason, detail], ['INVITE_REFUSED', null]);
        return true;
      });
      assert.ok(performance.now() - startedAt >= 249);
    }
  });

  it('takes a session away before looking at what is in it: a wrong proof has one try', async () => {
    const { code } = await invite(target);
    const pairing = await pairingWith(code);
    const begun = await pairing.begin();
    const wrong = { codeProof: Buffer.alloc(32) };
    await assert.rejects(
      pairing.complete(begun, wrong),
      (error) => fromServiceError(error).reason === 'INVITE_REFUSED',
    );
    await assert.rejects(
      pairing.complete(begun),
      (error) => fromServiceError(error).reason === 'PAIRING_SESSION_UNKNOWN',
    );
  });

  it('refuses a code without possession of the key, and keeps the invite', async () => {
    const { code, id } = await invite(target);
    const pairing = await pairingWith(code);
    const wrong = { possessionProof: Buffer.alloc(70) };
    await assert.rejects(
      pairing.complete(await pairing.begin(), wrong),
      (error) => fromServiceError(error).reason === 'PAIRING_PROOF_INVALID',
    );
    const shown = await ask({ socketPath: target.socketPath }, { path: `/v1/invites/${id}` });
    assert.equal(shown.json.invite.state, 'open');
    assert.equal((await pairing.complete(await pairing.begin())).state, PairingState.PAIRING_STATE_ISSUED);
  });

  it('shows material only to the holder of the key, at about the right time', async () => {
    const { code } = await invite(target);
    const pairing = await pairingWith(code);
    const { requestId } = await pairing.complete(await pairing.begin());
    await assert.rejects(
      pairing.awaitMaterial(requestId, Date.now(), createDeviceKey()),
      (error) => fromServiceError(error).reason === 'PAIRING_PROOF_INVALID',
    );
    await assert.rejects(
      pairing.awaitMaterial(requestId, Date.now() - 6 * 60_000),
      (error) => fromServiceError(error).reason === 'CLOCK_SKEW',
    );
    const status = await call<{ state: PairingState; material: unknown }>((done) =>
      pairing.client.getPairingRequestStatus({ requestId }, done),
    );
    assert.equal(status.state, PairingState.PAIRING_STATE_ISSUED);
    assert.equal(status.material, undefined);
  });

  it('refuses what it does not speak, and keys that are not P-256', async () => {
    const { code } = await invite(target);
    const pairing = await pairingWith(code);
    const refusals: [Parameters<TestPairing['begin']>[0], string][] = [
      [{ protocol: { min: 2, max: 3 } }, 'PROTOCOL_UNSUPPORTED'],
      [{ method: PairingMethod.PAIRING_METHOD_UNSPECIFIED }, 'PROTOCOL_UNSUPPORTED'],
      [{ locator: Buffer.alloc(15) }, 'MESSAGE_INVALID'],
      [{ nodeNonce: Buffer.alloc(0) }, 'MESSAGE_INVALID'],
      [{ publicKey: Buffer.alloc(91) }, 'PAIRING_PROOF_INVALID'],
    ];
    for (const [more, reason] of refusals) {
      await assert.rejects(pairing.begin(more), (error) => fromServiceError(error).reason === reason, reason);
    }
  });

  it('keeps at most four half-done pairings of one source', async () => {
    const { code } = await invite(target, { uses: 10 });
    type Machine = Awaited<ReturnType<typeof pairingWith>>;
    const begun: { machine: Machine; session: Awaited<ReturnType<Machine['begin']>> }[] = [];
    for (;;) {
      const machine = await pairingWith(code);
      try {
        begun.push({ machine, session: await machine.begin() });
      } catch (error) {
        assert.equal(fromServiceError(error).reason, 'PAIRING_BUSY');
        break;
      }
    }
    assert.ok(begun.length <= 4);
    for (const { machine, session } of begun) await machine.complete(session).catch(() => undefined);
    await (await pairingWith(code)).begin();
  });
});
