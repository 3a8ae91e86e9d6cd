/**
 * Who is asking over TCP: a session by its cookie, or a token by `Authorization: Bearer`. The local socket is the owner and never comes here.
 *
 * Always true: a request carries at most one credential, and that one decides. Both kinds, two of a kind, a malformed, unknown or expired one are refused;
 * nothing falls through to another credential or to nobody. Routes for anybody do not look at credentials at all.
 */
import type { IncomingMessage } from 'node:http';
import { PalyraError } from '../../base/errors.js';
import type { Caller } from '../../base/model.js';
import { CSRF_HEADER } from '../../wire/http/routes.js';
import type { Access } from '../../runtime/access.js';
import { parseToken } from '../login-desk.js';
import { csrfTokenOf, isCsrfToken, parseSessionCookie, sessionCookies } from './session-cookie.js';

export type Credential =
  | { readonly kind: 'none' | 'socket' }
  | { readonly kind: 'session'; readonly id: string; readonly csrfToken: string }
  | { readonly kind: 'token'; readonly id: string };

export interface Identity {
  readonly caller: Caller;
  readonly credential: Credential;
  /** Of a session: throws CSRF_REFUSED unless the request carries its CSRF token. */
  assertCsrf(): void;
}

export class Authenticator {
  readonly #access: Pick<Access, 'sessions' | 'tokens'>;

  constructor(access: Pick<Access, 'sessions' | 'tokens'>) {
    this.#access = access;
  }

  /** Null: it carries no credential. Throws SESSION_ENDED, TOKEN_REFUSED or UNAUTHENTICATED. */
  identify(incoming: IncomingMessage): Identity | null {
    const cookies = sessionCookies(incoming.headers.cookie ?? '');
    const authorization = valuesOf(incoming, 'authorization');
    if (cookies.length > 0 && authorization.length > 0) {
      throw new PalyraError('UNAUTHENTICATED', {
        detail: 'the request carries a session and a token: send one of them',
      });
    }
    if (authorization.length > 0) return this.#byToken(authorization);
    return cookies.length > 0 ? this.#bySession(cookies, incoming) : null;
  }

  /** The live session of the one cookie that came along, for a login that takes its place. */
  presentedSession(incoming: IncomingMessage): string | null {
    const [value, ...more] = sessionCookies(incoming.headers.cookie ?? '');
    const parsed = value === undefined || more.length > 0 ? null : parseSessionCookie(value);
    return parsed === null ? null : (this.#access.sessions.authenticate(parsed.id, parsed.secret)?.session.id ?? null);
  }

  #bySession(cookies: readonly string[], incoming: IncomingMessage): Identity {
    const parsed = cookies.length === 1 ? parseSessionCookie(cookies[0]!) : null;
    const found = parsed === null ? null : this.#access.sessions.authenticate(parsed.id, parsed.secret);
    if (parsed === null || found === null) throw new PalyraError('SESSION_ENDED');
    return {
      caller: found.caller,
      credential: { kind: 'session', id: found.session.id, csrfToken: csrfTokenOf(parsed.secret) },
      assertCsrf: () => {
        const [given, ...more] = valuesOf(incoming, CSRF_HEADER);
        if (more.length > 0 || !isCsrfToken(parsed.secret, given)) throw new PalyraError('CSRF_REFUSED');
      },
    };
  }

  #byToken(headers: readonly string[]): Identity {
    const [, text] = headers.length === 1 ? (/^Bearer +([^ ]+)$/i.exec(headers[0]!) ?? []) : [];
    const parsed = text === undefined ? null : parseToken(text);
    const found = parsed === null ? null : this.#access.tokens.authenticate(parsed.id, parsed.secret);
    if (found === null) throw new PalyraError('TOKEN_REFUSED');
    return { caller: found.caller, credential: { kind: 'token', id: found.token.id }, assertCsrf: () => undefined };
  }
}

/** Every value of a header: Node drops all but the first of some. */
function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === name) values.push(rawHeaders[index + 1]!);
  }
  return values;
}
