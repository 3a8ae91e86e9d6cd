import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { nonceCommitment } from '../../src/lib/base/pairing-pin.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { logInByApproval, type LoginAsking } from '../../src/lib/client/login-by-approval.js';
import { toProblem } from '../../src/lib/wire/http/problem.js';
import { SESSION_COOKIE } from '../../src/lib/wire/http/routes.js';
import { HttpsServer, json } from '../support/https-server.js';
import { rejectsWith } from '../support/rejects-with.js';

const WHO = { operator: 'eva', role: 'owner', credential: 'session', scopes: null, session: null, csrfToken: 'c' };
const COOKIE = `${SESSION_COOKIE}=s; Path=/; Secure; HttpOnly; SameSite=Strict`;

describe('a login that a person approves, against servers that do as they like', function () {
  this.timeout(20_000);
  let server: HttpsServer;
  let client: ControlPlaneClient;
  let claims: number;
  /** What the n-th claim is answered with; null cuts the connection. */
  let onClaim: (n: number) => object | PalyraError | null;
  let opens: Buffer;
  let committed: Buffer;

  beforeEach(async () => {
    server = await HttpsServer.start();
    client = new ControlPlaneClient({ baseUrl: server.url, ca: server.authority.certificatePem });
    claims = 0;
    opens = committed = randomBytes(32);
    server.answer = ({ path }, response) => {
      if (path.endsWith('/confirm')) {
        const expiresAt = new Date(Date.now() + 60_000).toISOString();
        json(response, { requestId: 'req_M4XT9Q', daemonNonce: opens.toString('hex'), expiresAt });
      } else if (path.endsWith('/claim')) {
        const answer = onClaim(++claims);
        if (answer === null) response.socket?.destroy();
        else if (answer instanceof PalyraError) json(response, toProblem(answer), { status: answer.httpStatus });
        else json(response, answer, { headers: { 'set-cookie': COOKIE } });
      } else json(response, { loginId: 'lgn_1', commitment: nonceCommitment('lgn_1', committed).toString('hex') });
    };
  });
  afterEach(async () => {
    await client.close();
    await server.stop();
  });

  const logIn = (more: { timeoutMs?: number; signal?: AbortSignal; onAsking?: (asking: LoginAsking) => void } = {}) =>
    logInByApproval(
      client,
      { clock: systemClock, random: systemRandom },
      {
        operator: null,
        client: { hostname: 'h', platform: 'linux', arch: 'x64', version: '0' },
        signal: new AbortController().signal,
        timeoutMs: 10_000,
        onAsking: () => undefined,
        ...more,
      },
    );

  it('asks again after a cut, and has the session in the end', async () => {
    onClaim = (n) => (n === 2 ? null : n < 4 ? { state: 'pending', who: null } : { state: 'approved', who: WHO });
    let asking: LoginAsking | null = null;
    const who = await logIn({ onAsking: (told) => (asking = told) });
    assert.equal(who.operator, 'eva');
    assert.match(asking!.pin, /^\d{6}$/);
    assert.equal(claims, 4);
    assert.ok((await client.exportCookies()) !== null);
    const [begin, confirm, ...rest] = server.seen.map(({ body }) => JSON.parse(body));
    // What claims the session is not sent before, and is what was announced.
    const { secret } = rest[0];
    assert.ok(!JSON.stringify([begin, confirm]).includes(secret));
    assert.equal(begin.claimHash, createHash('sha256').update(Buffer.from(secret, 'hex')).digest('hex'));
    assert.match(confirm.nonce, /^[0-9a-f]{64}$/);
  });

  it('shows no PIN of a daemon that does not keep to its commitment', async () => {
    opens = randomBytes(32);
    let shown = false;
    await rejectsWith(logIn({ onAsking: () => (shown = true) }), 'PAIRING_PROOF_INVALID');
    opens = Buffer.alloc(3);
    await rejectsWith(logIn({ onAsking: () => (shown = true) }), 'PAIRING_PROOF_INVALID');
    assert.deepEqual([shown, claims], [false, 0]);
  });

  it('ends with the answer of the person, with the time, and with Ctrl-C', async () => {
    onClaim = () => new PalyraError('LOGIN_REJECTED', { detail: 'by max' });
    await rejectsWith(logIn(), 'LOGIN_REJECTED');
    onClaim = () => new PalyraError('LOGIN_UNKNOWN');
    await rejectsWith(logIn(), 'LOGIN_UNKNOWN');
    assert.equal(claims, 2);
    onClaim = () => ({ state: 'pending', who: null });
    claims = 0;
    await rejectsWith(logIn({ timeoutMs: 200 }), 'LOGIN_EXPIRED');
    assert.equal(claims, 1, 'a daemon that does not wait is not asked in a circle');
    onClaim = () => null;
    await rejectsWith(logIn({ timeoutMs: 700 }), 'LOGIN_EXPIRED');
    const stop = new AbortController();
    onClaim = () => {
      setImmediate(() => stop.abort());
      return null;
    };
    await assert.rejects(logIn({ signal: stop.signal }));
  });

  it('is not begun without a CA that is pinned: the PIN would be bound to nothing', async () => {
    const { port } = new URL(server.url);
    const plain = new ControlPlaneClient({ baseUrl: `http://127.0.0.1:${port}` });
    await rejectsWith(plain.connectionFacts(), 'CONFIG_INVALID');
    await plain.close();
  });
});
