/** Operators, sessions, tokens and contexts as people read them: columns and single lines. */
import type { OperatorView, SessionView, TokenView, WhoAmI } from '../client/control-plane-client.js';
import { shortDuration } from './durations.js';
import type { Column } from './table.js';

export interface ContextView {
  readonly name: string;
  /** Null for `local`. */
  readonly url: string | null;
  readonly operator: string | null;
  readonly role: string | null;
  /** Words of the identity; null for `local` and where an authority of this machine vouches. */
  readonly identity: string | null;
  readonly current: boolean;
  readonly loggedIn: boolean;
}

/** `eva (owner)` */
export function whoLine(who: Pick<WhoAmI, 'operator' | 'role'>): string {
  return `${who.operator} (${who.role})`;
}

/** What may be shown of who asks: everything but the CSRF token. */
export function whoDocument({ operator, role, credential, scopes, session, daemon }: WhoAmI) {
  return { operator, role, credential, scopes, session, daemon };
}

export function contextColumns(): Column<ContextView>[] {
  return [
    { header: '', value: ({ current }) => (current ? '*' : '') },
    { header: 'NAME', value: ({ name }) => name },
    { header: 'DAEMON', value: ({ url }) => url ?? 'this machine' },
    { header: 'WHO', value: (view) => (view.operator === null ? '' : `${view.operator} (${view.role ?? '?'})`) },
    { header: 'IDENTITY', value: ({ identity }) => identity ?? '' },
    { header: 'LOGGED IN', value: ({ loggedIn }) => (loggedIn ? 'yes' : 'no') },
  ];
}

export function sessionColumns(now: number): Column<SessionView>[] {
  return [
    { header: 'ID', value: ({ id, current }) => (current ? `${id} *` : id) },
    { header: 'WHO', value: ({ operator, role }) => `${operator} (${role})` },
    { header: 'WITH', value: ({ kind, by }) => `${kind}, by ${by}` },
    { header: 'FROM', value: ({ client, address }) => [client, address].filter((word) => word !== '').join(' · ') },
    { header: 'USED', value: ({ lastUsedAt }) => ago(lastUsedAt, now) },
    { header: 'ENDS', value: ({ idleExpiresAt, expiresAt }) => until(earlier(idleExpiresAt, expiresAt), now) },
  ];
}

export function tokenColumns(now: number): Column<TokenView>[] {
  return [
    { header: 'ID', value: ({ id }) => id },
    { header: 'NAME', value: ({ name }) => name },
    { header: 'OF', value: ({ operator }) => operator },
    { header: 'MAY', value: ({ scopes }) => scopes.join(', ') },
    { header: 'USED', value: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : ago(lastUsedAt, now)) },
    {
      header: 'EXPIRES',
      value: ({ expiresAt, state }) => (state === 'expired' ? 'expired' : until(expiresAt, now)),
    },
  ];
}

export function operatorColumns(): Column<OperatorView>[] {
  return [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'ROLE', value: ({ role }) => role },
    { header: 'STATE', value: ({ state }) => state },
    { header: 'PASSWORD', value: ({ hasPassword }) => (hasPassword ? 'yes' : 'no') },
    { header: 'SESSIONS', value: ({ sessions }) => `${sessions}` },
    { header: 'TOKENS', value: ({ tokens }) => `${tokens}` },
  ];
}

function ago(time: string, now: number): string {
  return `${shortDuration(Math.max(0, now - Date.parse(time)))} ago`;
}

function until(time: string, now: number): string {
  return `in ${shortDuration(Math.max(0, Date.parse(time) - now))}`;
}

function earlier(a: string, b: string): string {
  return Date.parse(a) < Date.parse(b) ? a : b;
}
