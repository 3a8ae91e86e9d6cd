import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer as createTcp, type AddressInfo, type Socket } from 'node:net';
import { X509Certificate } from 'node:crypto';
import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient, type ControlPlaneClientOptions } from '../../src/lib/client/control-plane-client.js';
import { CookieJar } from '../../src/lib/client/cookies.js';
import { readDaemonIdentity } from '../../src/lib/client/daemon-identity.js';
import { toProblem } from '../../src/lib/wire/http/problem.js';
import { CONTRACT_HEADER, CSRF_HEADER, SESSION_COOKIE } from '../../src/lib/wire/http/routes.js';
import { HttpsServer, json, newAuthority, type Seen } from '../support/https-server.js';
import { rejectsWith } from '../support/rejects-with.js';

const WHO = { operator: 'eva', role: 'owner', credential: 'session', scopes: null, session: null, csrfToken: 'csrf-1' };
const GOOD_COOKIE = `${SESSION_COOKIE}=secret-1; Path=/; Secure; HttpOnly; SameSite=Strict`;

describe('the client and servers that mean it no good', function () {
  this.timeout(20_000);
  let server: HttpsServer;
  let close: (() => unknown)[];

  beforeEach(async () => {
    close = [];
    server = await HttpsServer.start();
    close.push(() => server.stop());
  });
  afterEach(async () => {
    for (const step of close.reverse()) await step();
  });

  const clientOf = (options: Partial<ControlPlaneClientOptions> = {}) => {
    const client = new ControlPlaneClient({
      baseUrl: server.url,
      ca: server.authority.certificatePem,
      requestTimeoutMs: 1000,
      ...options,
    });
    close.push(() => client.close());
    return client;
  };
  const problem = (error: PalyraError) => toProblem(error);
  const rawServer = async (onSocket: (socket: Socket) => void) => {
    const raw = createTcp(onSocket).listen(0, '127.0.0.1');
    await once(raw, 'listening');
    const sockets = new Set<Socket>();
    raw.on('connection', (socket) => sockets.add(socket));
    close.push(() => {
      for (const socket of sockets) socket.destroy();
      raw.close();
    });
    return `https://127.0.0.1:${(raw.address() as AddressInfo).port}`;
  };
  const mutations = () => server.seen.filter(({ method }) => method !== 'GET');

  describe('that cut or stall', () => {
    it('says so when the connection is cut before TLS, in the middle of it, or never answered', async () => {
      const cut = clientOf({ baseUrl: await rawServer((socket) => socket.destroy()) });
      assert.match((await rejectsWith(cut.createInvite({}), 'DAEMON_UNREACHABLE')).detail ?? '', /broke|cut/);
      const half = clientOf({ baseUrl: await rawServer((socket) => socket.once('data', () => socket.destroy())) });
      assert.match((await rejectsWith(half.createInvite({}), 'DAEMON_UNREACHABLE')).detail ?? '', /broke|cut/);
      const garbage = clientOf({ baseUrl: await rawServer((socket) => socket.end('SSH-2.0-x\r\n')) });
      await rejectsWith(garbage.createInvite({}), 'DAEMON_UNREACHABLE');
      const silent = clientOf({ baseUrl: await rawServer(() => undefined), requestTimeoutMs: 300 });
      assert.equal(
        (await rejectsWith(silent.createInvite({}), 'DAEMON_UNREACHABLE')).detail,
        'no answer within 300 ms',
      );
    });

    it('sends a mutation exactly once, whichever part of the answer is cut', async () => {
      const parts: ((response: Parameters<HttpsServer['answer']>[1]) => void)[] = [
        (response) => response.socket?.destroy(),
        (response) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
          response.write('{');
          setImmediate(() => response.socket?.destroy());
        },
        (response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.write('{"invite":');
          setImmediate(() => response.socket?.destroy());
        },
      ];
      const client = clientOf({ token: 'plt_x', safeReadRetries: 3 });
      for (const part of parts) {
        server.seen.length = 0;
        server.answer = (_seen, response) => part(response);
        await rejectsWith(client.createInvite({}), 'DAEMON_UNREACHABLE');
        assert.equal(server.seen.length, 1);
        await rejectsWith(client.listInvites(), 'DAEMON_UNREACHABLE');
        assert.equal(server.seen.length, 5, 'a read is sent once and three times again');
      }
    });

    it('does not wait for an answer that drips, and drops the one that comes too late', async () => {
      const client = clientOf({ requestTimeoutMs: 400, safeReadRetries: 0 });
      server.answer = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'application/json', [CONTRACT_HEADER]: '1' });
        const drip = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(drip));
      };
      const begun = performance.now();
      await rejectsWith(client.listInvites(), 'DAEMON_UNREACHABLE');
      assert.ok(performance.now() - begun < 5000);
      server.answer = (seen, response) =>
        void setTimeout(
          () => json(response, { invites: [], path: seen.path }),
          seen.path.endsWith('invites') ? 700 : 0,
        );
      await rejectsWith(client.listInvites(), 'DAEMON_UNREACHABLE');
      server.answer = (_seen, response) => json(response, { operators: [] });
      assert.deepEqual(await client.listOperators(), [], 'the late answer is nobody else’s');
    });

    it('stops reading an answer that has no end', async () => {
      const client = clientOf({ requestTimeoutMs: 15_000 });
      let sent = 0;
      server.answer = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'application/json', [CONTRACT_HEADER]: '1' });
        const piece = Buffer.alloc(1024 * 1024, 0x20);
        const pump = () => {
          while (!response.destroyed && sent < 256 * 1024 * 1024) {
            sent += piece.length;
            if (!response.write(piece)) return void response.once('drain', pump);
          }
        };
        pump();
      };
      const error = await rejectsWith(client.createInvite({}), 'ANSWER_INVALID');
      assert.match(error.detail ?? '', /larger than 32 MiB/);
      assert.ok(sent < 64 * 1024 * 1024, `${sent}`);
    });
  });

  describe('that are not a daemon', () => {
    it('follows no redirect, and sends nothing there', async () => {
      const other = await HttpsServer.start({ authority: server.authority });
      close.push(() => other.stop());
      server.answer = (_seen, response) =>
        void response.writeHead(307, { location: `${other.url}/v1/invites`, [CONTRACT_HEADER]: '1' }).end();
      const error = await rejectsWith(clientOf({ token: 'plt_x' }).createInvite({}), 'ANSWER_INVALID');
      assert.match(error.detail ?? '', /redirect/);
      assert.equal(other.seen.length, 0);
      assert.equal(other.connections, 0);
    });

    it('tells a page, bad JSON and an answer without our header from a daemon', async () => {
      const client = clientOf();
      const cases: [string, RegExp, Record<string, string>, number][] = [
        ['<!doctype html><p>Welcome', /web page/, { 'content-type': 'text/html' }, 200],
        ['<html>bad gateway', /HTTP status 502 and a web page/, { 'content-type': 'text/html' }, 502],
        ['{"invites":', /not JSON/, { [CONTRACT_HEADER]: '1' }, 200],
        ['null', /not JSON/, { [CONTRACT_HEADER]: '1' }, 200],
        ['{"invites":[]}', /which API/, { 'content-type': 'application/json' }, 200],
        ['{"error":"no"}', /HTTP status 403 and no reason/, { 'content-type': 'application/json' }, 403],
      ];
      for (const [text, detail, headers, status] of cases) {
        server.answer = (_seen, response) => void response.writeHead(status, headers).end(text);
        assert.match((await rejectsWith(client.listInvites(), 'ANSWER_INVALID')).detail ?? '', detail);
      }
    });

    it('goes on with no other contract than its own, also when the answer is an error', async () => {
      const client = clientOf();
      for (const status of [200, 404]) {
        server.answer = (_seen, response) =>
          json(response, problem(new PalyraError('ROUTE_NOT_FOUND')), { status, headers: { [CONTRACT_HEADER]: '2' } });
        const error = await rejectsWith(client.listInvites(), 'CONTRACT_MISMATCH');
        assert.deepEqual([error.exitCode, error.detail], [11, 'the daemon speaks 2, this client 1']);
      }
      assert.equal(server.seen[0]?.headers[CONTRACT_HEADER], '1');
    });

    it('takes no reason that it does not know for its own', async () => {
      server.answer = (_seen, response) => json(response, { reason: '__proto__', detail: 'x' }, { status: 500 });
      const error = await rejectsWith(clientOf().listInvites(), 'INTERNAL');
      assert.equal(error.details['reason'], '__proto__');
    });
  });

  describe('that are somebody else', () => {
    it('sends nothing to another CA than the one that is trusted, by PEM or by fingerprint', async () => {
      const other = newAuthority('other');
      for (const trust of [{ ca: other.certificatePem }, { caFingerprint: `sha256:${other.fingerprint}` }]) {
        const options = { baseUrl: server.url, token: 'plt_x', requestTimeoutMs: 1000, ...trust };
        const client = new ControlPlaneClient(options);
        close.push(() => client.close());
        const error = await rejectsWith(client.listInvites(), 'DAEMON_IDENTITY_CHANGED');
        assert.equal(error.exitCode, 5);
      }
      assert.deepEqual(server.seen, []);
    });

    it('trusts exactly the CA with the fingerprint, taken from the handshake', async () => {
      server.answer = (_seen, response) => json(response, { invites: [] });
      const client = new ControlPlaneClient({ baseUrl: server.url, caFingerprint: server.authority.fingerprint });
      close.push(() => client.close());
      assert.deepEqual(await client.listInvites(), []);
    });

    it('is not fooled by the right CA beside a certificate of somebody else', async () => {
      // The chain shows the pinned CA, but it did not sign the leaf.
      const thief = newAuthority('thief');
      const { keyPem, certificatePem } = thief.issueServer({
        hosts: ['127.0.0.1'],
        now: Date.now(),
        random: systemRandom,
      });
      let requests = 0;
      const fake = createHttps(
        { key: keyPem, cert: certificatePem + server.authority.certificatePem },
        (_request, response) => {
          requests += 1;
          response.end('{}');
        },
      ).listen(0, '127.0.0.1');
      await once(fake, 'listening');
      close.push(
        () => fake.closeAllConnections(),
        () => fake.close(),
      );
      const baseUrl = `https://127.0.0.1:${(fake.address() as AddressInfo).port}`;
      for (const trust of [{ ca: server.authority.certificatePem }, { caFingerprint: server.authority.fingerprint }]) {
        const client = new ControlPlaneClient({ baseUrl, token: 'plt_x', ...trust });
        close.push(() => client.close());
        const { reason } = PalyraError.from(await client.listInvites().catch((error: unknown) => error));
        assert.match(reason, /DAEMON_IDENTITY_CHANGED|ANSWER_INVALID|DAEMON_UNREACHABLE/);
      }
      assert.equal(requests, 0);
    });

    it('refuses the right CA under the wrong name', async () => {
      const named = await HttpsServer.start({ authority: server.authority, hosts: ['nas.lan'] });
      close.push(() => named.stop());
      for (const trust of [{ ca: server.authority.certificatePem }, { caFingerprint: server.authority.fingerprint }]) {
        const client = new ControlPlaneClient({ baseUrl: named.url, token: 'plt_x', ...trust });
        close.push(() => client.close());
        const error = await rejectsWith(client.listInvites(), 'DAEMON_UNREACHABLE');
        assert.match(error.detail ?? '', /not for 127\.0\.0\.1 but for nas\.lan/);
      }
      assert.deepEqual(named.seen, []);
    });

    it('without a CA it trusts those of the machine only, and says how to go on', async () => {
      const client = new ControlPlaneClient({ baseUrl: server.url });
      close.push(() => client.close());
      const error = await rejectsWith(client.listInvites(), 'DAEMON_UNREACHABLE');
      assert.match(error.hint, /palyra login https:\/\/127/);
    });
  });

  describe('and the session', () => {
    it('keeps the cookie of the session and no other, and none that breaks the rules', async () => {
      const bad = [
        `${SESSION_COOKIE}=a; Path=/`,
        `${SESSION_COOKIE}=b; Path=/v1; Secure`,
        `${SESSION_COOKIE}=c; Path=/; Secure; Domain=127.0.0.1`,
        `${SESSION_COOKIE}=d; Path=/; Secure; Domain=evil.example`,
        'other=e; Path=/; Secure',
      ];
      const jar = new CookieJar();
      const client = clientOf({ cookieJar: jar });
      server.answer = (_seen, response) => json(response, { operators: [] }, { headers: { 'set-cookie': bad } });
      await client.listOperators();
      assert.equal(await jar.headerFor(server.url), null);
      server.answer = (_seen, response) =>
        json(response, WHO, { headers: { 'set-cookie': [GOOD_COOKIE, ...bad.slice(1)] } });
      await client.login({ operator: 'eva', password: 'x', kind: 'cli', client: '' });
      assert.equal(await jar.headerFor(server.url), `${SESSION_COOKIE}=secret-1`);
      assert.equal(await jar.headerFor('https://localhost:1'), null);
      assert.equal(await jar.headerFor(server.url.replace('https', 'http').replace('127.0.0.1', '127.0.0.2')), null);
    });

    it('is given to another client as JSON', async () => {
      const jar = new CookieJar();
      await jar.take([GOOD_COOKIE], server.url);
      const copy = new CookieJar(JSON.parse(JSON.stringify(await jar.serialize())));
      assert.equal(await copy.headerFor(server.url), `${SESSION_COOKIE}=secret-1`);
      const broken = new CookieJar({ cookies: 7 } as never);
      await rejectsWith(broken.headerFor(server.url), 'CONFIG_INVALID');
    });

    it('reads the CSRF token once before its first mutation, and sends it with every one', async () => {
      const jar = new CookieJar();
      await jar.take([GOOD_COOKIE], server.url);
      const client = clientOf({ cookieJar: jar });
      server.answer = (seen, response) =>
        json(response, seen.path === '/v1/session' ? WHO : { invite: { id: 'inv_1' } });
      await Promise.all([client.createInvite({}), client.createInvite({})]);
      await client.createInvite({});
      assert.equal(server.seen.filter(({ path }) => path === '/v1/session').length, 1);
      assert.deepEqual(mutations().map(csrfOf), ['csrf-1', 'csrf-1', 'csrf-1']);
    });

    it('sends a mutation a second time with a fresh CSRF token, and not a third time', async () => {
      const jar = new CookieJar();
      await jar.take([GOOD_COOKIE], server.url);
      const client = clientOf({ cookieJar: jar });
      let reads = 0;
      const refusal = problem(new PalyraError('CSRF_REFUSED'));
      let good = 'csrf-2';
      server.answer = (seen, response) => {
        if (seen.path === '/v1/session') json(response, { ...WHO, csrfToken: `csrf-${++reads}` });
        else if (csrfOf(seen) === good) json(response, { invite: { id: 'inv_1' } });
        else json(response, refusal, { status: 403 });
      };
      assert.equal((await client.createInvite({})).id, 'inv_1');
      assert.deepEqual(mutations().map(csrfOf), ['csrf-1', 'csrf-2']);
      server.seen.length = 0;
      good = 'none';
      await rejectsWith(client.createInvite({}), 'CSRF_REFUSED');
      assert.equal(mutations().length, 2);
    });

    it('sends a token in place of a cookie, without CSRF, and neither in the clear to another machine', async () => {
      server.answer = (_seen, response) => json(response, { invite: { id: 'inv_1' } });
      await clientOf({ token: 'plt_abc' }).createInvite({});
      const [seen] = server.seen;
      assert.deepEqual(
        [seen?.headers.authorization, seen?.headers.cookie, seen === undefined ? '' : csrfOf(seen)],
        ['Bearer plt_abc', undefined, undefined],
      );
      assert.throws(() => new ControlPlaneClient({ baseUrl: 'http://nas.lan:7442', token: 'plt_abc' }), {
        reason: 'CONFIG_INVALID',
      });
      for (const baseUrl of ['https://eva:pw@nas.lan', 'https://nas.lan/v1', 'ftp://nas.lan', 'nas.lan:7443', '']) {
        assert.throws(() => new ControlPlaneClient({ baseUrl, token: 'x' }), { reason: 'CONFIG_INVALID' });
      }
      assert.throws(() => new ControlPlaneClient({ socketPath: '/s', token: 'x' }), { reason: 'CONFIG_INVALID' });
    });

    it('forgets the cookie at logout, also when the daemon cannot be told', async () => {
      const jar = new CookieJar();
      await jar.take([GOOD_COOKIE], server.url);
      const client = clientOf({ cookieJar: jar });
      server.answer = (seen, response) => {
        if (seen.method === 'GET') json(response, WHO);
        else response.socket?.destroy();
      };
      await rejectsWith(client.logout(), 'DAEMON_UNREACHABLE');
      assert.equal(await jar.headerFor(server.url), null);
    });
  });

  describe('through a proxy', () => {
    const proxy = async (): Promise<{ url: string; asked: string[] }> => {
      const asked: string[] = [];
      const server: Server = createHttp().listen(0, '127.0.0.1');
      server.on('connect', (request, socket: Socket) => {
        asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`);
        const [host, port] = (request.url ?? '').split(':');
        const onward = connect(Number(port), host, () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          onward.pipe(socket).pipe(onward);
        });
        onward.on('error', () => socket.destroy());
        socket.on('error', () => onward.destroy());
        socket.on('close', () => onward.destroy());
      });
      await once(server, 'listening');
      close.push(() => server.close());
      return { url: `http://me:it@127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
    };

    it('tunnels, and sees the certificate of the daemon itself', async () => {
      server.answer = (_seen, response) => json(response, { invites: [] });
      const { url, asked } = await proxy();
      assert.deepEqual(await clientOf({ proxy: url }).listInvites(), []);
      assert.deepEqual(asked, [`127.0.0.1:${server.port} Basic ${Buffer.from('me:it').toString('base64')}`]);
      const wrong = clientOf({ proxy: url, ca: newAuthority().certificatePem });
      await rejectsWith(wrong.listInvites(), 'DAEMON_IDENTITY_CHANGED');
    });

    it('says that it was the proxy', async () => {
      const closed = clientOf({ proxy: 'http://127.0.0.1:1' });
      assert.match(
        (await rejectsWith(closed.listInvites(), 'PROXY_UNREACHABLE')).detail ?? '',
        /127\.0\.0\.1:1: the connection/,
      );
    });
  });

  it('shows an identity only when it is whole', async () => {
    const place = { host: '127.0.0.1', port: server.port, timeoutMs: 2000 };
    const identity = await readDaemonIdentity(place);
    assert.equal(identity?.caFingerprint, server.authority.fingerprint);
    assert.ok(new X509Certificate(identity.caPem).ca);
    await rejectsWith(readDaemonIdentity({ ...place, port: 1 }), 'DAEMON_UNREACHABLE');
    assert.deepEqual(server.seen, []);
  });
});

function csrfOf({ headers }: Seen): string | string[] | undefined {
  return headers[CSRF_HEADER];
}
