/** Operators, sessions and tokens of a test daemon, and requests over its TLS port that carry them. */
import { request as httpsRequest } from 'node:https';
import type { GrantedScope, SessionKind } from '../../src/lib/base/access.js';
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import type { Caller, OperatorRole } from '../../src/lib/base/model.js';
import { csrfTokenOf } from '../../src/lib/daemon/http/session-cookie.js';
import { formatToken } from '../../src/lib/daemon/login-desk.js';
import { CSRF_HEADER, SESSION_COOKIE } from '../../src/lib/wire/http/routes.js';
import type { HttpAnswer, HttpAsk, TestDaemon } from './test-daemon.js';

export const LOCAL_OWNER: Caller = { kind: 'owner', name: 'tester' };

export interface TestSession {
  readonly id: string;
  readonly cookie: string;
  readonly csrf: string;
  /** What a mutation needs. */
  readonly headers: Record<string, string>;
}

/** The wall clock and the monotonic one of this machine, moved on by hand; timers run in real time. */
export class ShiftedClock implements Clock {
  #shift = 0;

  now(): number {
    return systemClock.now() + this.#shift;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#shift;
  }

  schedule(delayMs: number, action: () => void): () => void {
    return systemClock.schedule(delayMs, action);
  }

  advance(ms: number): void {
    this.#shift += ms;
  }
}

/** One request over the public TLS port; no connection is kept. `from` is the loopback address it comes from. */
export function askSecurely(target: TestDaemon, what: HttpAsk & { readonly from?: string }): Promise<HttpAnswer> {
  const body = what.json === undefined ? what.body : JSON.stringify(what.json);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        ...{ host: '127.0.0.1', port: target.ports.public, path: what.path, method: what.method ?? 'GET' },
        ...{ agent: false, rejectUnauthorized: false },
        ...(what.from === undefined ? {} : { localAddress: what.from }),
        headers: {
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...what.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, text, json: isJson ? JSON.parse(text) : null });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Without a password: its sessions are opened by `openTestSession`. */
export async function createOperator(target: TestDaemon, name: string, role: OperatorRole): Promise<string> {
  const { access } = target.daemon.runtime;
  return (await access.operators.create(LOCAL_OWNER, { name, role, password: null })).id;
}

export async function openTestSession(
  target: TestDaemon,
  operator: string,
  kind: SessionKind = 'browser',
): Promise<TestSession> {
  const { access } = target.daemon.runtime;
  const operatorId = access.findOperator(operator).id;
  const { secret, session } = await access.openSession({
    ...{ operatorId, kind, by: 'approval', tokenId: null },
    ...{ address: '127.0.0.1', client: 'test' },
  });
  return testSession(session.id, secret);
}

export async function createTestToken(
  target: TestDaemon,
  operator: string,
  scopes: readonly GrantedScope[],
  expiresInMs = 3_600_000,
): Promise<{ readonly id: string; readonly headers: { readonly authorization: string } }> {
  const { access } = target.daemon.runtime;
  const operatorId = access.findOperator(operator).id;
  const { token, secret } = await access.tokens.create(LOCAL_OWNER, { name: 'test', operatorId, scopes, expiresInMs });
  return { id: token.id, headers: { authorization: `Bearer ${formatToken(token.id, secret)}` } };
}

/** The session of an answer's Set-Cookie. */
export function sessionOf(answer: HttpAnswer): TestSession {
  const [line = ''] = answer.headers['set-cookie'] ?? [];
  const [, id, secret] = /^[^=]+=([^.]+)\.([^;]+);/.exec(line) ?? [];
  if (id === undefined || secret === undefined) throw new Error(`no session in ${JSON.stringify(answer)}`);
  return testSession(id, secret);
}

function testSession(id: string, secret: string): TestSession {
  const cookie = `${SESSION_COOKIE}=${id}.${secret}`;
  const csrf = csrfTokenOf(secret);
  return { id, cookie, csrf, headers: { cookie, [CSRF_HEADER]: csrf } };
}
