import assert from 'node:assert/strict';
import type { PalyraError } from '../../../src/lib/base/errors.js';
import type { JoinRecord } from '../../../src/lib/base/requests.js';
import type { ApproveAnswer } from '../../../src/lib/runtime/approvals.js';
import { MAX_PENDING_REQUESTS, REQUEST_TTL_MS } from '../../../src/lib/runtime/pairing.js';
import { MAX_PENDING_PER_SOURCE, MAX_PIN_RENEWALS, MAX_WRONG_PINS } from '../../../src/lib/runtime/pin-requests.js';
import { FACTS, OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

describe('The approvals queue', () => {
  let fixture: RuntimeFixture;
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
  });

  const queue = () => fixture.runtime.approvals;
  // A toy verifier: what is checked is when it is asked, not how.
  const ask = (key: string, o: { pin?: string; name?: string; address?: string } = {}): Promise<JoinRecord> =>
    queue().request(
      {
        spki: Buffer.from(key),
        keyFingerprint: key,
        facts: FACTS,
        requestedName: o.name ?? null,
        address: o.address ?? '192.0.2.7',
        pin: { salt: '00', hash: o.pin ?? '111111' },
      },
      (address) => address,
    );
  const yes = (id: string, pin: string | null, more: Partial<ApproveAnswer> = {}) =>
    queue().approve(id, { by: 'eva', pin: pin === null ? null : ({ hash }) => hash === pin, ...more });
  const no = (id: string, by = 'max', reason: string | null = null) => queue().reject(id, { by, reason });

  it('approves with the right PIN and gives the machine what it announces', async () => {
    const { id, state } = await ask('key');
    assert.equal(state, 'pending');
    assert.equal(fixture.runtime.summary().nodes.asking, 1);
    const { approval, changed } = await yes(id, '111111');
    assert.deepEqual([changed, approval.state, approval.decidedBy], [true, 'issued', 'eva']);
    const { node } = fixture.runtime.nodeDetails('raspberrypi');
    assert.deepEqual([node.pairedBy, node.capabilities], ['eva', ['door.open', 'safe.read']]);
    assert.equal(fixture.runtime.summary().nodes.asking, 0);
  });

  it('wakes the machine that waits', async () => {
    const { id } = await ask('key');
    const waiting = fixture.runtime.awaitApproval(id, { timeoutMs: 60_000 });
    await yes(id, '111111');
    assert.equal((await waiting).state, 'issued');
  });

  it('counts wrong PINs over restarts and closes the request at the fifth', async () => {
    const { id } = await ask('key');
    for (let attempt = 1; attempt < MAX_WRONG_PINS; attempt += 1) {
      await assert.rejects(yes(id, '000000'), (error: PalyraError) => {
        assert.deepEqual([error.reason, error.details['triesLeft']], ['PIN_WRONG', MAX_WRONG_PINS - attempt]);
        return true;
      });
      await fixture.restart();
    }
    await assert.rejects(yes(id, '000000'), { reason: 'PIN_WRONG' });
    const closed = queue().find(id);
    assert.deepEqual([closed.state, closed.decidedBy], ['rejected', 'too many wrong PINs']);
    await assert.rejects(yes(id, '111111'), { reason: 'ALREADY_DECIDED' });
    assert.notEqual((await ask('key')).id, id);
  });

  it('counts wrong PINs that are typed at the same time', async () => {
    const { id } = await ask('key');
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => yes(id, '000000')));
    const reasons = answers.map((answer) =>
      answer.status === 'rejected' ? (answer.reason as PalyraError).reason : '',
    );
    assert.equal(reasons.filter((reason) => reason === 'PIN_WRONG').length, MAX_WRONG_PINS);
    assert.equal(reasons.filter((reason) => reason === 'ALREADY_DECIDED').length, 50 - MAX_WRONG_PINS);
  });

  it('takes no answer without the PIN, but for the one that is waived', async () => {
    const { id } = await ask('key');
    await assert.rejects(yes(id, null), { reason: 'PIN_REQUIRED' });
    assert.equal(queue().find(id).wrongPins, 0);
    assert.equal((await yes(id, null, { pin: 'waived' })).changed, true);
  });

  it('keeps the id of a machine that asks again, draws it a new PIN a few times, and then no more', async () => {
    const { id } = await ask('key');
    for (let renewal = 1; renewal <= MAX_PIN_RENEWALS; renewal += 1) {
      await fixture.restart();
      assert.equal((await ask('key', { pin: `00000${renewal}` })).id, id);
    }
    await assert.rejects(ask('key', { pin: '999999' }), { reason: 'PAIRING_THROTTLED' });
    await assert.rejects(yes(id, '111111'), { reason: 'PIN_WRONG' });
    assert.equal((await yes(id, `00000${MAX_PIN_RENEWALS}`)).changed, true);
  });

  it('holds a few requests of one source and a bounded number of all, and none is spent on a refusal', async () => {
    for (let count = 0; count < MAX_PENDING_PER_SOURCE; count += 1) await ask(`here ${count}`);
    await assert.rejects(ask('one more'), { reason: 'PAIRING_BUSY' });
    for (let count = MAX_PENDING_PER_SOURCE; count < MAX_PENDING_REQUESTS; count += 1) {
      await ask(`there ${count}`, { address: `198.51.100.${count}` });
    }
    await assert.rejects(ask('one more', { address: '203.0.113.1' }), { reason: 'PAIRING_BUSY' });
    assert.equal(queue().list().length, MAX_PENDING_REQUESTS);
    await no(queue().list()[0]!.id);
    assert.equal((await ask('one more')).state, 'pending');
  });

  it('decides once: the same answer changes nothing, another one is told who was first', async () => {
    const { id } = await ask('key');
    assert.equal((await no(id, 'max', 'not ours')).changed, true);
    const again = await no(id, 'eva', 'mine');
    assert.deepEqual(
      [again.changed, again.approval.decidedBy, again.approval.rejectReason],
      [false, 'max', 'not ours'],
    );
    fixture.clock.advance(12_000);
    await assert.rejects(yes(id, '111111'), /rejected by max 12 s ago/);
    const other = await ask('other');
    await yes(other.id, '111111');
    assert.equal((await yes(other.id, null)).changed, false);
    await assert.rejects(no(other.id), { reason: 'ALREADY_DECIDED', exitCode: 7 });
  });

  it('takes a free name only, and leaves the request as it was otherwise', async () => {
    await fixture.pair('pi-lab');
    const { id } = await ask('key', { name: 'pi-lab' });
    await assert.rejects(yes(id, '111111'), { reason: 'NAME_TAKEN' });
    await assert.rejects(yes(id, '111111', { name: 'free', only: ['nothing.such'] }), {
      reason: 'CAPABILITY_NOT_FOUND',
    });
    await yes(id, '111111', { name: 'pi-two', labels: { site: 'lab' }, only: ['safe.read'] });
    const { node } = fixture.runtime.nodeDetails('pi-two');
    assert.deepEqual([node.labels, node.capabilities], [{ site: 'lab' }, ['safe.read']]);
  });

  it('ends after a day; the machine asks again under another id', async () => {
    const { id } = await ask('key');
    fixture.clock.advance(REQUEST_TTL_MS);
    assert.equal(queue().list().length, 0);
    await assert.rejects(yes(id, '111111'), /expired/);
    const next = await ask('key');
    assert.notEqual(next.id, id);
    assert.equal(queue().find(id).state, 'expired');
    await fixture.restart();
    assert.deepEqual(
      queue()
        .list()
        .map((request) => request.id),
      [next.id],
    );
  });

  it('gives a paired machine that lost its identity its certificate anew, under the same name', async () => {
    const { nodeId } = await fixture.pair('pi-lab');
    const again = await ask('key of pi-lab', { name: 'other' });
    assert.deepEqual([again.state, again.nodeId, again.decidedBy], ['issued', nodeId, 'its key']);
    assert.equal(fixture.runtime.listNodes().nodes.length, 1);
  });

  it('gives up a request by PIN when the machine joins by an invite, and nothing when the invite is refused', async () => {
    const { id } = await ask('key');
    const revoked = await fixture.invite();
    await fixture.runtime.invites.revoke(OWNER, revoked.id);
    await assert.rejects(fixture.redeem(revoked.id, 'key'), { reason: 'INVITE_REFUSED' });
    assert.equal(queue().find(id).state, 'pending');
    const invite = await fixture.invite();
    assert.equal((await fixture.redeem(invite.id, 'key')).state, 'issued');
    assert.equal(queue().find(id).state, 'withdrawn');
    assert.equal(queue().list().length, 0);
  });

  it('approves what came with an invite without a PIN', async () => {
    const invite = await fixture.invite({ approval: 'person', labels: { from: 'invite' } });
    const { id } = await fixture.redeem(invite.id, 'key');
    assert.equal((await ask('key')).id, id);
    await yes(id, null, { labels: { site: 'lab' } });
    assert.deepEqual(fixture.runtime.nodeDetails('raspberrypi').node.labels, { from: 'invite', site: 'lab' });
  });

  it('finds a request by the beginning of its id, in any case, but never guesses', async () => {
    const { id } = await ask('key');
    assert.equal(queue().find(id.slice(4, 8).toLowerCase()).id, id);
    assert.equal(queue().find(id.toLowerCase()).id, id);
    assert.throws(() => queue().find(id.slice(4, 6)), { reason: 'APPROVAL_NOT_FOUND' });
    assert.throws(() => queue().find(''), { reason: 'APPROVAL_NOT_FOUND' });
  });

  describe('of a machine that was set up anew', () => {
    const again = async () => {
      const old = await fixture.pair('pi-lab');
      await fixture.runtime.fleet.label(OWNER, 'pi-lab', { set: { site: 'lab' }, remove: [] });
      const { id } = await ask('new key', { name: 'pi-lab' });
      return { old, id };
    };

    it('names the node that has the name it asks for, and refuses to take it silently', async () => {
      const { old, id } = await again();
      const asked = queue().find(id) as JoinRecord;
      assert.equal(queue().replaces(asked)?.nodeId, old.nodeId);
      await assert.rejects(yes(id, '111111'), (error: PalyraError) => {
        assert.equal(error.reason, 'NAME_TAKEN');
        assert.match(error.hint, /--replace pi-lab; otherwise: .* --name /);
        return true;
      });
      assert.equal(fixture.runtime.nodeDetails('pi-lab').node.id, old.nodeId);
    });

    it('takes over name, labels and grants, and revokes the old key in the same step', async () => {
      const { old, id } = await again();
      const link = await fixture.link(old);
      const { approval } = await yes(id, '111111', { replace: 'pi-lab', labels: { room: '2' }, purpose: 'door' });
      const { node } = fixture.runtime.nodeDetails('pi-lab');
      assert.equal(node.id, approval.nodeId);
      assert.notEqual(node.id, old.nodeId);
      assert.deepEqual([node.labels, node.purpose], [{ site: 'lab', room: '2' }, 'door']);
      assert.equal(link.closedBy, 'revoked');
      const { replaced } = approval;
      assert.deepEqual([replaced?.name, replaced?.nodeId, replaced?.presence], ['pi-lab', old.nodeId, 'online']);
      const peer = { deviceId: old.nodeId, serial: old.serial, address: '192.0.2.7' };
      assert.throws(() => fixture.runtime.authenticateDevice(peer), { reason: 'NODE_REVOKED' });
      await fixture.restart();
      assert.equal(fixture.runtime.nodeDetails('pi-lab').node.id, approval.nodeId);
      assert.throws(() => fixture.runtime.authenticateDevice(peer), { reason: 'NODE_REVOKED' });
    });

    it('does not get more than the one it replaces was granted, whatever it announces', async () => {
      const first = await ask('narrow key', { name: 'narrow' });
      await yes(first.id, '111111', { only: ['safe.read'] });
      const { id } = await ask('other key', { name: 'narrow' });
      await yes(id, '111111', { replace: 'narrow' });
      assert.deepEqual(fixture.runtime.nodeDetails('narrow').node.capabilities, ['safe.read']);
    });

    it('changes nothing when the PIN is wrong, the node is unknown, or another name is taken', async () => {
      const { old, id } = await again();
      await fixture.pair('pi-two');
      await assert.rejects(yes(id, '000000', { replace: 'pi-lab' }), { reason: 'PIN_WRONG' });
      await assert.rejects(yes(id, '111111', { replace: 'pi-nine' }), { reason: 'NODE_NOT_FOUND' });
      await assert.rejects(yes(id, '111111', { replace: 'pi-lab', name: 'pi-two' }), { reason: 'NAME_TAKEN' });
      assert.equal(fixture.runtime.nodeDetails('pi-lab').node.id, old.nodeId);
      assert.equal(queue().find(id).state, 'pending');
    });
  });

  it('does not end a request while the machine is seen asking, and writes that once an hour at most', async () => {
    const { id, expiresAt } = await ask('key');
    fixture.clock.advance(60_000);
    queue().seen(id);
    assert.equal(queue().find(id).expiresAt, expiresAt, 'not every time');
    fixture.clock.advance(REQUEST_TTL_MS - 120_000);
    queue().seen(id);
    fixture.clock.advance(REQUEST_TTL_MS - 1);
    assert.equal(queue().list().length, 1);
    await fixture.runtime.durable();
    await fixture.restart();
    assert.equal(queue().list().length, 1);
    fixture.clock.advance(1);
    assert.equal(queue().list().length, 0);
    queue().seen(id);
    assert.equal(queue().list().length, 0, 'what is over stays over');
  });
});
