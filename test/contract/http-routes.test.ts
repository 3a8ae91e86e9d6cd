import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Caller } from '../../src/lib/base/model.js';
import { assertAllowed, GRPC_POLICY } from '../../src/lib/daemon/policy.js';
import { HealthService } from '../../src/lib/wire/grpc/generated/grpc/health/v1/health.js';
import { NodeServiceService } from '../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { PairingServiceService } from '../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import {
  MAX_BODY_BYTES,
  MAX_INPUT_BYTES,
  PROBLEM_JSON,
  ROUTES,
  toPath,
  type Route,
  type RouteId,
} from '../../src/lib/wire/http/routes.js';
import { SCHEMAS } from '../../src/lib/wire/http/schemas.js';
import { ask, eventually, startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const ALL = Object.entries(ROUTES) as [RouteId, Route][];
const REASONS_OF_INPUT = new Set([
  'NODE_NOT_FOUND',
  'DISPATCH_NOT_FOUND',
  'INVITE_NOT_FOUND',
  'CAPABILITY_NOT_FOUND',
  'APPROVAL_NOT_FOUND',
  'SESSION_NOT_FOUND',
  'OPERATOR_NOT_FOUND',
  'TOKEN_NOT_FOUND',
  'REQUEST_INVALID',
]);

describe('the HTTP API', () => {
  let target: TestDaemon;
  const owner = (what: HttpAsk) => ask({ socketPath: target.socketPath }, what);
  const stranger = (what: HttpAsk) => ask({ port: target.ports.console }, what);

  before(async () => {
    target = await startTestDaemon();
  });
  after(() => target.dispose());

  describe('every route', () => {
    for (const [id, route] of ALL) {
      it(`${id} is served, and asks who is calling: ${route.access}`, async () => {
        const params = { node: 'nobody', id: 'nothing', operator: 'nobody', code: 'K7QF2M9D4TXW', name: 'no.such' };
        const what = {
          method: route.method,
          path: toPath(id, params),
          ...(id === 'daemon.stop' ? { json: { drainMs: -1 } } : {}),
          ...(id === 'daemon.rotateCa' ? { json: { keepMs: -1 } } : {}),
          // A stream does not end by itself.
          ...(id === 'events.stream' ? { headers: { 'last-event-id': 'none' } } : {}),
        };
        const asOwner = await owner(what);
        assert.ok(asOwner.status === 200 || REASONS_OF_INPUT.has(asOwner.json.reason), asOwner.text);
        const asStranger = await stranger(what);
        if (route.access === 'anonymous') assert.equal(asStranger.status, asOwner.status);
        else assert.equal(asStranger.json.reason, 'UNAUTHENTICATED');
      });

      it(`${id} carries the headers that keep browsers out`, async () => {
        const { headers } = await stranger({
          method: route.method,
          path: toPath(id, { node: 'n', id: 'i', code: 'c', name: 'x' }),
        });
        assert.equal(headers['x-content-type-options'], 'nosniff');
        assert.equal(headers['cache-control'], 'no-store');
        assert.match(String(headers['content-security-policy']), /^default-src 'none'/);
      });
    }

    it('answers reads with the schema it publishes', async () => {
      await pairTestNode(target, { name: 'alpha' });
      for (const [path, id] of [
        ['/v1/daemon', 'daemon.status'],
        ['/v1/nodes', 'nodes.list'],
        ['/v1/nodes/alpha', 'nodes.show'],
        ['/v1/invites', 'invites.list'],
        ['/healthz', 'healthz'],
        ['/readyz', 'readyz'],
      ] as const) {
        const { status, text } = await owner({ path });
        assert.equal(status, 200);
        SCHEMAS[id].answer.parse(JSON.parse(text));
      }
    });
  });

  it('has a policy row for every gRPC method and no row for anything else', () => {
    const services = [PairingServiceService, NodeServiceService, HealthService];
    const paths = services.flatMap((service) => Object.values(service).map(({ path }) => path as string));
    assert.deepEqual(Object.keys(GRPC_POLICY).sort(), paths.sort());
  });

  it('ranks roles: each may do what the lower ones may', () => {
    const as = (role: 'viewer' | 'operator' | 'approver' | 'owner'): Caller => ({ kind: 'operator', name: 'x', role });
    assert.doesNotThrow(() => assertAllowed(as('viewer'), 'viewer'));
    assert.throws(() => assertAllowed(as('viewer'), 'operator'), { reason: 'PERMISSION_DENIED' });
    assert.doesNotThrow(() => assertAllowed(as('approver'), 'operator'));
    assert.throws(() => assertAllowed(as('approver'), 'owner'), { reason: 'PERMISSION_DENIED' });
    const device: Caller = { kind: 'device', nodeId: 'n', serial: '1', address: 'a' };
    assert.throws(() => assertAllowed(device, 'viewer'), { reason: 'PERMISSION_DENIED' });
  });

  it('keeps its socket to the owner', async () => {
    assert.equal((await stat(target.socketPath)).mode & 0o777, 0o600);
  });

  it('says what is wrong with a request and where', async () => {
    const create = (json: unknown) => owner({ method: 'POST', path: '/v1/invites', json });
    for (const [body, path] of [
      [{ uses: 0 }, 'uses'],
      [{ tpyo: 1 }, ''],
      [{ labels: { a: 1 } }, 'labels.a'],
      [[], ''],
    ] as const) {
      const { status, json, headers } = await create(body);
      assert.equal(status, 400);
      assert.equal(headers['content-type'], PROBLEM_JSON);
      assert.equal(json.reason, 'REQUEST_INVALID');
      assert.equal(json.details.path, path);
    }
    assert.equal((await owner({ path: '/v1/nodes?limit=0' })).json.reason, 'REQUEST_INVALID');
  });

  it('takes JSON only', async () => {
    const post = (body: string | Buffer, type: string) =>
      owner({ method: 'POST', path: '/v1/invites', body, headers: { 'content-type': type } });
    assert.equal((await post('{}', 'application/json; charset=utf-8')).status, 200);
    assert.equal((await post('{}', 'text/plain')).json.reason, 'REQUEST_INVALID');
    assert.equal((await post('a=1', 'application/x-www-form-urlencoded')).json.reason, 'REQUEST_INVALID');
    assert.equal((await post('{', 'application/json')).json.reason, 'REQUEST_INVALID');
    assert.equal((await post(Buffer.from([0x22, 0xff, 0x22]), 'application/json')).json.reason, 'REQUEST_INVALID');
    assert.equal((await post('['.repeat(100) + ']'.repeat(100), 'application/json')).json.reason, 'REQUEST_INVALID');
  });

  it('reads a body up to its limit and not a byte more', async () => {
    const sized = (bytes: number) => `{"purpose":"${'x'.repeat(bytes - 14)}"}`;
    for (const [bytes, reason] of [
      [MAX_BODY_BYTES - 1, 'REQUEST_INVALID'],
      [MAX_BODY_BYTES, 'REQUEST_INVALID'],
      [MAX_BODY_BYTES + 1, 'MESSAGE_TOO_LARGE'],
    ] as const) {
      const body = sized(bytes);
      assert.equal(body.length, bytes);
      const { json, headers } = await owner({ method: 'POST', path: '/v1/invites', body });
      assert.equal(json.reason, reason);
      if (reason === 'MESSAGE_TOO_LARGE') assert.equal(headers.connection, 'close');
    }
  });

  it('stops reading a body of unknown length at the limit', async () => {
    const reason = await new Promise((resolve, reject) => {
      const chunked = request({ socketPath: target.socketPath, method: 'POST', path: '/v1/invites' }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString()).reason));
      });
      chunked.on('error', reject);
      chunked.setHeader('content-type', 'application/json');
      for (let sent = 0; sent <= MAX_BODY_BYTES; sent += 65_536) chunked.write(Buffer.alloc(65_536, ' '));
    });
    assert.equal(reason, 'MESSAGE_TOO_LARGE');
  });

  it('takes an input up to its limit', async () => {
    const input = (bytes: number) => ({ capability: 'echo', input: { x: 'y'.repeat(bytes - 8) } });
    const create = async (bytes: number) =>
      (await owner({ method: 'POST', path: '/v1/nodes/nobody/dispatches', json: input(bytes) })).json.reason;
    assert.equal(await create(MAX_INPUT_BYTES), 'NODE_NOT_FOUND');
    assert.equal(await create(MAX_INPUT_BYTES + 1), 'INPUT_TOO_LARGE');
  });

  it('tells an unknown address from a wrong method', async () => {
    const nowhere = await owner({ path: '/v1/nothing' });
    assert.deepEqual([nowhere.status, nowhere.json.reason], [404, 'ROUTE_NOT_FOUND']);
    const wrong = await owner({ method: 'PUT', path: '/v1/nodes/x' });
    assert.deepEqual([wrong.status, wrong.json.reason, wrong.headers.allow], [405, 'ROUTE_NOT_FOUND', 'GET, DELETE']);
  });

  it('shows the same page for every code, in either case, and spends nothing', async () => {
    const made = await owner({ method: 'POST', path: '/v1/invites', json: {} });
    const { pathname } = new URL(made.json.invite.link as string);
    const pages = await Promise.all(
      [pathname, pathname.toUpperCase(), '/j/anything'].map((path) => stranger({ path })),
    );
    for (const page of pages) {
      assert.equal(page.status, 200);
      assert.match(String(page.headers['content-type']), /^text\/html/);
      assert.match(page.text, /palyra node run/);
      assert.equal(page.text, pages[0]?.text);
      assert.doesNotMatch(page.text, /<script/i);
    }
    for (let round = 0; round < 100; round += 1) await stranger({ path: pathname });
    assert.equal((await owner({ path: `/v1/invites/${made.json.invite.id}` })).json.invite.state, 'open');
  });

  it('answers on the console port only under the names of loopback', async () => {
    const as = (host: string) => stranger({ path: '/healthz', headers: { host } });
    for (const host of ['localhost', 'LOCALHOST:7442', '127.0.0.1:1', '[::1]:7442'])
      assert.equal((await as(host)).status, 200);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io:7442', '[::2]']) {
      assert.equal((await as(host)).json.reason, 'ORIGIN_REFUSED', host);
    }
  });

  it('answers no request that names two hosts', async () => {
    const socket = connect(target.ports.console, '127.0.0.1');
    const lines = ['GET /healthz HTTP/1.1', 'Host: 127.0.0.1', 'Host: evil.example', 'Connection: close', '', ''];
    socket.write(lines.join('\r\n'));
    let text = '';
    socket.on('data', (part) => (text += part.toString()));
    await new Promise((resolve) => socket.once('close', resolve));
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.match(text, /ORIGIN_REFUSED/);
  });

  it('survives what is not HTTP', async () => {
    const socket = connect(target.ports.console, '127.0.0.1');
    socket.end('\x00\x01garbage\r\n\r\n');
    await new Promise((resolve) => socket.on('data', () => undefined).once('close', resolve));
    assert.equal((await stranger({ path: '/healthz' })).status, 200);
  });

  it('keeps a dispatch whose caller has gone away', async () => {
    const node = await pairTestNode(target, { name: 'sleeper' });
    const controller = new AbortController();
    const path = `/v1/nodes/${node.name}/dispatches`;
    const waiting = request({ socketPath: target.socketPath, method: 'POST', path, signal: controller.signal });
    waiting.on('error', () => undefined);
    waiting.setHeader('content-type', 'application/json');
    waiting.end(JSON.stringify({ capability: 'echo', input: {}, queueMs: 60_000, timeoutMs: 60_000 }));
    const open = async () => (await owner({ path: '/v1/daemon' })).json.daemon.dispatches.open as number;
    await eventually('the dispatch is open', async () => (await open()) === 1);
    controller.abort();
    await new Promise((resolve) => waiting.once('close', resolve));
    assert.equal(await open(), 1);
  });
});
