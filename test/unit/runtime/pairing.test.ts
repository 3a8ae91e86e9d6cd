import assert from 'node:assert/strict';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { RuntimeFixture, FACTS, OWNER, capability } from '../../support/runtime-fixture.js';

const reasonOf = (reason: string) => (error: unknown) => error instanceof PalyraError && error.reason === reason;
const MINUTE = 60_000;

describe('Pairing', () => {
  let fixture: RuntimeFixture;
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
  });
  const evaluate = (locator: string, keyFingerprint = 'key', address = '192.0.2.7') =>
    fixture.runtime.invites.evaluateLocator({ locator, address, keyFingerprint });

  it('issues for an open invite, takes the first label of the host name and grants what was announced', async () => {
    const { id, locator } = await fixture.invite();
    assert.equal((await evaluate(locator)).id, id);
    const approval = await fixture.redeem(id, 'key');
    assert.equal(approval.state, 'issued');
    assert.equal(approval.decidedBy, 'invite');
    const { node } = fixture.runtime.nodeDetails('raspberrypi');
    assert.deepEqual(node.capabilities, ['door.open', 'safe.read']);
    assert.equal(node.pairedBy, 'eva');
    assert.equal(fixture.runtime.invites.view(id).state, 'used');
  });

  it('answers an unknown, a used, a revoked and an expired code alike', async () => {
    const used = await fixture.invite();
    await fixture.redeem(used.id, 'first key');
    const revoked = await fixture.invite();
    await fixture.runtime.invites.revoke(OWNER, revoked.id);
    const expired = await fixture.invite({ expiresInMs: MINUTE });
    fixture.clock.advance(MINUTE);
    const answers = [];
    for (const locator of ['ff'.repeat(16), used.locator, revoked.locator, expired.locator]) {
      answers.push(await evaluate(locator).catch((error: PalyraError) => [error.reason, error.message, error.hint]));
    }
    assert.equal(answers[0]![0 as never], 'INVITE_REFUSED');
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
  });

  it('lets the machine that lost the answer ask again with the same key, and nobody else', async () => {
    const { id, locator } = await fixture.invite();
    const first = await fixture.redeem(id, 'key');
    await fixture.restart();
    assert.equal((await evaluate(locator, 'key')).id, id);
    const again = await fixture.redeem(id, 'key');
    assert.equal(again.nodeId, first.nodeId);
    assert.equal(fixture.runtime.invites.view(id).uses.left, 0);
    assert.equal(fixture.runtime.listNodes().nodes.length, 1);
    await assert.rejects(evaluate(locator, 'another key'), reasonOf('INVITE_REFUSED'));
    await assert.rejects(fixture.redeem(id, 'another key', { name: 'other' }), reasonOf('INVITE_REFUSED'));
  });

  it('never takes a name that belongs to another node, and spends nothing then', async () => {
    await fixture.pair('pi-lab');
    const { id } = await fixture.invite();
    await assert.rejects(fixture.redeem(id, 'key', { name: 'pi-lab' }), reasonOf('NAME_TAKEN'));
    assert.equal(fixture.runtime.invites.view(id).state, 'open');
    await assert.rejects(fixture.invite({ name: 'pi-lab' }), reasonOf('NAME_TAKEN'));
    await fixture.redeem(id, 'key', { name: 'pi-lab-2' });
  });

  it('frees the name of a removed node, whose certificate is refused with the reason', async () => {
    const { nodeId, serial } = await fixture.pair('pi-lab');
    await fixture.runtime.removeNode(OWNER, 'pi-lab');
    assert.throws(
      () => fixture.runtime.authenticateDevice({ deviceId: nodeId, serial, address: '' }),
      reasonOf('NODE_REVOKED'),
    );
    const again = await fixture.pair('pi-lab');
    assert.notEqual(again.nodeId, nodeId);
  });

  it('refuses a certificate that is not on the allow list of its device', async () => {
    const a = await fixture.pair('a');
    const b = await fixture.pair('b');
    for (const peer of [
      { deviceId: a.nodeId, serial: 'ffff' },
      { deviceId: a.nodeId, serial: b.serial },
      { deviceId: 'nod_UNKNOWN', serial: a.serial },
    ]) {
      assert.throws(
        () => fixture.runtime.authenticateDevice({ ...peer, address: '' }),
        reasonOf('CERTIFICATE_REVOKED'),
      );
    }
    assert.equal(
      fixture.runtime.authenticateDevice({ deviceId: a.nodeId, serial: a.serial, address: '' }).nodeId,
      a.nodeId,
    );
  });

  it('accepts a replaced certificate for ten minutes', async () => {
    const { id } = await fixture.invite({ usesMax: 5 });
    const first = await fixture.redeem(id, 'key');
    const oldSerial = '0001';
    await fixture.redeem(id, 'key');
    const authenticate = () =>
      fixture.runtime.authenticateDevice({ deviceId: first.nodeId!, serial: oldSerial, address: '' });
    fixture.clock.advance(10 * MINUTE - 1);
    authenticate();
    fixture.clock.advance(1);
    assert.throws(authenticate, reasonOf('CERTIFICATE_REVOKED'));
  });

  it('stops evaluating codes of an address after five wrong ones, across a restart, and a fresh invite still works', async () => {
    const old = await fixture.invite();
    for (let wrong = 0; wrong < 5; wrong++) {
      await assert.rejects(evaluate(`${wrong}`.repeat(32)), reasonOf('INVITE_REFUSED'));
    }
    await fixture.restart();
    await assert.rejects(evaluate('e'.repeat(32)), reasonOf('PAIRING_THROTTLED'));
    await assert.rejects(evaluate(old.locator), reasonOf('PAIRING_THROTTLED'));
    assert.equal((await evaluate(old.locator, 'key', '198.51.100.1')).id, old.id, 'another address is not punished');
    fixture.clock.advance(1);
    const fresh = await fixture.invite();
    assert.equal((await evaluate(fresh.locator)).id, fresh.id);
    fixture.clock.advance(3_600_000);
    await assert.rejects(evaluate('e'.repeat(32)), reasonOf('INVITE_REFUSED'));
  });

  it('evaluates at most twenty wrong codes an hour over all addresses', async () => {
    const reasons = new Map<string, number>();
    for (let guess = 0; guess < 200; guess++) {
      await evaluate(guess.toString(16).padStart(32, 'a'), 'key', `10.0.${guess}.1`).catch((error: PalyraError) =>
        reasons.set(error.reason, (reasons.get(error.reason) ?? 0) + 1),
      );
    }
    assert.deepEqual(
      [...reasons],
      [
        ['INVITE_REFUSED', 20],
        ['PAIRING_THROTTLED', 180],
      ],
    );
  });

  it('keeps a request that waits for a person under one id over retries and restarts', async () => {
    const { id } = await fixture.invite({ approval: 'person' });
    const first = await fixture.redeem(id, 'key');
    assert.equal(first.state, 'pending');
    assert.equal(fixture.runtime.listNodes().nodes.length, 0);
    assert.equal((await fixture.redeem(id, 'key')).id, first.id);
    await fixture.restart();
    assert.equal((await fixture.redeem(id, 'key')).id, first.id);
  });

  it('never widens what was granted when a node announces more later', async () => {
    const { nodeId, serial } = await fixture.pair('pi-lab');
    const caller = fixture.runtime.authenticateDevice({ deviceId: nodeId, serial, address: '' });
    const announced = [...FACTS.capabilities, capability('camera.snap')];
    const report = { facts: { ...FACTS, capabilities: announced }, protocol: { min: 1, max: 1 } };
    const registered = await fixture.runtime.registerNode(caller, report);
    assert.deepEqual(registered.grantedCapabilities, ['door.open', 'safe.read']);
    const request = { node: 'pi-lab', capability: 'camera.snap', inputJson: '{}', input: {} };
    await assert.rejects(fixture.runtime.requestDispatch(OWNER, request), reasonOf('CAPABILITY_NOT_GRANTED'));
  });

  it('grants only what the invite names', async () => {
    const { id } = await fixture.invite({ capabilities: ['safe.read'] });
    await fixture.redeem(id, 'key');
    assert.deepEqual(fixture.runtime.listNodes().nodes[0]!.capabilities, ['safe.read']);
  });
});
