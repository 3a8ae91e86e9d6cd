/**
 * What a web page of somebody else can make a browser send: every route that changes something, in every such form, with the session of an owner. Each is
 * refused before anything is done. The table is committed; a new route fails until it has a row.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CSRF_HEADER, ROUTES, toPath, type Route, type RouteId } from '../../src/lib/wire/http/routes.js';
import { askSecurely, createOperator, createTestToken, openTestSession, type TestSession } from '../support/access.js';
import { PROJECT_ROOT } from '../support/source-tree.js';
import { ask, startTestDaemon, type HttpAnswer, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const SNAPSHOT = join(PROJECT_ROOT, 'test', 'contract', 'snapshots', 'csrf.json');
const MUTATIONS = (Object.entries(ROUTES) as [RouteId, Route][]).filter(([, route]) => !route.safe);
/** Bodies that would be carried out if nothing stood before them. */
const BODIES: Partial<Record<RouteId, unknown>> = {
  'nodes.rename': { name: 'renamed' },
  'nodes.label': { set: { a: 'b' } },
  'dispatches.create': { capability: 'echo', input: {}, queueMs: 60_000, wait: false },
  'operators.create': { name: 'intruder', role: 'owner' },
  'operators.update': { role: 'owner' },
  'tokens.create': { name: 'intruder', scopes: ['nodes:write'] },
};
type Send = (what: Partial<HttpAsk>) => Promise<HttpAnswer>;

/** The twelve forms. `headers` are those of a request that would be carried out. */
const VARIANTS: Readonly<
  Record<string, (send: Send, its: { json: unknown; other: TestSession; own: TestSession }) => Promise<HttpAnswer>>
> = {
  'no token': (send, { json, own }) => send({ json, headers: { cookie: own.cookie, 'sec-fetch-site': 'same-origin' } }),
  'token of another session': (send, { json, own, other }) =>
    send({ json, headers: { cookie: own.cookie, [CSRF_HEADER]: other.csrf } }),
  'cookie only': (send, { own }) => send({ headers: { cookie: own.cookie } }),
  'text/plain body': (send, { json, own }) =>
    send({ body: JSON.stringify(json), headers: { ...own.headers, 'content-type': 'text/plain' } }),
  'form post': (send, { own }) =>
    send({ body: 'a=1', headers: { ...own.headers, 'content-type': 'application/x-www-form-urlencoded' } }),
  'origin null': (send, { json, own }) => send({ json, headers: { ...own.headers, origin: 'null' } }),
  'origin of another': (send, { json, own }) =>
    send({ json, headers: { ...own.headers, origin: 'https://evil.example' } }),
  'no origin, another site': (send, { json, own }) =>
    send({ json, headers: { ...own.headers, 'sec-fetch-site': 'cross-site' } }),
  'host of another': (send, { json, own }) => send({ json, headers: { ...own.headers, host: 'evil.example' } }),
  'own origin, another site': (send, { json, own }) =>
    send({ json, headers: { ...own.headers, origin: 'https://127.0.0.1:1', 'sec-fetch-site': 'cross-site' } }),
  'method override on GET': (send, { own }) => {
    const override = { 'x-http-method-override': 'DELETE', 'x-http-method': 'POST', 'x-method-override': 'POST' };
    return send({ method: 'GET', headers: { ...own.headers, ...override } });
  },
  'gatewayUrl in the query': (send, { json, own }) =>
    send({ json, path: '?gatewayUrl=wss://evil.example', headers: own.headers }),
};
/** `ok` and `NOT_FOUND` appear in the row of the override only: the request was a read, and was answered as one. */
const REFUSALS = new Set(['CSRF_REFUSED', 'ORIGIN_REFUSED', 'REQUEST_INVALID']);

describe('what other sites can make a browser send', function () {
  this.timeout(120_000);
  let target: TestDaemon;
  let own: TestSession;
  let other: TestSession;
  let params: Record<string, Record<string, string>>;
  const table: Record<string, Record<string, string>> = {};

  before(async () => {
    target = await startTestDaemon();
    const node = await pairTestNode(target, { name: 'alpha' });
    await createOperator(target, 'victim', 'operator');
    own = await openTestSession(target, 'tester');
    other = await openTestSession(target, 'tester');
    const victim = await openTestSession(target, 'victim');
    const token = await createTestToken(target, 'victim', ['nodes:read']);
    const make = (path: string, json: unknown) =>
      ask({ socketPath: target.socketPath }, { method: 'POST', path, json });
    const invite = (await make('/v1/invites', {})).json.invite.id as string;
    const dispatch = await make('/v1/nodes/alpha/dispatches', BODIES['dispatches.create']);
    params = {
      default: { node: node.name, operator: 'victim', id: 'nothing' },
      sessions: { id: victim.id },
      tokens: { id: token.id },
      invites: { id: invite },
      dispatches: { node: node.name, id: dispatch.json.dispatch.id },
    };
  });
  after(() => target.dispose());

  for (const [id, route] of MUTATIONS) {
    it(`${id} refuses all of it, and writes nothing`, async () => {
      const group = id.slice(0, id.indexOf('.'));
      const path = toPath(id, { ...params['default'], ...params[group] });
      const json = route.method === 'POST' ? (BODIES[id] ?? {}) : undefined;
      const row: Record<string, string> = {};
      for (const [name, variant] of Object.entries(VARIANTS)) {
        const before = target.daemon.runtime.storeStatus().journalRecords;
        const send: Send = (what) =>
          askSecurely(target, { method: route.method, ...what, path: path + (what.path ?? '') });
        const answer = await variant(send, { json, own, other });
        row[name] = answer.status === 200 ? 'ok' : answer.json.reason;
        const label = `${id}, ${name}: ${answer.text.slice(0, 200)}`;
        if (name === 'method override on GET')
          assert.ok(row[name] === 'ok' || row[name] === 'ROUTE_NOT_FOUND' || answer.status === 404, label);
        else assert.ok(REFUSALS.has(row[name]!), label);
        if (['no token', 'token of another session', 'cookie only'].includes(name)) {
          // Nobody's session is used on a route for anybody: there is nothing to forge. Its empty body is refused.
          assert.equal(row[name], route.access === 'anonymous' ? 'REQUEST_INVALID' : 'CSRF_REFUSED', label);
        }
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.equal(target.daemon.runtime.storeStatus().journalRecords, before, `${label}: the journal grew`);
      }
      table[id] = row;
    });
  }

  it('is what was agreed on (PALYRA_TEST_UPDATE=1 writes it)', () => {
    const text = `${JSON.stringify(table, null, 2)}\n`;
    if (process.env['PALYRA_TEST_UPDATE'] === '1' || !existsSync(SNAPSHOT)) writeFileSync(SNAPSHOT, text);
    assert.deepEqual(table, JSON.parse(readFileSync(SNAPSHOT, 'utf8')));
    assert.deepEqual(
      Object.keys(table),
      MUTATIONS.map(([id]) => id),
      'a row for every route',
    );
    for (const row of Object.values(table)) assert.equal(Object.keys(row).length, 12);
  });

  it('is refused for no other reason: the same requests without the fault are carried out', async () => {
    const origin = `https://127.0.0.1:${target.ports.public}`;
    const headers = { ...own.headers, origin, 'sec-fetch-site': 'same-origin' };
    const made = await askSecurely(target, { method: 'POST', path: '/v1/invites', json: {}, headers });
    assert.equal(made.status, 200, made.text);
    const path = `/v1/invites/${made.json.invite.id}`;
    assert.equal((await askSecurely(target, { method: 'DELETE', path, headers })).json.changed, true);
  });

  it('holds for reads: a page of another site learns nothing, and no stream opens', async () => {
    for (const path of ['/v1/nodes', '/v1/events', '/v1/session', '/metrics']) {
      for (const bad of [
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'same-site' },
        { host: 'evil.example' },
      ]) {
        const { json } = await askSecurely(target, { path, headers: { cookie: own.cookie, ...bad } });
        assert.equal(json.reason, 'ORIGIN_REFUSED', path);
      }
    }
  });
});
