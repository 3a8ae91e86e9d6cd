import assert from 'node:assert/strict';
import { PalyraError } from '../../src/lib/base/errors.js';
import { IdempotencyKeys, MAX_KEYS } from '../../src/lib/daemon/http/idempotency.js';
import { HandClock } from '../support/hand-clock.js';
import { ask, startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

describe('Idempotency-Key', () => {
  let target: TestDaemon;
  before(async () => {
    target = await startTestDaemon();
    await pairTestNode(target, { name: 'alpha' });
  });
  after(() => target.dispose());

  const post = (path: string, key: string, json: unknown = {}) =>
    ask({ socketPath: target.socketPath }, {
      method: 'POST',
      path,
      json,
      headers: { 'idempotency-key': key },
    } satisfies HttpAsk);

  it('gives the same answer again, also to requests at the same moment, and does it once', async () => {
    const answers = await Promise.all(['k1', 'k1', 'k1'].map((key) => post('/v1/invites', key, { name: 'once' })));
    answers.push(await post('/v1/invites', 'k1', { name: 'once' }));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const { json } = await ask({ socketPath: target.socketPath }, { path: '/v1/invites' });
    assert.equal(json.invites.filter(({ name }: { name: string }) => name === 'once').length, 1);
    const first = await post('/v1/nodes/alpha/rename', 'k2', { name: 'beta' });
    const again = await post('/v1/nodes/alpha/rename', 'k2', { name: 'beta' });
    assert.deepEqual([first.status, again.status, again.text], [200, 200, first.text], 'alpha is gone by then');
    await post('/v1/nodes/beta/rename', 'k3', { name: 'alpha' });
  });

  it('refuses another request under the key: body, path or route', async () => {
    await post('/v1/invites', 'k4', { name: 'one' });
    for (const [path, body] of [
      ['/v1/invites', { name: 'two' }],
      ['/v1/nodes/alpha/labels', {}],
    ] as const) {
      const { status, json } = await post(path, 'k4', body);
      assert.deepEqual([status, json.reason], [409, 'IDEMPOTENCY_CONFLICT']);
    }
  });

  it('gives a refusal again too, and reads without looking at the header', async () => {
    const first = await post('/v1/nodes/nobody/revoke', 'k5');
    const again = await post('/v1/nodes/nobody/revoke', 'k5');
    assert.deepEqual([first.status, again.text], [404, first.text]);
    const headers = { 'idempotency-key': 'k4' };
    assert.equal((await ask({ socketPath: target.socketPath }, { path: '/v1/nodes', headers })).status, 200);
  });

  it('is the durable key of a dispatch', async () => {
    const body = { capability: 'none.such', wait: false };
    const differs = await post('/v1/nodes/alpha/dispatches', 'k6', { ...body, idempotencyKey: 'other' });
    assert.deepEqual([differs.status, differs.json.reason], [400, 'REQUEST_INVALID']);
    const same = await post('/v1/nodes/alpha/dispatches', 'k6', { ...body, idempotencyKey: 'k6' });
    assert.equal(same.json.reason, 'CAPABILITY_NOT_FOUND');
  });

  it('refuses what cannot be a key', async () => {
    for (const key of ['', 'a b', 'x'.repeat(129)]) {
      assert.equal((await post('/v1/invites', key)).json.reason, 'REQUEST_INVALID', JSON.stringify(key));
    }
  });

  describe('in memory', () => {
    const ok = async () => ({ status: 200, body: {}, headers: {} });

    it('forgets after a day, and the oldest beyond its bound', async () => {
      const clock = new HandClock();
      const keys = new IdempotencyKeys(clock);
      for (let index = 0; index < MAX_KEYS + 10; index++) await keys.answer('eva', `k${index}`, 'a', ok);
      assert.ok(keys.size <= MAX_KEYS);
      await keys.answer('eva', 'k0', 'another', ok);
      await assert.rejects(keys.answer('eva', 'k0', 'a third', ok), { reason: 'IDEMPOTENCY_CONFLICT' });
      await keys.answer('max', 'k0', 'a third', ok);
      clock.advance(86_400_000);
      await keys.answer('eva', 'k0', 'a fourth', ok);
      assert.equal(keys.size, 1);
    });

    it('keeps no answer that asks to try again', async () => {
      const keys = new IdempotencyKeys(new HandClock());
      const busy = () => Promise.reject(new PalyraError('RATE_LIMITED'));
      await assert.rejects(keys.answer('eva', 'k', 'a', busy), { reason: 'RATE_LIMITED' });
      await keys.answer('eva', 'k', 'a', async () => ({ status: 503, body: {}, headers: {} }));
      assert.equal(keys.size, 0);
    });
  });
});
