import assert from 'node:assert/strict';
import type { RuntimeEvent } from '../../../src/lib/runtime/events.js';
import { FACTS, OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

describe('names and labels', () => {
  let fixture: RuntimeFixture;
  let events: RuntimeEvent[];

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    events = [];
    fixture.runtime.events.subscribe(({ event }) => events.push(event));
  });
  const names = () => fixture.runtime.listNodes().nodes.map(({ name }) => name);

  it('renames: found by the new name, not by the old one, which is free at once', async () => {
    const { nodeId } = await fixture.pair('zeta');
    await fixture.pair('beta');
    events.length = 0;
    const { node, changed } = await fixture.runtime.fleet.rename(OWNER, 'zeta', 'alpha');
    assert.equal(changed, true);
    assert.equal(node.name, 'alpha');
    assert.deepEqual(names(), ['alpha', 'beta']);
    assert.equal(fixture.runtime.nodeDetails('alpha').node.id, nodeId);
    assert.throws(() => fixture.runtime.nodeDetails('zeta'), { reason: 'NODE_NOT_FOUND' });
    assert.deepEqual(events, [{ type: 'node.renamed', nodeId, name: 'alpha', from: 'zeta', by: 'eva' }]);
    const { id } = await fixture.invite({ name: 'zeta' });
    await fixture.redeem(id, 'another key');
    assert.deepEqual(names(), ['alpha', 'beta', 'zeta']);
  });

  it('refuses a name that is taken and changes nothing', async () => {
    await fixture.pair('alpha');
    await fixture.pair('beta');
    await assert.rejects(fixture.runtime.fleet.rename(OWNER, 'alpha', 'beta'), { reason: 'NAME_TAKEN' });
    assert.deepEqual(names(), ['alpha', 'beta']);
  });

  it('calls it no change when it is so already', async () => {
    await fixture.pair('alpha');
    events.length = 0;
    assert.equal((await fixture.runtime.fleet.rename(OWNER, 'alpha', 'alpha')).changed, false);
    assert.equal((await fixture.runtime.fleet.label(OWNER, 'alpha', { set: {}, remove: ['room'] })).changed, false);
    assert.deepEqual(events, []);
  });

  it('sets labels and takes them away, sorted, and keeps the others', async () => {
    const { nodeId } = await fixture.pair('alpha');
    await fixture.runtime.fleet.label(OWNER, 'alpha', { set: { site: 'lab', room: '2' }, remove: [] });
    const { node } = await fixture.runtime.fleet.label(OWNER, 'alpha', { set: { rack: '' }, remove: ['room', 'none'] });
    assert.deepEqual(Object.entries(node.labels), [
      ['rack', ''],
      ['site', 'lab'],
    ]);
    assert.deepEqual(events.at(-1), { type: 'node.labelled', nodeId, name: 'alpha', by: 'eva' });
  });

  it('takes 32 labels and not one more', async () => {
    await fixture.pair('alpha');
    const set = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`l${index}`, 'x']));
    await fixture.runtime.fleet.label(OWNER, 'alpha', { set, remove: [] });
    const more = fixture.runtime.fleet.label(OWNER, 'alpha', { set: { one: 'more' }, remove: [] });
    await assert.rejects(more, { reason: 'REQUEST_INVALID' });
    const swapped = await fixture.runtime.fleet.label(OWNER, 'alpha', { set: { one: 'more' }, remove: ['l0'] });
    assert.equal(Object.keys(swapped.node.labels).length, 32);
  });

  it('outlives a restart, and a machine that reports in under its old name', async () => {
    const { nodeId, serial } = await fixture.pair('alpha');
    await fixture.runtime.fleet.rename(OWNER, 'alpha', 'beta');
    await fixture.runtime.fleet.label(OWNER, 'beta', { set: { site: 'lab' }, remove: [] });
    await fixture.restart();
    const caller = { kind: 'device', nodeId, serial, address: '192.0.2.7' } as const;
    const facts = { ...FACTS, hostname: 'alpha', version: '0.2.0' };
    const registered = await fixture.runtime.registerNode(caller, { facts, protocol: { min: 1, max: 1 } });
    assert.equal(registered.name, 'beta');
    const { node } = fixture.runtime.nodeDetails('beta');
    assert.deepEqual([node.hostname, node.labels], ['alpha', { site: 'lab' }]);
  });

  it('tells once that a linked node has fallen silent, and once that it is heard again', async () => {
    const paired = await fixture.pair('alpha');
    const { session } = await fixture.link(paired);
    events.length = 0;
    const seen = () => events.flatMap((event) => (event.type === 'node.presence' ? [event.presence] : []));
    for (let second = 0; second < 70; second++) {
      fixture.clock.advance(1000);
      await fixture.runtime.tick();
    }
    assert.deepEqual(seen(), ['late', 'offline']);
    session.receive({ kind: 'heartbeat', active: [] } as never);
    await fixture.runtime.tick();
    await fixture.runtime.tick();
    assert.deepEqual(seen(), ['late', 'offline', 'online']);
  });

  it('calls a node late whose link nothing carries any more, long before its heartbeats are missed', async () => {
    const link = await fixture.link(await fixture.pair('alpha'));
    events.length = 0;
    const seen = () => events.flatMap((event) => (event.type === 'node.presence' ? [event.presence] : []));
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        fixture.clock.advance(1000);
        await fixture.runtime.tick();
      }
    };
    link.uncarriedSince = fixture.clock.monotonic();
    await pass(2);
    link.uncarriedSince = null;
    await pass(2);
    assert.deepEqual(seen(), [], 'one connection follows another');
    link.uncarriedSince = fixture.clock.monotonic();
    await pass(3);
    assert.deepEqual(seen(), ['late']);
    link.uncarriedSince = null;
    await pass(1);
    assert.deepEqual(seen(), ['late', 'online']);
  });
});
