import assert from 'node:assert/strict';
import { ControlPlaneClient, type PublicEvent } from '../../src/lib/client/control-plane-client.js';
import { fleetHandlers } from '../../src/lib/daemon/http/fleet-routes.js';
import { SCHEMAS } from '../../src/lib/wire/http/schemas.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

describe('the inventory over the local socket', () => {
  let target: TestDaemon;
  let client: ControlPlaneClient;

  before(async () => {
    target = await startTestDaemon();
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    for (const name of ['alpha', 'beta', 'gamma']) await pairTestNode(target, { name });
  });
  after(async () => {
    await client.close();
    await target.dispose();
  });

  it('answers with the schema it publishes, in pages', async () => {
    const { json } = await ask({ socketPath: target.socketPath }, { path: '/v1/inventory?limit=2' });
    const first = SCHEMAS['inventory.list'].answer.parse(json);
    assert.deepEqual(
      first.devices.map(({ name }) => name),
      ['alpha', 'beta'],
    );
    const rest = await client.inventory({ cursor: first.nextCursor! });
    assert.deepEqual([rest.devices.map(({ name }) => name), rest.nextCursor], [['gamma'], null]);
    const one = await client.inventoryDevice('beta');
    assert.deepEqual(one, first.devices[1]);
    const lost = await ask({ socketPath: target.socketPath }, { path: '/v1/inventory?cursor=%00' });
    assert.equal(lost.json.reason, 'REQUEST_INVALID');
  });

  it('is kept current by the events from its position: each change names the row to read again', async () => {
    const rows = new Map<string, string>();
    const { devices, position } = await client.inventory();
    for (const { id, name, trust } of devices) rows.set(id, `${name} ${trust}`);
    await client.revokeNode('alpha');
    await client.restoreNode('alpha');
    await client.renameNode('beta', 'delta');
    await client.revokeNode('delta');
    await client.removeNode('gamma');
    const changes: string[] = [];
    const stop = new AbortController();
    for await (const item of client.watchEvents({ from: position, signal: stop.signal })) {
      const event = item as PublicEvent;
      if (event.type !== 'node') continue;
      changes.push(`${event.change}`);
      if (event.change === 'removed') {
        rows.delete(event.node.id);
        stop.abort();
        continue;
      }
      const { id, name, trust } = await client.inventoryDevice(event.node.id).catch(() => event.node);
      rows.set(id, `${name} ${trust}`);
    }
    assert.deepEqual(changes, ['revoked', 'restored', 'renamed', 'revoked', 'removed']);
    const now = await client.inventory();
    assert.deepEqual(new Map(now.devices.map(({ id, name, trust }) => [id, `${name} ${trust}`])), rows);
    assert.deepEqual([...rows.values()].sort(), ['alpha paired', 'delta revoked']);
  });

  it('offers nobody what the policy would refuse', async () => {
    const handlers = fleetHandlers({ runtime: target.daemon.runtime } as never);
    const actionsOf = async (role: 'viewer' | 'operator') => {
      const caller = { kind: 'operator', name: 'max', role } as never;
      const { device } = await handlers['inventory.show']({ caller, param: () => 'alpha' } as never);
      return device.actions;
    };
    assert.deepEqual(await actionsOf('viewer'), ['wait']);
    assert.deepEqual(await actionsOf('operator'), ['queue', 'wait']);
    assert.deepEqual((await client.inventoryDevice('alpha')).actions, [
      ...['queue', 'wait', 'rename', 'label', 'revoke', 'remove'],
    ]);
  });
});
