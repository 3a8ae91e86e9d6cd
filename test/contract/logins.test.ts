import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createDaemon, type Daemon } from '../../src/lib/daemon/daemon.js';
import { MAX_SESSIONS_PER_SOURCE, SESSION_TTL_MS } from '../../src/lib/daemon/pairing-sessions.js';
import { LOGIN_TTL_MS } from '../../src/lib/runtime/login-requests.js';
import { MAX_PENDING_PER_SOURCE } from '../../src/lib/runtime/pin-requests.js';
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { SCHEMAS } from '../../src/lib/wire/http/schemas.js';
import { testAuthority } from '../support/fake-daemon.js';
import { askTls, cookieOf, LoginClient } from '../support/login-client.js';
import { SplicedLogin, type Scheme } from '../support/spliced-login.js';
import { ask, startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';

const PASSWORD = 'a password of ten';

describe('a login that a person approves, over real TLS', function () {
  this.timeout(30_000);
  let target: TestDaemon;
  before(async () => {
    target = await startTestDaemon();
  });
  after(() => target.dispose());
  afterEach(async () => {
    // The places of one source are few.
    for (const { id } of (await owner('GET', '/v1/approvals')).json.requests) {
      await owner('POST', `/v1/approvals/${id}/reject`, {});
    }
  });

  const owner = (method: string, path: string, json?: unknown) =>
    ask({ socketPath: target.socketPath }, { method, path, ...(json === undefined ? {} : { json }) });
  const approve = (id: string, json: unknown) => owner('POST', `/v1/approvals/${id}/approve`, json);
  const login = (operator?: string) => new LoginClient(target.ports.public, operator);

  it('gives the program a session as whoever typed its PIN, once', async () => {
    const program = await login().ask();
    assert.match(program.pin, /^\d{6}$/);
    assert.match(program.requestId, /^req_[0-9A-Z]{6}$/);
    const listed = await owner('GET', '/v1/approvals');
    SCHEMAS['approvals.list'].answer.parse(listed.json);
    const [request] = listed.json.requests;
    assert.deepEqual(
      [request.id, request.kind, request.operator, request.pinRequired],
      [program.requestId, 'login', null, true],
    );
    assert.deepEqual([request.subject.hostname, request.subject.address, request.wants], ['laptop', '127.0.0.1', []]);
    for (const secret of [program.pin, program.secret, program.claimHash]) assert.ok(!listed.text.includes(secret));

    const pending = await program.claim();
    assert.deepEqual([pending.status, pending.json], [200, { state: 'pending', who: null }]);
    const waiting = program.claim(20_000);
    const answer = await approve(program.requestId, { pin: program.pin });
    assert.equal(answer.status, 200, answer.text);
    SCHEMAS['approvals.approve'].answer.parse(answer.json);
    assert.deepEqual([answer.json.request.operator, answer.json.node], ['tester', null]);

    const claimed = await waiting;
    assert.equal(claimed.status, 200, claimed.text);
    SCHEMAS['logins.claim'].answer.parse(claimed.json);
    const { state, who } = claimed.json;
    assert.deepEqual(
      [state, who.operator, who.role, who.session.by, who.session.kind],
      ['approved', 'tester', 'owner', 'approval', 'cli'],
    );
    assert.equal(who.session.client, 'palyra 0.1.0 on laptop');
    assert.match(
      claimed.headers['set-cookie']![0]!,
      /^__Host-palyra=ses_.*; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
    );
    const cookie = cookieOf(claimed);
    const me = await askTls(target.ports.public, { path: '/v1/session', headers: { cookie } });
    assert.deepEqual([me.status, me.json.operator, me.json.csrfToken], [200, 'tester', who.csrfToken]);

    const twice = await program.claim();
    assert.deepEqual([twice.status, twice.json.reason, twice.headers['set-cookie']], [404, 'LOGIN_UNKNOWN', undefined]);
    const shown = await owner('GET', `/v1/approvals/${program.requestId}`);
    assert.deepEqual([shown.json.request.state, shown.json.request.operator], ['issued', 'tester']);
  });

  it('tells the whole story in the audit log, and nothing of a program that only waits', async () => {
    const program = await login().ask();
    for (let index = 0; index < 3; index += 1) await program.claim();
    await approve(program.requestId, { pin: program.pin });
    await program.claim();
    const { entries } = (await owner('GET', '/v1/audit?limit=100')).json;
    const story = entries
      .filter((entry: { target: { request?: string; id?: string } }) =>
        [program.requestId, program.loginId].some((id) => [entry.target.request, entry.target.id].includes(id)),
      )
      .map((entry: { action: string; outcome: string }) => `${entry.action} ${entry.outcome}`);
    assert.deepEqual(story.reverse().sort(), [
      'approvals.approve ok',
      'login.approved ok',
      'login.requested ok',
      'logins.claim ok',
      'logins.confirm ok',
    ]);
    assert.ok(!JSON.stringify(entries).includes(program.secret));
  });

  it('is not approved by another PIN, nor without one, whoever asks', async () => {
    const program = await login().ask();
    const other = String((Number(program.pin) + 1) % 1_000_000).padStart(6, '0');
    const wrong = await approve(program.requestId, { pin: other });
    assert.deepEqual([wrong.status, wrong.json.reason, wrong.json.details], [403, 'PIN_WRONG', { triesLeft: 4 }]);
    assert.equal((await approve(program.requestId, {})).json.reason, 'PIN_REQUIRED');
    assert.equal((await approve(program.requestId, { noPin: true })).json.reason, 'PERMISSION_DENIED');
    assert.equal((await approve(program.requestId, { pin: program.pin, name: 'x' })).json.reason, 'REQUEST_INVALID');
    assert.equal((await program.claim()).json.state, 'pending');
  });

  it('opens to the secret that began it alone; a wrong one is told what an unknown login is told', async () => {
    const program = await login().ask();
    await approve(program.requestId, { pin: program.pin });
    const wrong = await program.claim(0, 'ff'.repeat(32));
    const unknown = await askTls(target.ports.public, {
      ...{ method: 'POST', path: `/v1/logins/lgn_${'0'.repeat(40)}/claim` },
      json: { secret: program.secret },
    });
    assert.deepEqual([wrong.status, wrong.json.reason], [404, 'LOGIN_UNKNOWN']);
    assert.deepEqual(wrong.json, unknown.json);
    assert.equal((await program.claim()).json.state, 'approved');
  });

  it('tells the program who said no and why', async () => {
    const program = await login().ask();
    const waiting = program.claim(20_000);
    await owner('POST', `/v1/approvals/${program.requestId}/reject`, { reason: 'not me' });
    const refused = await waiting;
    assert.deepEqual([refused.status, refused.json.reason], [403, 'LOGIN_REJECTED']);
    assert.match(refused.json.detail, /by tester: "not me"/);
  });

  it('has one try at a begun login; begun anew with the same secret it keeps its id and shows another PIN', async () => {
    const program = await login().ask();
    const { requestId, pin } = program;
    const again = await program.confirm();
    assert.deepEqual([again.status, again.json.reason], [404, 'LOGIN_UNKNOWN']);
    await program.ask();
    assert.equal(program.requestId, requestId);
    if (pin !== program.pin) assert.equal((await approve(requestId, { pin })).json.reason, 'PIN_WRONG');
    assert.equal((await approve(requestId, { pin: program.pin })).status, 200);
  });

  for (const scheme of ['relay', 'own'] satisfies Scheme[]) {
    it(`shows another PIN through a man in the middle (${scheme}), and the one that is typed is refused`, async () => {
      const spliced = await SplicedLogin.start(testAuthority(), target.ports.public, scheme);
      try {
        const victim = new LoginClient(spliced.port);
        await victim.ask();
        const answer = await approve(spliced.requestId, { pin: victim.pin });
        assert.deepEqual([answer.status, answer.json.reason], [403, 'PIN_WRONG']);
        assert.equal((await (scheme === 'own' ? spliced.own : victim).claim()).json.state, 'pending');
      } finally {
        await spliced.stop();
      }
    });
  }

  it('has few places for one source: half-done ones for a minute, and requests in the queue', async () => {
    const begun = Array.from({ length: MAX_SESSIONS_PER_SOURCE + 1 }, () => login());
    const answers = [];
    for (const program of begun) answers.push(await program.begin());
    const last = answers.pop()!;
    assert.ok(answers.every(({ status }) => status === 200));
    assert.deepEqual([last.status, last.json.reason], [429, 'LOGIN_THROTTLED']);
    assert.equal(MAX_SESSIONS_PER_SOURCE, MAX_PENDING_PER_SOURCE);
    for (const program of begun.slice(0, -1)) assert.equal((await program.confirm()).status, 200);
    const more = login();
    assert.equal((await more.begin()).status, 200);
    const full = await more.confirm();
    assert.deepEqual([full.status, full.json.reason], [429, 'LOGIN_THROTTLED']);
    assert.equal((await owner('GET', '/v1/approvals')).json.requests.length, MAX_PENDING_PER_SOURCE);
  });

  it('does not go over a connection without a certificate: not the console, not the local socket', async () => {
    const { claimHash } = login();
    const client = { hostname: 'laptop', platform: 'linux', arch: 'x64', version: '0.1.0' };
    for (const place of [{ port: target.ports.console }, { socketPath: target.socketPath }]) {
      for (const [path, json] of [
        ['/v1/logins', { claimHash, client }],
        ['/v1/logins/lgn_x/confirm', { nonce: claimHash }],
        ['/v1/logins/lgn_x/claim', { secret: claimHash }],
      ] as const) {
        const answer = await ask(place, { method: 'POST', path, json });
        assert.deepEqual([answer.status, answer.json.reason], [400, 'REQUEST_INVALID'], path);
        assert.match(answer.json.detail, /goes over HTTPS/);
      }
    }
  });

  it('has a page that says how to answer, the same whether there is such a request or not', async () => {
    const { requestId } = await login().ask();
    const pages = [];
    for (const id of [requestId.slice(4), requestId, 'NEVER1', '%3Cscript%3E', '"><img src=x>'.replace(/ /g, '%20')]) {
      pages.push(await askTls(target.ports.public, { path: `/a/${id}` }));
    }
    const [page] = pages;
    assert.match(page!.text, /palyra approvals approve ID/);
    assert.match(String(page!.headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-[^']+'; /);
    for (const other of pages) assert.deepEqual([other.status, other.text], [200, page!.text]);
    assert.equal((await askTls(target.ports.public, { path: `/A/${requestId.slice(4)}` })).text, page!.text);
  });

  it('is in the events from the request to the answer', async () => {
    const client = await import('../../src/lib/client/control-plane-client.js');
    const watcher = new client.ControlPlaneClient({ socketPath: target.socketPath });
    const stop = new AbortController();
    const seen: unknown[] = [];
    const done = (async () => {
      for await (const item of watcher.watchEvents({ signal: stop.signal })) {
        if (item.type === 'snapshot')
          void login()
            .ask()
            .then(({ requestId, pin }) => approve(requestId, { pin }));
        if (item.type === 'approval') seen.push([item.kind, item.change, item.state, item.name]);
        if (seen.length === 2) return;
      }
    })();
    await done;
    stop.abort();
    await watcher.close();
    assert.deepEqual(seen, [
      ['login', 'requested', 'pending', 'laptop'],
      ['login', 'decided', 'approved', null],
    ]);
  });

  describe('by the people of a fleet', () => {
    const sessions = new Map<string, Record<string, string>>();
    before(async () => {
      for (const [name, role] of Object.entries({
        vera: 'viewer',
        otto: 'operator',
        anna: 'approver',
        olga: 'owner',
      })) {
        await owner('POST', '/v1/operators', { name, role, password: PASSWORD });
        const json = { operator: name, password: PASSWORD, kind: 'cli' };
        const answer = await askTls(target.ports.public, { method: 'POST', path: '/v1/session', json });
        assert.equal(answer.status, 200, answer.text);
        sessions.set(name, { cookie: cookieOf(answer), 'x-palyra-csrf': answer.json.csrfToken });
      }
    });
    const by = (name: string, what: HttpAsk) =>
      askTls(target.ports.public, { ...what, headers: sessions.get(name) ?? {} });
    const answers = (name: string, decision: 'approve' | 'reject', id: string, json: unknown) =>
      by(name, { method: 'POST', path: `/v1/approvals/${id}/${decision}`, json });

    for (const [name, role] of [
      ['vera', 'viewer'],
      ['otto', 'operator'],
      ['anna', 'approver'],
      ['olga', 'owner'],
    ] as const) {
      it(`${role}: logs a program in as oneself, and it can do what one can do`, async () => {
        const program = await login().ask();
        const answer = await answers(name, 'approve', program.requestId, { pin: program.pin });
        assert.equal(answer.status, 200, answer.text);
        const { who } = (await program.claim()).json;
        assert.deepEqual([who.operator, who.role], [name, role]);
      });
    }

    it('nobody but the owner approves as somebody else, in either way of naming them', async () => {
      for (const name of ['vera', 'otto', 'anna']) {
        const program = await login().ask();
        const as = await answers(name, 'approve', program.requestId, { pin: program.pin, as: 'olga' });
        assert.deepEqual([as.status, as.json.reason], [403, 'PERMISSION_DENIED'], name);
        await owner('POST', `/v1/approvals/${program.requestId}/reject`, {});
        const named = await login('olga').ask();
        const answer = await answers(name, 'approve', named.requestId, { pin: named.pin });
        assert.deepEqual([answer.status, answer.json.reason], [403, 'PERMISSION_DENIED'], name);
        assert.match(answer.json.detail, /only olga or the owner/);
        await owner('POST', `/v1/approvals/${named.requestId}/reject`, {});
      }
    });

    it('the owner says as whom, the program names itself whom, and the two agree', async () => {
      const free = await login().ask();
      assert.equal((await answers('olga', 'approve', free.requestId, { pin: free.pin, as: 'Otto' })).status, 200);
      assert.equal((await free.claim()).json.who.operator, 'otto');
      const named = await login('vera').ask();
      const other = await answers('olga', 'approve', named.requestId, { pin: named.pin, as: 'otto' });
      assert.deepEqual([other.status, other.json.reason], [400, 'REQUEST_INVALID']);
      assert.equal((await answers('vera', 'approve', named.requestId, { pin: named.pin })).status, 200);
      assert.equal((await named.claim()).json.who.operator, 'vera');
      const unknown = await login('nobody').ask();
      const none = await answers('olga', 'approve', unknown.requestId, { pin: unknown.pin });
      assert.deepEqual([none.status, none.json.reason], [404, 'OPERATOR_NOT_FOUND']);
    });

    it('two at once: the first wins, the second is told who it was and as whom', async () => {
      const program = await login().ask();
      const both = await Promise.all(
        ['anna', 'olga'].map((name) => answers(name, 'approve', program.requestId, { pin: program.pin })),
      );
      const lost = both.find(({ status }) => status !== 200)!;
      const won = both.find(({ status }) => status === 200)!;
      assert.deepEqual([won.json.changed, lost.status, lost.json.reason], [true, 409, 'ALREADY_DECIDED']);
      const name = won.json.decidedBy as string;
      assert.match(lost.json.detail, new RegExp(`approved as ${name} by ${name} \\d+ s ago`));
      const again = await answers(name, 'approve', program.requestId, { pin: program.pin });
      assert.deepEqual([again.status, again.json.changed], [200, false]);
      assert.equal((await program.claim()).json.who.operator, name);
    });

    it('a token approves no login, whatever its scopes: the session could do more', async () => {
      const scopes = ['approvals:read', 'approvals:decide'];
      const made = await by('olga', { method: 'POST', path: '/v1/tokens', json: { name: 't', scopes } });
      const headers = { authorization: `Bearer ${made.json.token.secret}` };
      const program = await login().ask();
      const path = `/v1/approvals/${program.requestId}/approve`;
      const answer = await askTls(target.ports.public, { method: 'POST', path, json: { pin: program.pin }, headers });
      assert.deepEqual([answer.status, answer.json.reason], [403, 'PERMISSION_DENIED']);
      assert.match(answer.json.detail, /a token lets nobody log in/);
    });

    it('a request is rejected by an approver, or by the one it names', async () => {
      const named = await login('vera').ask();
      assert.equal((await answers('otto', 'reject', named.requestId, {})).json.reason, 'PERMISSION_DENIED');
      assert.equal((await answers('vera', 'reject', named.requestId, {})).status, 200);
      const free = await login().ask();
      assert.equal((await answers('vera', 'reject', free.requestId, {})).json.reason, 'PERMISSION_DENIED');
      assert.equal((await answers('anna', 'reject', free.requestId, {})).status, 200);
    });

    it('a machine is let in by an approver: viewer and operator neither approve nor reject it, nor count as a wrong PIN', async () => {
      const spki = createPublicKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
      const { id } = await target.daemon.runtime.approvals.request(
        {
          spki: spki.export({ type: 'spki', format: 'der' }),
          keyFingerprint: 'ab'.repeat(32),
          facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1', protocol: 1, capabilities: [] },
          requestedName: null,
          address: '192.0.2.7',
          pin: { salt: '00', hash: '00' },
        },
        (address) => address,
      );
      for (const name of ['vera', 'otto']) {
        for (const decision of ['approve', 'reject'] as const) {
          const answer = await answers(name, decision, id, decision === 'approve' ? { pin: '123456' } : {});
          assert.deepEqual([answer.status, answer.json.reason], [403, 'PERMISSION_DENIED'], `${name} ${decision}`);
        }
      }
      const wrong = await answers('anna', 'approve', id, { pin: '123456' });
      assert.deepEqual([wrong.json.reason, wrong.json.details], ['PIN_WRONG', { triesLeft: 4 }]);
      assert.equal((await answers('anna', 'approve', id, { noPin: true })).json.reason, 'PERMISSION_DENIED');
      assert.equal((await answers('olga', 'approve', id, { noPin: true, as: 'anna' })).json.reason, 'REQUEST_INVALID');
      assert.equal((await answers('olga', 'approve', id, { noPin: true })).status, 200);
    });

    it('who lost the account in between is not logged in', async () => {
      await owner('POST', '/v1/operators', { name: 'gone', role: 'viewer' });
      const program = await login('gone').ask();
      assert.equal((await approve(program.requestId, { pin: program.pin })).status, 200);
      await owner('DELETE', '/v1/operators/gone');
      const refused = await program.claim();
      assert.deepEqual([refused.status, refused.json.reason], [403, 'LOGIN_REJECTED']);
    });
  });
});

describe('a login and the time of the daemon', function () {
  this.timeout(30_000);

  it('is over after ten minutes, half-done after one', async () => {
    let passedMs = 0;
    const clock: Clock = {
      now: () => systemClock.now() + passedMs,
      monotonic: () => systemClock.monotonic() + passedMs,
      schedule: (delayMs, action) => systemClock.schedule(delayMs, action),
    };
    const target = await startTestDaemon({}, { clock });
    try {
      const late = new LoginClient(target.ports.public);
      await late.begin();
      passedMs += SESSION_TTL_MS;
      assert.equal((await late.confirm()).json.reason, 'LOGIN_UNKNOWN');
      const program = await new LoginClient(target.ports.public).ask();
      passedMs += LOGIN_TTL_MS;
      const over = await program.claim();
      assert.deepEqual([over.status, over.json.reason], [504, 'LOGIN_EXPIRED']);
      const path = `/v1/approvals/${program.requestId}/approve`;
      const answer = await ask({ socketPath: target.socketPath }, { method: 'POST', path, json: { pin: program.pin } });
      assert.deepEqual([answer.status, answer.json.reason], [409, 'ALREADY_DECIDED']);
    } finally {
      await target.dispose();
    }
  });

  it('survives a restart of the daemon between approval and claim, and opens once then too', async () => {
    const target = await startTestDaemon();
    let next: Daemon | null = null;
    try {
      const program = await new LoginClient(target.ports.public).ask();
      const path = `/v1/approvals/${program.requestId}/approve`;
      await ask({ socketPath: target.socketPath }, { method: 'POST', path, json: { pin: program.pin } });
      await target.daemon.stop();
      next = await createDaemon(target.options, { clock: systemClock, random: systemRandom, log: silentLog });
      program.port = Number(new URL(next.listeners.find(({ purpose }) => purpose === 'public')!.url).port);
      assert.equal((await program.claim()).json.state, 'approved');
      assert.equal((await program.claim()).json.reason, 'LOGIN_UNKNOWN');
    } finally {
      await next?.stop();
      await target.dispose();
    }
  });
});
