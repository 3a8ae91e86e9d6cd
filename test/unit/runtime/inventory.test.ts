import assert from 'node:assert/strict';
import type { InventoryRow } from '../../../src/lib/runtime/inventory.js';
import { OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

const DAY = 86_400_000;

describe('the inventory', () => {
  let fixture: RuntimeFixture;
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
  });

  const ask = (key: string, name: string) =>
    fixture.runtime.approvals.request(
      {
        spki: Buffer.from(key),
        keyFingerprint: key,
        facts: { hostname: name, platform: 'win32', arch: 'x64', version: '0.1.0', protocol: 1, capabilities: [] },
        requestedName: name,
        address: '192.0.2.9',
        pin: { salt: '00', hash: '00' },
      },
      (address) => address,
    );
  const row = (id: string): InventoryRow => fixture.runtime.inventory.row(id);
  const codes = ({ warnings }: InventoryRow) => warnings.map(({ code }) => code);

  it('has every device once, in order, over pages of any size', async () => {
    for (const name of ['delta', 'alpha', 'charlie']) await fixture.pair(name);
    await ask('a key', 'bravo');
    // A request for a name that a node has stands behind it.
    const { id } = await ask('another key', 'charlie');
    const all = fixture.runtime.inventory.page();
    assert.deepEqual(
      all.devices.map(({ name, kind }) => `${name} ${kind}`),
      ['alpha node', 'bravo request', 'charlie node', 'charlie request', 'delta node'],
    );
    assert.equal(all.nextCursor, null);
    for (const limit of [1, 2, 3]) {
      const found: InventoryRow[] = [];
      let cursor: string | undefined;
      do {
        const page = fixture.runtime.inventory.page({ limit, cursor });
        found.push(...page.devices);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      assert.deepEqual(found, all.devices);
    }
    assert.deepEqual(row('charlie').approvals, [id]);
  });

  it('tells of a machine that asks that it asks, since when and by what it is answered', async () => {
    const { id } = await ask('key', 'win-pc');
    const asking = row(id);
    assert.deepEqual([asking.presence, asking.presenceReason, asking.trust], ['asking', 'pin', 'asking']);
    assert.equal(asking.presenceSince, new Date(fixture.clock.now()).toISOString());
    assert.deepEqual([asking.actions, asking.approvals], [['approve', 'reject'], [id]]);
    await fixture.runtime.approvals.reject(id, { by: 'eva', reason: null });
    assert.deepEqual(fixture.runtime.inventory.page().devices, []);
    assert.throws(() => row(id), { reason: 'NODE_NOT_FOUND' });
  });

  it('offers what can be done now, and nothing else', async () => {
    const pi = await fixture.pair('pi');
    assert.deepEqual(row('pi').actions, ['queue', 'wait', 'rename', 'label', 'revoke', 'remove']);
    await fixture.link(pi);
    assert.equal(row('pi').actions[0], 'invoke');
    assert.deepEqual(row('pi').capabilities, { announced: 2, granted: 2, names: ['door.open', 'safe.read'] });
    await fixture.runtime.trust.revoke(OWNER, 'pi');
    assert.deepEqual(row('pi').actions, ['rename', 'label', 'restore', 'remove']);
    fixture.clock.advance(DAY + 1);
    assert.deepEqual(row('pi').actions, ['rename', 'label', 'remove']);
  });

  it('warns of certificates that end, old versions, long absence and unknown outcomes', async () => {
    const pi = await fixture.pair('pi');
    assert.deepEqual(codes(row('pi')), []);
    const link = await fixture.link(pi);
    link.session.closed('lost');
    fixture.clock.advance(8 * DAY);
    assert.deepEqual(codes(row('pi')), ['offline-long']);
    fixture.clock.advance(70 * DAY);
    assert.deepEqual(codes(row('pi')), ['certificate-expiring', 'offline-long']);
    await fixture.runtime.registerNode(
      { kind: 'device', nodeId: pi.nodeId, serial: pi.serial, address: '192.0.2.7' },
      {
        facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '0.0.9', protocol: 1, capabilities: [] },
        protocol: { min: 1, max: 1 },
      },
    );
    assert.ok(codes(row('pi')).includes('outdated'));
    await fixture.runtime.trust.revoke(OWNER, 'pi');
    assert.deepEqual(codes(row('pi')), [], 'nothing of a machine that is not trusted is anybody’s task');
  });

  it('counts what may have run', async () => {
    const pi = await fixture.pair('pi');
    const link = await fixture.link(pi);
    const { id } = await fixture.runtime.requestDispatch(OWNER, {
      ...{ node: 'pi', capability: 'door.open', input: {}, inputJson: '{}', timeoutMs: 1000 },
    });
    link.session.receive({ kind: 'started', id, attempt: 1, epoch: 0 } as never);
    link.session.closed('lost');
    fixture.clock.advance(600_000);
    await fixture.runtime.tick();
    assert.equal(fixture.runtime.dispatchView(id).state, 'unknown');
    assert.deepEqual(codes(row('pi')), ['outcome-unknown']);
  });
});
