import assert from 'node:assert/strict';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { SCHEMAS } from '../../src/lib/wire/http/schemas.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

describe('lists across the fleet over HTTP', () => {
  let target: TestDaemon;
  let client: ControlPlaneClient;
  const made: string[] = [];

  const owner = (path: string) => ask({ socketPath: target.socketPath }, { path });
  const hold = async (node: string, text: string) => {
    const body = { capability: 'echo', input: { text }, queueMs: 60_000, timeoutMs: 60_000, wait: false };
    const { id } = await client.createDispatch(node, body);
    made.unshift(id);
    return id;
  };
  const idsOf = async (query: Parameters<ControlPlaneClient['listDispatches']>[0]) =>
    (await client.listDispatches(query)).dispatches.map(({ id }) => id);

  before(async () => {
    target = await startTestDaemon();
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    await pairTestNode(target, { name: 'alpha' });
    await pairTestNode(target, { name: 'beta', capabilities: [] });
    await pairTestNode(target, { name: 'gamma' });
    for (let count = 0; count < 5; count++) await hold(count === 2 ? 'gamma' : 'alpha', `number ${count}`);
    await client.cancelDispatch(made[0]!);
  });
  after(async () => {
    await client.close();
    await target.dispose();
  });

  it('lists dispatches newest first, open ones included, without input and output', async () => {
    const { status, json, text } = await owner('/v1/dispatches');
    assert.equal(status, 200);
    SCHEMAS['dispatches.list'].answer.parse(json);
    assert.deepEqual(
      json.dispatches.map(({ id }: { id: string }) => id),
      made,
    );
    assert.equal(json.nextCursor, null);
    assert.ok(!text.includes('number 1'), 'an input may be large and is asked for one by one');
  });

  it('shows which dispatches are open on a node', async () => {
    assert.deepEqual(await idsOf({ node: 'alpha', state: 'queued,running' }), [made[1], made[3], made[4]]);
    assert.deepEqual(await idsOf({ state: 'cancelled' }), [made[0]]);
    assert.deepEqual(await idsOf({ capability: 'other.name' }), []);
    assert.deepEqual(await idsOf({ since: new Date(Date.now() + 60_000).toISOString() }), []);
    assert.equal((await idsOf({ since: '2020-01-01T00:00:00+02:00' })).length, 5);
  });

  it('pages without a gap or a row twice, also when a newer one is made meanwhile', async () => {
    const known = [...made];
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: { limit: number; cursor?: string } = { limit: 2, ...(cursor === null ? {} : { cursor }) };
      const page = await client.listDispatches(query);
      seen.push(...page.dispatches.map(({ id }) => id));
      cursor = page.nextCursor;
      await hold('gamma', 'meanwhile');
    } while (cursor !== null);
    assert.deepEqual(seen, known);
  });

  it('still tells what was to run on a machine that was removed', async () => {
    const { nodeId } = await client.showDispatch(await hold('gamma', 'last'));
    await client.removeNode('gamma');
    await assert.rejects(client.listDispatches({ node: 'gamma' }), { reason: 'NODE_NOT_FOUND' });
    const { dispatches } = await client.listDispatches({ node: nodeId });
    assert.ok(dispatches.length >= 2);
    assert.ok(dispatches.every(({ node, state }) => node === 'gamma' && state !== 'queued'));
  });

  it('says what is wrong with a filter', async () => {
    for (const query of [
      'limit=0',
      'limit=1001',
      'state=lost',
      'state=',
      'since=yesterday',
      'cursor=%21',
      'nod=alpha',
    ]) {
      const { status, json } = await owner(`/v1/dispatches?${query}`);
      assert.deepEqual([status, json.reason], [400, 'REQUEST_INVALID'], query);
    }
    assert.match((await owner('/v1/dispatches?state=lost')).json.detail, /state: states are queued, delivered/);
    assert.equal((await owner('/v1/dispatches?node=nobody')).json.reason, 'NODE_NOT_FOUND');
  });

  it('lists capabilities with the nodes that offer them and those on which they are granted', async () => {
    const [echo, ...others] = await client.listCapabilities();
    assert.deepEqual(others, []);
    assert.equal(echo?.name, 'echo');
    assert.deepEqual(
      echo.nodes.map(({ name, granted }) => [name, granted]),
      [
        ['alpha', true],
        ['beta', false],
      ],
    );
    assert.ok(!('inputSchema' in echo));
    const [offer] = await client.showCapability('echo');
    assert.deepEqual(offer?.inputSchema, { type: 'object' });
    await assert.rejects(client.showCapability('coffee.brew'), { reason: 'CAPABILITY_NOT_FOUND' });
  });
});
