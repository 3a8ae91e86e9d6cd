import assert from 'node:assert/strict';
import type { PalyraError } from '../../../src/lib/base/errors.js';
import type { RuntimeEvent } from '../../../src/lib/runtime/events.js';
import { FACTS, OWNER, RuntimeFixture, capability } from '../../support/runtime-fixture.js';

describe('an invite to the place of a node', () => {
  let fixture: RuntimeFixture;
  let old: { nodeId: string; serial: string };
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    old = await fixture.pair('pi-lab');
    await fixture.runtime.fleet.label(OWNER, 'pi-lab', { set: { site: 'lab' }, remove: [] });
    await fixture.runtime.grants.change(OWNER, 'pi-lab', { grant: [], withhold: ['door.open'] });
  });

  const nodeOf = (name: string) => fixture.runtime.nodeDetails(name).node;
  const names = () => fixture.runtime.listNodes().nodes.map(({ name }) => name);
  const authenticate = ({ nodeId, serial }: typeof old) =>
    fixture.runtime.authenticateDevice({ deviceId: nodeId, serial, address: '192.0.2.7' });
  const replacing = (changes: Parameters<RuntimeFixture['invite']>[0] = {}) =>
    fixture.invite({ replace: 'pi-lab', ...changes });

  it('does nothing to the old node until it is used; then the new one has its name, labels and grants, and the old key none', async () => {
    const { id } = await replacing({ purpose: 'door' });
    assert.deepEqual(fixture.runtime.invites.view(id).replaces, {
      ...{ nodeId: old.nodeId, name: 'pi-lab', evenOnline: false },
    });
    await fixture.restart();
    authenticate(old);
    const heard: RuntimeEvent[] = [];
    fixture.runtime.events.subscribe(({ event }) => heard.push(event));
    const before = fixture.store.committed.length;
    const { nodeId, replaced } = await fixture.redeem(id, 'new key', { name: 'what it calls itself' });
    assert.equal(fixture.store.committed.length - before, 1, 'one durable step');
    assert.equal(replaced?.nodeId, old.nodeId);
    const node = nodeOf('pi-lab');
    assert.deepEqual([node.id, node.labels, node.purpose], [nodeId, { site: 'lab' }, 'door']);
    assert.deepEqual(node.capabilities, ['safe.read'], 'no more than the old one, though it announces more');
    assert.deepEqual(node.replaces, { nodeId: old.nodeId, name: 'pi-lab' });
    assert.deepEqual(names(), ['pi-lab']);
    const removed = heard.find(({ type }) => type === 'node.removed');
    assert.deepEqual(removed, {
      ...{ type: 'node.removed', nodeId: old.nodeId, name: 'pi-lab', by: 'invite', replacedBy: nodeId },
    });
    assert.ok(heard.some((event) => event.type === 'node.joined' && event.replaces === old.nodeId));
    await fixture.restart();
    assert.throws(() => authenticate(old), { reason: 'NODE_REVOKED' });
    assert.equal(nodeOf('pi-lab').id, nodeId);
    assert.equal(fixture.runtime.invites.view(id).state, 'used');
  });

  it('hands over what was taken away: it is not asked about again when it is announced later', async () => {
    const { id } = await replacing();
    const { nodeId } = await fixture.redeem(id, 'new key', { capabilities: [capability('safe.read')] });
    const serial = fixture.serials.toString(16).padStart(4, '0');
    await fixture.runtime.registerNode(authenticate({ nodeId: nodeId!, serial }), {
      ...{ facts: FACTS, protocol: { min: 1, max: 1 } },
    });
    assert.deepEqual(nodeOf('pi-lab').capabilities, ['safe.read']);
    assert.deepEqual(fixture.runtime.approvals.list(), []);
  });

  it('leaves both as they were when the step does not become durable', async () => {
    const { id } = await replacing();
    fixture.store.diskFull = true;
    await assert.rejects(fixture.redeem(id, 'new key'), { reason: 'STORAGE_FULL' });
    fixture.store.diskFull = false;
    for (const restarts of [false, true]) {
      if (restarts) await fixture.restart();
      authenticate(old);
      assert.deepEqual([names(), nodeOf('pi-lab').id], [['pi-lab'], old.nodeId]);
      assert.equal(fixture.runtime.invites.view(id).state, 'open');
    }
    await fixture.redeem(id, 'new key');
    assert.throws(() => authenticate(old), { reason: 'NODE_REVOKED' });
  });

  it('answers the machine that lost the answer, and nobody else', async () => {
    const { id, locator } = await replacing();
    const first = await fixture.redeem(id, 'new key');
    await fixture.restart();
    const again = { locator, address: '192.0.2.7', keyFingerprint: 'new key' };
    assert.equal((await fixture.runtime.invites.evaluateLocator(again)).id, id);
    assert.equal((await fixture.redeem(id, 'new key')).nodeId, first.nodeId);
    await assert.rejects(fixture.redeem(id, 'third key'), { reason: 'INVITE_REFUSED' });
  });

  it('is for one machine', async () => {
    await assert.rejects(replacing({ usesMax: 2 }), { reason: 'REQUEST_INVALID' });
    await assert.rejects(replacing({ replace: 'nobody' }), { reason: 'NODE_NOT_FOUND' });
    await fixture.pair('other');
    await assert.rejects(replacing({ name: 'other' }), { reason: 'NAME_TAKEN' });
    await replacing({ name: 'pi-lab' });
  });

  it('gives the name that the invite says, or the one the old node has by then', async () => {
    const renamed = await replacing();
    await fixture.runtime.fleet.rename(OWNER, 'pi-lab', 'pi-cellar');
    assert.equal(fixture.runtime.invites.view(renamed.id).replaces?.name, 'pi-cellar');
    await fixture.redeem((await fixture.invite({ name: 'pi-lab' })).id, 'key of another');
    await fixture.redeem(renamed.id, 'new key');
    assert.deepEqual(names(), ['pi-cellar', 'pi-lab']);
    const named = await fixture.invite({ replace: 'pi-cellar', name: 'pi-attic' });
    await fixture.redeem(named.id, 'newer key');
    assert.deepEqual(names(), ['pi-attic', 'pi-lab']);
    assert.deepEqual(nodeOf('pi-attic').labels, { site: 'lab' });
  });

  it('changes nothing when the name it says was given away meanwhile', async () => {
    const { id } = await replacing({ name: 'pi-attic' });
    await fixture.pair('pi-attic');
    await assert.rejects(fixture.redeem(id, 'new key'), { reason: 'NAME_TAKEN' });
    authenticate(old);
    assert.equal(fixture.runtime.invites.view(id).state, 'open');
  });

  it('hands over what a node had that was removed meanwhile', async () => {
    const { id } = await replacing();
    await fixture.runtime.removeNode(OWNER, 'pi-lab');
    await fixture.redeem(id, 'new key');
    const node = nodeOf('pi-lab');
    assert.deepEqual(
      [node.labels, node.capabilities, node.replaces?.nodeId],
      [{ site: 'lab' }, ['safe.read'], old.nodeId],
    );
  });

  it('takes a place once: the other invites to it end with it', async () => {
    const first = await replacing();
    const second = await replacing({ name: 'pi-two' });
    const asking = await replacing({ approval: 'person', name: 'pi-three' });
    const waiting = await fixture.redeem(asking.id, 'third key');
    assert.equal(fixture.runtime.approvals.takesPlace(waiting), true);
    await fixture.redeem(first.id, 'first key');
    assert.equal(fixture.runtime.invites.view(second.id).state, 'revoked');
    await assert.rejects(fixture.redeem(second.id, 'second key'), { reason: 'INVITE_REFUSED' });
    const yes = fixture.runtime.approvals.approve(waiting.id, { by: 'eva', pin: null });
    await assert.rejects(yes, (error: PalyraError) => /place of "pi-lab" is taken/.test(error.message));
    assert.deepEqual(names(), ['pi-lab']);
  });

  it('waits for the person when the invite says so; the answer is the step then', async () => {
    const { id } = await replacing({ approval: 'person', name: 'pi-new' });
    const link = await fixture.link(old);
    const waiting = await fixture.redeem(id, 'new key');
    authenticate(old);
    assert.equal(fixture.runtime.approvals.replaces(waiting)?.presence, 'online');
    const { approval } = await fixture.runtime.approvals.approve(waiting.id, { by: 'max', pin: null });
    assert.equal(link.closedBy, 'revoked');
    assert.equal(nodeOf('pi-new').id, approval.nodeId);
    assert.deepEqual(nodeOf('pi-new').labels, { site: 'lab' });
    assert.throws(() => authenticate(old), { reason: 'NODE_REVOKED' });
  });

  it('does not cut off a node that works, unless that was said when it was made', async () => {
    const early = await replacing();
    const link = await fixture.link(old);
    const queued = await fixture.runtime.requestDispatch(OWNER, {
      ...{ node: 'pi-lab', capability: 'safe.read', input: {}, inputJson: '{}' },
    });
    await assert.rejects(fixture.redeem(early.id, 'new key'), { reason: 'REPLACED_NODE_ONLINE', exitCode: 78 });
    await assert.rejects(replacing(), { reason: 'REPLACED_NODE_ONLINE' });
    assert.equal(fixture.runtime.invites.view(early.id).state, 'open');
    const meant = await replacing({ evenOnline: true });
    assert.equal(link.closedBy, null);
    await fixture.redeem(meant.id, 'new key');
    assert.equal(link.closedBy, 'revoked');
    assert.equal(fixture.runtime.dispatchView(queued.id).error?.code, 'NODE_REVOKED');
  });

  it('keeps the place of the old key when that one uses it, and never gives it to a key that was revoked', async () => {
    const same = await replacing();
    const again = await fixture.redeem(same.id, 'key of pi-lab');
    assert.equal(again.nodeId, old.nodeId);
    assert.equal(fixture.runtime.invites.view(same.id).state, 'used');
    await fixture.runtime.trust.revoke(OWNER, 'pi-lab');
    const next = await replacing();
    await assert.rejects(fixture.redeem(next.id, 'key of pi-lab'), (error: PalyraError) => {
      assert.equal(error.reason, 'INVITE_REFUSED');
      assert.match(error.hint, /--new-identity/);
      return true;
    });
    await fixture.redeem(next.id, 'new key');
    assert.equal(nodeOf('pi-lab').trust, 'paired');
  });

  it('can be taken again after the old node was had back', async () => {
    await fixture.redeem((await replacing()).id, 'new key');
    await fixture.runtime.trust.restore(OWNER, old.nodeId, 'pi-old');
    await fixture.restart();
    const { id } = await replacing({ replace: 'pi-old' });
    await fixture.redeem(id, 'newer key');
    assert.deepEqual(names(), ['pi-lab', 'pi-old']);
    assert.throws(() => authenticate(old), { reason: 'NODE_REVOKED' });
  });

  it('is not for a machine that is another node already', async () => {
    const other = await fixture.pair('other');
    const { id } = await replacing();
    await assert.rejects(fixture.redeem(id, 'key of other'), /this machine is the node "other"/);
    assert.deepEqual([nodeOf('other').id, nodeOf('pi-lab').id], [other.nodeId, old.nodeId]);
  });
});
