/**
 * The session cookie and what is derived from it: `ses_… . secret`, the CSRF token, and the attributes that keep the cookie to this daemon.
 *
 * `__Host-` with Secure and Path=/ cannot be set by another host or over plain HTTP (RFC 6265bis, section 4.1.3.2); browsers take loopback for secure.
 * SameSite=Strict keeps it out of requests that other sites cause, HttpOnly out of the reach of scripts.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SESSION_COOKIE } from '../../wire/http/routes.js';

const VALUE = /^(ses_[0-9A-Z]{10})\.([A-Za-z0-9_-]{43})$/;
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';
const CSRF_CONTEXT = 'palyra csrf v1';

export function setSessionCookie(session: { readonly id: string; readonly maxAgeMs: number }, secret: string): string {
  const maxAge = Math.max(0, Math.floor(session.maxAgeMs / 1000));
  return `${SESSION_COOKIE}=${session.id}.${secret}; Max-Age=${maxAge}; ${ATTRIBUTES}`;
}

export function clearSessionCookie(): string {
  return `${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`;
}

/** Every value of our cookie in a Cookie header: more than one is somebody's attempt to have one of them overlooked. */
export function sessionCookies(header: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`) || pair === SESSION_COOKIE)
    .map((pair) => pair.slice(SESSION_COOKIE.length + 1));
}

/** Null when it is not of the form of a cookie of ours. */
export function parseSessionCookie(value: string): { readonly id: string; readonly secret: string } | null {
  const [, id, secret] = VALUE.exec(value) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** Bound to the session by its secret, which scripts cannot read: base64url(HMAC-SHA256(secret, context)). */
export function csrfTokenOf(secret: string): string {
  return createHmac('sha256', secret).update(CSRF_CONTEXT).digest('base64url');
}

export function isCsrfToken(secret: string, given: string | undefined): boolean {
  const wanted = Buffer.from(csrfTokenOf(secret));
  const bytes = Buffer.from(given ?? '');
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted);
}
