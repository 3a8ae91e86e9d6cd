import assert from 'node:assert/strict';
import { get, request } from 'node:https';
import { readdirSync } from 'node:fs';
import { createDaemon } from '../../src/lib/daemon/daemon.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { CONTRACT_HEADER, SESSION_COOKIE } from '../../src/lib/wire/http/routes.js';
import { SESSION_SCHEMAS } from '../../src/lib/wire/http/session-schemas.js';
import {
  askSecurely,
  createOperator,
  createTestToken,
  openTestSession,
  sessionOf,
  ShiftedClock,
  type TestSession,
} from '../support/access.js';
import { secretsBelow, textSecret } from '../support/secret-search.js';
import { pairTestNode } from '../support/test-node.js';
import { ask, eventually, startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';

const MINUTE = 60_000;
const PASSWORD = 'correct horse battery';

describe('sessions over HTTP', function () {
  this.timeout(60_000);
  let target: TestDaemon;
  let clock: ShiftedClock;
  const logged: string[] = [];
  const owner = (what: HttpAsk) => ask({ socketPath: target.socketPath }, what);
  const securely = (what: HttpAsk & { from?: string }) => askSecurely(target, what);
  const onConsole = (what: HttpAsk) => ask({ port: target.ports.console }, what);
  const show = (session: TestSession) => securely({ path: '/v1/session', headers: { cookie: session.cookie } });
  const reasonOf = async (session: TestSession) => (await show(session)).json.reason ?? 'ok';
  const post = (path: string, json: unknown, headers: Record<string, string> = {}) =>
    securely({ method: 'POST', path, json, headers });
  const login = (json: unknown, headers: Record<string, string> = {}) => post('/v1/session', json, headers);
  let names = 0;
  /** Somebody of their own for each test: throttles are per account. */
  const somebody = async (role: 'viewer' | 'operator' | 'approver' | 'owner', password?: string): Promise<string> => {
    const name = `Person.${++names}`;
    const json = { name, role, ...(password === undefined ? {} : { password }) };
    const { status, text } = await owner({ method: 'POST', path: '/v1/operators', json });
    assert.equal(status, 200, text);
    return name;
  };

  before(async () => {
    clock = new ShiftedClock();
    const write = (...words: unknown[]) => void logged.push(JSON.stringify(words));
    const log = { ...silentLog, debug: write, info: write, warn: write, error: write, scope: () => log };
    target = await startTestDaemon({ hosts: ['palyra.test'] }, { clock, log });
  });
  after(() => target.dispose());

  describe('a login', () => {
    it('by password sets a cookie that stays with this host, and says who it is', async () => {
      const name = await somebody('approver', PASSWORD);
      const answer = await login({ operator: name.toUpperCase(), password: PASSWORD, client: 'a test' });
      assert.equal(answer.status, 200, answer.text);
      SESSION_SCHEMAS['session.login'].answer.parse(answer.json);
      const { operator, role, credential, scopes, csrfToken, session, daemon } = answer.json;
      assert.deepEqual([operator, role, credential, scopes], [name, 'approver', 'session', null]);
      assert.deepEqual(
        [session.kind, session.by, session.client, session.current],
        ['browser', 'password', 'a test', true],
      );
      assert.match(daemon.caFingerprint, /^sha256:[0-9a-f]{64}$/);
      const cookies = answer.headers['set-cookie'] ?? [];
      assert.equal(cookies.length, 1);
      const [pair = '', ...attributes] = cookies[0]!.split('; ');
      assert.match(pair, /^__Host-palyra=ses_[0-9A-Z]{10}\.[A-Za-z0-9_-]{43}$/);
      assert.deepEqual(attributes.sort(), ['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Strict', 'Secure']);
      const own = sessionOf(answer);
      assert.equal(own.csrf, csrfToken);
      const again = await show(own);
      assert.deepEqual(again.json.session.id, session.id);
      assert.equal(again.json.csrfToken, csrfToken);
      assert.equal(again.headers[CONTRACT_HEADER], '1');
      assert.equal(again.headers['cache-control'], 'no-store');
      assert.match(String(again.headers['vary']), /cookie/);
    });

    it('is the same on the console, whose loopback counts as secure', async () => {
      const name = await somebody('viewer', PASSWORD);
      const answer = await onConsole({
        ...{ method: 'POST', path: '/v1/session', json: { operator: name, password: PASSWORD, kind: 'cli' } },
        headers: { origin: `http://127.0.0.1:${target.ports.console}`, 'sec-fetch-site': 'same-origin' },
      });
      assert.match(String(answer.headers['set-cookie']), /Max-Age=2592000; Path=\/; Secure; HttpOnly; SameSite=Strict/);
      const { cookie } = sessionOf(answer);
      assert.equal((await onConsole({ path: '/v1/nodes', headers: { cookie } })).status, 200);
    });

    it('takes the same password however it was typed', async () => {
      const name = await somebody('viewer', 'Amélie Ångström ﬁx');
      assert.equal((await login({ operator: name, password: 'Amélie Ångström fix' })).status, 200);
    });

    it('is refused in one way, whatever is wrong', async () => {
      const wrong = await somebody('viewer', PASSWORD);
      const none = await somebody('viewer');
      const disabled = await somebody('viewer', PASSWORD);
      await owner({ method: 'POST', path: `/v1/operators/${disabled}`, json: { state: 'disabled' } });
      const answers = await Promise.all([
        login({ operator: wrong, password: `${PASSWORD}!` }),
        login({ operator: none, password: PASSWORD }),
        login({ operator: disabled, password: PASSWORD }),
        login({ operator: 'nobody-at-all', password: PASSWORD }),
      ]);
      assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
      assert.deepEqual([answers[0].status, answers[0].json.reason], [401, 'LOGIN_REFUSED']);
      assert.equal(answers[0].headers['set-cookie'], undefined);
    });

    it('begins a new session each time and ends the one whose cookie came along: nothing can be planted', async () => {
      const name = await somebody('viewer', PASSWORD);
      const planted = `${SESSION_COOKIE}=ses_AAAAAAAAAA.${'A'.repeat(43)}`;
      const first = sessionOf(await login({ operator: name, password: PASSWORD }, { cookie: planted }));
      assert.ok(!first.cookie.includes('AAAAAAAAAA'));
      const second = sessionOf(await login({ operator: name, password: PASSWORD }, { cookie: first.cookie }));
      assert.notEqual(second.id, first.id);
      assert.deepEqual([await reasonOf(first), await reasonOf(second)], ['SESSION_ENDED', 'ok']);
    });

    it('by token can do no more than the token, and ends with it', async () => {
      const name = await somebody('owner');
      const token = await createTestToken(target, name, ['nodes:read']);
      const secret = token.headers.authorization.slice('Bearer '.length);
      const answer = await login({ token: secret, kind: 'cli' });
      const own = sessionOf(answer);
      assert.deepEqual([answer.json.scopes, answer.json.session.by], [['nodes:read'], 'token']);
      const as = (path: string) => securely({ path, headers: { cookie: own.cookie } });
      assert.equal((await as('/v1/nodes')).status, 200);
      assert.equal((await as('/v1/operators')).json.reason, 'SCOPE_MISSING');
      const mine = await as('/v1/sessions');
      assert.deepEqual(
        mine.json.sessions.map(({ id }: { id: string }) => id),
        [own.id],
        'not those of the owner behind it',
      );
      await owner({ method: 'DELETE', path: `/v1/tokens/${token.id}` });
      assert.equal(await reasonOf(own), 'SESSION_ENDED');
      assert.equal((await login({ token: secret })).json.reason, 'TOKEN_REFUSED');
    });

    it('never reaches another site with CORS headers, and answers no preflight', async () => {
      const preflight = await securely({
        ...{ method: 'OPTIONS', path: '/v1/session' },
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      });
      assert.equal(preflight.status, 405);
      assert.deepEqual(
        Object.keys(preflight.headers).filter((name) => name.startsWith('access-control')),
        [],
      );
    });
  });

  describe('one credential decides', () => {
    it('refuses what is unknown, malformed, doubled or mixed, and never falls through', async () => {
      await createOperator(target, 'mixed', 'owner');
      const { cookie } = await openTestSession(target, 'mixed');
      const token = await createTestToken(target, 'mixed', ['nodes:read']);
      const { authorization } = token.headers;
      const [, id] = /plt_([0-9A-Z]+)_/.exec(authorization)!;
      const cases: [string | string[], string | string[] | undefined, string][] = [
        [cookie, authorization, 'UNAUTHENTICATED'],
        [cookie, 'Bearer nonsense', 'UNAUTHENTICATED'],
        [cookie, '', 'UNAUTHENTICATED'],
        [`${SESSION_COOKIE}=nonsense`, authorization, 'UNAUTHENTICATED'],
        [`${cookie}; ${cookie}`, undefined, 'SESSION_ENDED'],
        [`${cookie}; ${SESSION_COOKIE}=`, undefined, 'SESSION_ENDED'],
        [`${cookie}x`, undefined, 'SESSION_ENDED'],
        [`${SESSION_COOKIE}=`, undefined, 'SESSION_ENDED'],
        ['', [authorization, authorization], 'TOKEN_REFUSED'],
        ['', `${authorization} `.replace('Bearer', 'Basic'), 'TOKEN_REFUSED'],
        ['', authorization.slice('Bearer '.length), 'TOKEN_REFUSED'],
        ['', `Bearer plt_${id}_${'A'.repeat(43)}`, 'TOKEN_REFUSED'],
        ['', `${authorization}A`, 'TOKEN_REFUSED'],
        ['', `${authorization}, ${authorization}`, 'TOKEN_REFUSED'],
        ['other=1', undefined, 'UNAUTHENTICATED'],
      ];
      for (const [cookies, bearer, reason] of cases) {
        const headers: Record<string, string | string[]> = { cookie: cookies };
        if (cookies === '') delete headers['cookie'];
        if (bearer !== undefined) headers['authorization'] = bearer;
        const { json } = await securely({ path: '/v1/nodes', headers: headers as Record<string, string> });
        assert.equal(json.reason, reason, JSON.stringify(headers));
      }
      const good = await securely({ path: '/v1/nodes', headers: { authorization, cookie: 'other=1' } });
      assert.equal(good.status, 200, 'a cookie of somebody else is none of ours');
    });

    it('looks at none on the local socket, whose owner is known', async () => {
      const { json } = await owner({
        path: '/v1/session',
        headers: { cookie: `${SESSION_COOKIE}=x`, authorization: 'x' },
      });
      assert.deepEqual(
        [json.operator, json.role, json.credential, json.csrfToken],
        ['tester', 'owner', 'socket', null],
      );
      SESSION_SCHEMAS['session.show'].answer.parse(json);
    });

    it('limits a token to its scopes, and `invoke:` to one capability', async () => {
      await createOperator(target, 'robot', 'operator');
      const token = await createTestToken(target, 'robot', ['invoke:door.open']);
      const run = (capability: string) => post('/v1/nodes/nobody/dispatches', { capability, input: {} }, token.headers);
      assert.equal((await run('door.open')).json.reason, 'NODE_NOT_FOUND');
      assert.equal((await run('door.close')).json.reason, 'SCOPE_MISSING');
      assert.equal((await securely({ path: '/v1/nodes', headers: token.headers })).json.reason, 'SCOPE_MISSING');
      const who = await securely({ path: '/v1/session', headers: token.headers });
      assert.deepEqual(
        [who.json.credential, who.json.scopes, who.json.csrfToken],
        ['token', ['invoke:door.open'], null],
      );
    });

    it('lets a token see and stop what was asked for with it, and nothing else', async () => {
      await pairTestNode(target, { name: 'pi' });
      await createOperator(target, 'scripts', 'operator');
      const [mine, other] = [
        await createTestToken(target, 'scripts', ['invoke:echo']),
        await createTestToken(target, 'scripts', ['invoke:echo']),
      ];
      const body = { capability: 'echo', input: { text: 'hi' }, queueMs: 60_000, wait: false };
      const { json } = await post('/v1/nodes/pi/dispatches', body, mine.headers);
      const path = `/v1/dispatches/${json.dispatch.id}`;
      assert.equal((await securely({ path, headers: mine.headers })).json.dispatch.id, json.dispatch.id);
      assert.equal((await securely({ path, headers: other.headers })).json.reason, 'DISPATCH_NOT_FOUND');
      assert.equal((await securely({ path: '/v1/dispatches', headers: mine.headers })).json.reason, 'SCOPE_MISSING');
      assert.equal((await post(`${path}/cancel`, {}, other.headers)).json.reason, 'DISPATCH_NOT_FOUND');
      assert.equal((await post(`${path}/cancel`, {}, mine.headers)).status, 200);
    });

    it('refuses another version of the contract, on every listener', async () => {
      for (const via of [owner, onConsole, securely]) {
        const { status, json } = await via({ path: '/healthz', headers: { [CONTRACT_HEADER]: '2' } });
        assert.deepEqual([status, json.reason], [409, 'CONTRACT_MISMATCH']);
        assert.equal((await via({ path: '/healthz', headers: { [CONTRACT_HEADER]: '1' } })).status, 200);
        assert.deepEqual((await via({ path: '/readyz' })).json, { status: 'ready' });
      }
    });

    it('answers on the public port under its own names and addresses only', async () => {
      const as = async (host: string) => (await securely({ path: '/healthz', headers: { host } })).status;
      for (const host of ['localhost', 'palyra.test:7443', '127.0.0.1:1', 'LOCALHOST:7443', '[::1]:7443'])
        assert.equal(await as(host), 200, host);
      for (const host of ['evil.example', '127.0.0.2', '127.0.0.1.nip.io', 'localhost:7443:1']) {
        assert.notEqual(await as(host), 200, host);
      }
    });
  });

  describe('the end of a session', () => {
    it('is a logout: the cookie goes, and what was kept of it is refused', async () => {
      await createOperator(target, 'leaver', 'viewer');
      const session = await openTestSession(target, 'leaver');
      const out = await securely({ method: 'DELETE', path: '/v1/session', headers: session.headers });
      assert.deepEqual(out.json, { changed: true });
      assert.match(
        String(out.headers['set-cookie']),
        /^__Host-palyra=; Max-Age=0; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
      );
      assert.equal(await reasonOf(session), 'SESSION_ENDED');
      const again = await securely({ method: 'DELETE', path: '/v1/session', headers: session.headers });
      assert.equal(again.json.reason, 'SESSION_ENDED');
    });

    it('comes by the clock: 30 minutes unused, 12 hours at most', async () => {
      await createOperator(target, 'sleeper', 'viewer');
      const unused = await openTestSession(target, 'sleeper');
      const used = await openTestSession(target, 'sleeper');
      const terminal = await openTestSession(target, 'sleeper', 'cli');
      for (let age = 0; age < 12 * 60 - 20; age += 20) {
        clock.advance(20 * MINUTE);
        assert.equal(await reasonOf(used), 'ok');
      }
      assert.equal(await reasonOf(unused), 'SESSION_ENDED');
      clock.advance(20 * MINUTE);
      assert.equal(await reasonOf(used), 'SESSION_ENDED');
      assert.equal(await reasonOf(terminal), 'ok');
    });

    it('comes to all of them at once, one’s own or, for the owner, anybody’s', async () => {
      await createOperator(target, 'many', 'viewer');
      await createOperator(target, 'few', 'viewer');
      await createOperator(target, 'chief', 'owner');
      const many = await Promise.all([1, 2, 3].map(() => openTestSession(target, 'many')));
      const few = await openTestSession(target, 'few');
      const all = (json: unknown, headers: Record<string, string>) => post('/v1/sessions/revoke-all', json, headers);
      assert.equal((await all({ operator: 'many' }, few.headers)).json.reason, 'OPERATOR_NOT_FOUND');
      assert.equal((await all({}, few.headers)).json.revoked, 1);
      assert.equal(await reasonOf(few), 'SESSION_ENDED');
      const chief = await openTestSession(target, 'chief');
      assert.equal((await all({ operator: 'MANY' }, chief.headers)).json.revoked, 3);
      for (const session of many) assert.equal(await reasonOf(session), 'SESSION_ENDED');
      assert.equal(await reasonOf(chief), 'ok');
    });

    it('stops what is still being said: a body that comes after it is not acted upon', async () => {
      await createOperator(target, 'slow', 'owner');
      const { id, headers } = await openTestSession(target, 'slow');
      const refused = await new Promise<string>((resolve, reject) => {
        const sent = request(
          {
            ...{ host: '127.0.0.1', port: target.ports.public, method: 'POST', path: '/v1/operators', agent: false },
            ...{ rejectUnauthorized: false, headers: { ...headers, 'content-type': 'application/json' } },
          },
          (response) => {
            let text = '';
            response.on('data', (part: Buffer) => (text += part.toString()));
            response.on('end', () => resolve(JSON.parse(text).reason as string));
          },
        );
        sent.on('error', reject);
        sent.write('{"name":"intruder",');
        // Long enough for the daemon to have let it in.
        setTimeout(() => {
          void owner({ method: 'DELETE', path: `/v1/sessions/${id}` }).then(() => sent.end('"role":"owner"}'));
        }, 200);
      });
      assert.equal(refused, 'SESSION_ENDED');
      assert.equal((await owner({ path: '/v1/operators' })).text.includes('intruder'), false);
    });

    it('ends what was opened with it: a stream of events is closed within a second', async () => {
      await createOperator(target, 'watcher', 'viewer');
      const open = (headers: Record<string, string>) =>
        new Promise<{ closed: Promise<number> }>((resolve, reject) => {
          const path = '/v1/events';
          get({ host: '127.0.0.1', port: target.ports.public, path, headers, agent: false, rejectUnauthorized: false })
            .on('error', reject)
            .on('response', (stream) => {
              assert.equal(stream.statusCode, 200);
              const closed = new Promise<number>((done) => stream.on('close', () => done(performance.now())));
              stream.resume();
              resolve({ closed });
            });
        });
      const ends: [string, (session: TestSession) => Promise<unknown> | void][] = [
        ['logout', (s) => securely({ method: 'DELETE', path: '/v1/session', headers: s.headers })],
        ['the owner', (s) => owner({ method: 'DELETE', path: `/v1/sessions/${s.id}` })],
        ['disabled', () => owner({ method: 'POST', path: '/v1/operators/watcher', json: { state: 'disabled' } })],
        ['time', () => clock.advance(31 * MINUTE)],
      ];
      for (const [name, end] of ends) {
        await owner({ method: 'POST', path: '/v1/operators/watcher', json: { state: 'active' } });
        const session = await openTestSession(target, 'watcher');
        const { closed } = await open({ cookie: session.cookie });
        const endedAt = performance.now();
        await end(session);
        const tookMs = (await closed) - endedAt;
        assert.ok(tookMs < 3000, `${name}: ${tookMs} ms`);
      }
      const token = await createTestToken(target, 'tester', ['events:read']);
      const { closed } = await open(token.headers);
      await owner({ method: 'DELETE', path: `/v1/tokens/${token.id}` });
      await closed;
    });
  });

  describe('what belongs to others', () => {
    it('is not there: sessions and tokens of somebody else are neither seen nor ended, but by the owner', async () => {
      for (const [name, role] of [
        ['anna', 'operator'],
        ['berta', 'operator'],
        ['clara', 'owner'],
      ] as const) {
        await createOperator(target, name, role);
      }
      const anna = await openTestSession(target, 'anna');
      const berta = await openTestSession(target, 'berta');
      const clara = await openTestSession(target, 'clara');
      const token = await createTestToken(target, 'anna', ['nodes:read']);
      const as = (session: TestSession, method: string, path: string) =>
        securely({ method, path, headers: session.headers });
      const ids = async (session: TestSession) =>
        (await as(session, 'GET', '/v1/sessions')).json.sessions.map(({ id }: { id: string }) => id) as string[];
      assert.deepEqual(await ids(berta), [berta.id]);
      assert.ok((await ids(clara)).includes(anna.id));
      for (const [path, reason] of [
        [`/v1/sessions/${anna.id}`, 'SESSION_NOT_FOUND'],
        [`/v1/tokens/${token.id}`, 'TOKEN_NOT_FOUND'],
      ] as const) {
        const foreign = await as(berta, 'DELETE', path);
        const missing = await as(berta, 'DELETE', path.replace(/_.*$/, '_0000000000'));
        assert.deepEqual([foreign.status, foreign.json.reason], [404, reason]);
        assert.deepEqual([missing.status, missing.json.reason], [404, reason]);
      }
      assert.deepEqual((await as(berta, 'GET', '/v1/tokens')).json.tokens, []);
      const forAnother = await post(
        '/v1/tokens',
        { name: 'x', scopes: ['nodes:read'], operator: 'anna' },
        berta.headers,
      );
      assert.equal(forAnother.json.reason, 'OPERATOR_NOT_FOUND');
      assert.equal((await as(clara, 'DELETE', `/v1/tokens/${token.id}`)).json.changed, true);
      assert.equal((await as(clara, 'DELETE', `/v1/sessions/${anna.id}`)).json.changed, true);
      assert.equal(await reasonOf(anna), 'SESSION_ENDED');
    });

    it('shows the secret of a token once', async () => {
      const made = await owner({ method: 'POST', path: '/v1/tokens', json: { name: 'ci', scopes: ['nodes:read'] } });
      SESSION_SCHEMAS['tokens.create'].answer.parse(made.json);
      const { secret, id } = made.json.token as { secret: string; id: string };
      assert.match(secret, /^plt_[0-9A-Z]{10}_[A-Za-z0-9_-]{43}$/);
      const headers = { authorization: `Bearer ${secret}` };
      assert.equal((await securely({ path: '/v1/nodes', headers })).status, 200);
      const listed = await owner({ path: '/v1/tokens' });
      SESSION_SCHEMAS['tokens.list'].answer.parse(listed.json);
      assert.ok(listed.text.includes(id) && !listed.text.includes(secret.slice(-43)));
    });

    it('is told by the audit log with who, from where and by which credential; never with a secret', async () => {
      const name = await somebody('owner', PASSWORD);
      const session = sessionOf(await login({ operator: name, password: PASSWORD }));
      await post('/v1/invites', {}, session.headers);
      await post('/v1/invites', {}, { ...session.headers, 'x-palyra-csrf': 'wrong' });
      const { json } = await owner({ path: '/v1/audit?limit=4' });
      const [refused, made, begun, created] = json.entries;
      assert.deepEqual(made.actor, { kind: 'operator', name, credential: session.id });
      assert.deepEqual(made.origin, { listener: 'public', address: '127.0.0.1' });
      assert.deepEqual([refused.outcome, refused.actor.name], ['CSRF_REFUSED', name]);
      assert.deepEqual(
        [begun.action, begun.outcome, begun.actor.kind, begun.target.session, begun.target.name],
        ['session.login', 'ok', 'anonymous', session.id, name],
      );
      assert.deepEqual([created.action, created.target.password], ['operators.create', 'set']);
    });

    it('keeps the operator that the daemon belongs to', async () => {
      for (const json of [{ role: 'viewer' }, { state: 'disabled' }]) {
        assert.equal((await owner({ method: 'POST', path: '/v1/operators/tester', json })).json.reason, 'LAST_OWNER');
      }
      assert.equal((await owner({ method: 'DELETE', path: '/v1/operators/tester' })).json.reason, 'LAST_OWNER');
      const listed = await owner({ path: '/v1/operators' });
      SESSION_SCHEMAS['operators.list'].answer.parse(listed.json);
    });
  });

  describe('a restart', () => {
    it('ends no session, and leaves no secret in its state, its audit log or its log', async () => {
      const name = await somebody('owner', PASSWORD);
      const made = await login({ operator: name, password: PASSWORD, kind: 'cli' });
      const session = sessionOf(made);
      const { headers } = await createTestToken(target, name, ['nodes:read']);
      await post('/v1/tokens', { name: 'x', scopes: ['nodes:read'] }, session.headers);
      await login({ operator: name, password: 'a wrong password' });
      const secrets = [
        textSecret('cookie', [session.cookie.split('.')[1]!]),
        textSecret('csrf token', [session.csrf]),
        textSecret('token', [headers.authorization.slice(-43)]),
        textSecret('password', [PASSWORD, 'a wrong password']),
      ];
      assert.deepEqual(secretsBelow(target.options.stateDirectory, secrets), []);
      assert.ok(readdirSync(target.options.stateDirectory).length > 0);
      await target.daemon.stop();
      assert.deepEqual(secretsBelow(target.options.stateDirectory, secrets), []);
      const text = logged.join('\n');
      assert.ok(text.length > 1000);
      for (const { name: what, spellings } of secrets) {
        assert.ok(!spellings.some((spelling) => Buffer.from(text).includes(spelling)), `${what} in the log`);
      }
      const { public: port, console: consolePort } = target.ports;
      const daemon = await createDaemon(
        { ...target.options, port, consolePort },
        { clock, random: systemRandom, log: silentLog },
      );
      try {
        await eventually('it answers again', async () => (await show(session)).status === 200);
        assert.equal((await securely({ path: '/v1/nodes', headers })).status, 200);
      } finally {
        await daemon.stop();
      }
    });
  });
});
