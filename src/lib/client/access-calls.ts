/** Sessions, logins, operators and tokens: who may come in, and as whom. */
import { PalyraError } from '../base/errors.js';
import type { RouteAnswer, RouteBody } from '../wire/http/schemas.js';
import { DaemonCalls, type WaitOptions } from './calls.js';
import type { SerializedCookies } from './cookies.js';

/** Who is asking, by which credential. */
export type WhoAmI = RouteAnswer<'session.show'>;
export type SessionView = RouteAnswer<'sessions.list'>['sessions'][number];
export type OperatorView = RouteAnswer<'operators.list'>['operators'][number];
export type TokenView = RouteAnswer<'tokens.list'>['tokens'][number];

/** Checking a password takes the daemon a while on purpose, and others may be before us. */
const PASSWORD_WAIT_MS = 20_000;

export class AccessCalls extends DaemonCalls {
  /** Begins a session, with a password or a token; its cookie is in the jar from now on. */
  login(body: RouteBody<'session.login'>): Promise<WhoAmI> {
    return this.request('session.login', { body, waitMs: PASSWORD_WAIT_MS });
  }

  /** Who this client is to the daemon. */
  getSession(): Promise<WhoAmI> {
    return this.request('session.show');
  }

  /** Ends the session. The cookie is forgotten in any case, also when the daemon could not be told. */
  async logout() {
    try {
      return await this.request('session.logout');
    } finally {
      await this.credentials.forgetSession();
    }
  }

  async listSessions() {
    return (await this.request('sessions.list')).sessions;
  }

  revokeSession(id: string) {
    return this.request('sessions.revoke', { params: { id } });
  }

  /** One's own, this one too, or those of another operator. */
  revokeAllSessions(body: RouteBody<'sessions.revokeAll'> = {}) {
    return this.request('sessions.revokeAll', { body });
  }

  /** A login that a person approves; `logInByApproval` does all three steps. */
  beginLogin(body: RouteBody<'logins.begin'>) {
    return this.request('logins.begin', { body });
  }

  confirmLogin(id: string, body: RouteBody<'logins.confirm'>) {
    return this.request('logins.confirm', { params: { id }, body });
  }

  /** Once it is approved the session's cookie is in the jar. */
  claimLogin(id: string, secret: string, options: WaitOptions = {}) {
    const body = { secret, waitMs: options.waitMs ?? 0 };
    return this.request('logins.claim', { params: { id }, body, ...options });
  }

  async listOperators() {
    return (await this.request('operators.list')).operators;
  }

  async createOperator(body: RouteBody<'operators.create'>) {
    return (await this.request('operators.create', { body, waitMs: PASSWORD_WAIT_MS })).operator;
  }

  updateOperator(operator: string, body: RouteBody<'operators.update'>) {
    return this.request('operators.update', { params: { operator }, body, waitMs: PASSWORD_WAIT_MS });
  }

  removeOperator(operator: string) {
    return this.request('operators.remove', { params: { operator } });
  }

  async listTokens() {
    return (await this.request('tokens.list')).tokens;
  }

  /** The only answer with the secret. */
  async createToken(body: RouteBody<'tokens.create'>) {
    return (await this.request('tokens.create', { body })).token;
  }

  revokeToken(id: string) {
    return this.request('tokens.revoke', { params: { id } });
  }

  /** The jar as JSON, to be kept where only its owner can read it; null without a session. */
  async exportCookies(): Promise<SerializedCookies | null> {
    return (await this.credentials.jar?.serialize()) ?? null;
  }

  /** What the PIN of a login is bound to. Throws CONFIG_INVALID where there is no TLS with a pinned CA. */
  async connectionFacts(): Promise<{ readonly caPem: string; readonly serverCertificateSha256: string }> {
    const caPem = await this.transport.trustedCa();
    const { serverCertificateSha256 } = this.transport;
    if (caPem === undefined || serverCertificateSha256 === null) {
      throw new PalyraError('CONFIG_INVALID', { detail: 'this needs https with a CA that is pinned' });
    }
    return { caPem, serverCertificateSha256 };
  }
}
