/**
 * The route table: one source for the router, the policy, the typed client and the tests. Plain data, no validation library:
 * the client imports this file and must start fast. Schemas for the same ids are in `schemas.ts`.
 *
 * `access` is the policy row. A route without one does not type-check, and the daemon refuses a method that has none.
 */
import type { Scope } from '../../base/access.js';
import { NODE_ROUTES } from './node-routes.js';
import { SESSION_ROUTES } from './session-routes.js';

export type Access =
  /** Anybody who can reach the listener. */
  | 'anonymous'
  /** Reads. */
  | 'viewer'
  /** Runs capabilities. */
  | 'operator'
  /** Lets machines and people in: answers requests, makes invites. */
  | 'approver'
  /** Everything: the local socket. */
  | 'owner';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Parameters in braces; a segment each, URI-encoded. */
  readonly path: string;
  readonly access: Access;
  /** What a token must have been given to come here; null where no credential is needed, `session` for one's own session. */
  readonly scope: Scope | 'session' | null;
  /** With this scope alone one may come here for what one made with the same credential. */
  readonly scopeForOwn?: Scope;
  /** True: no effect, may be repeated by the client. */
  readonly safe: boolean;
  readonly summary: string;
  /** May answer later than the usual request time-out, by its own deadline. */
  readonly waits?: boolean;
  /** Its own record, durable before anything happens, says who asked for what: the audit log needs no intent before it. */
  readonly keepsRecord?: boolean;
  /** Anybody may try it, so a try costs no write: its handler begins the audit entry when it is let through. */
  readonly beginsLate?: boolean;
}

const routes = <const T extends Record<string, Route>>(table: T): T => table;

export const ROUTES = routes({
  'daemon.status': {
    method: 'GET',
    path: '/v1/daemon',
    access: 'viewer',
    scope: 'daemon:read',
    safe: true,
    summary: 'What the daemon is and where it listens',
  },
  'daemon.stop': {
    method: 'POST',
    path: '/v1/daemon/stop',
    access: 'owner',
    scope: 'daemon:write',
    safe: false,
    waits: true,
    summary: 'Stops the daemon, after running dispatches have ended if asked to',
  },
  ...NODE_ROUTES,
  'events.stream': {
    method: 'GET',
    path: '/v1/events',
    access: 'viewer',
    scope: 'events:read',
    safe: true,
    waits: true,
    summary: 'What happens, as it happens: server-sent events, resumed with Last-Event-ID',
  },
  'dispatches.create': {
    method: 'POST',
    path: '/v1/nodes/{node}/dispatches',
    access: 'operator',
    scope: 'invoke',
    safe: false,
    waits: true,
    keepsRecord: true,
    summary: 'Runs a capability on a node',
  },
  'dispatches.show': {
    method: 'GET',
    path: '/v1/dispatches/{id}',
    access: 'viewer',
    scope: 'dispatches:read',
    scopeForOwn: 'invoke',
    safe: true,
    waits: true,
    summary: 'One dispatch; with waitMs, when it is settled',
  },
  'dispatches.cancel': {
    method: 'POST',
    path: '/v1/dispatches/{id}/cancel',
    access: 'operator',
    scope: 'dispatches:write',
    scopeForOwn: 'invoke',
    safe: false,
    summary: 'Asks the node to stop a dispatch',
  },
  'invites.create': {
    method: 'POST',
    path: '/v1/invites',
    access: 'approver',
    scope: 'invites:write',
    safe: false,
    summary: 'Makes an invite; the only answer with its code',
  },
  'invites.list': {
    method: 'GET',
    path: '/v1/invites',
    access: 'viewer',
    scope: 'invites:read',
    safe: true,
    summary: 'Every invite, without codes',
  },
  'invites.show': {
    method: 'GET',
    path: '/v1/invites/{id}',
    access: 'viewer',
    scope: 'invites:read',
    safe: true,
    waits: true,
    summary: 'One invite; with waitMs, when it changes',
  },
  'invites.revoke': {
    method: 'DELETE',
    path: '/v1/invites/{id}',
    access: 'approver',
    scope: 'invites:write',
    safe: false,
    summary: 'Ends an invite',
  },
  'dispatches.list': {
    method: 'GET',
    path: '/v1/dispatches',
    access: 'viewer',
    scope: 'dispatches:read',
    safe: true,
    summary: 'Dispatches, open ones included, newest first; without input and output',
  },
  'capabilities.list': {
    method: 'GET',
    path: '/v1/capabilities',
    access: 'viewer',
    scope: 'nodes:read',
    safe: true,
    summary: 'What the fleet can do, and which nodes offer it',
  },
  'capabilities.show': {
    method: 'GET',
    path: '/v1/capabilities/{name}',
    access: 'viewer',
    scope: 'nodes:read',
    safe: true,
    summary: 'One capability with its schemas, as each group of nodes offers it',
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    access: 'viewer',
    scope: 'metrics:read',
    safe: true,
    summary: 'Measurements for Prometheus',
  },
  'openapi.show': {
    method: 'GET',
    path: '/openapi.json',
    access: 'anonymous',
    scope: null,
    safe: true,
    summary: 'This API as an OpenAPI 3.1 document',
  },
  'approvals.list': {
    method: 'GET',
    path: '/v1/approvals',
    access: 'viewer',
    scope: 'approvals:read',
    safe: true,
    summary: 'What waits for a person, oldest first; with all=true, what was answered lately too',
  },
  'approvals.show': {
    method: 'GET',
    path: '/v1/approvals/{id}',
    access: 'viewer',
    scope: 'approvals:read',
    safe: true,
    summary: 'One request, by id or its first characters',
  },
  'approvals.approve': {
    method: 'POST',
    path: '/v1/approvals/{id}/approve',
    // A machine needs an approver, one's own login anybody with an account: the desk looks at the kind (daemon/approvals.ts).
    access: 'viewer',
    scope: 'approvals:decide',
    safe: false,
    summary: 'Says yes, with the PIN that the machine or the program shows',
  },
  'approvals.reject': {
    method: 'POST',
    path: '/v1/approvals/{id}/reject',
    access: 'viewer',
    scope: 'approvals:decide',
    safe: false,
    summary: 'Says no; whoever asks is told why',
  },
  'audit.list': {
    method: 'GET',
    path: '/v1/audit',
    access: 'owner',
    scope: 'audit:read',
    safe: true,
    summary: 'Who did what, from where; newest first',
  },
  'audit.export': {
    method: 'GET',
    path: '/v1/audit/export',
    access: 'owner',
    scope: 'audit:read',
    safe: true,
    summary: 'The audit log as it is, oldest first, one entry a line',
  },
  'audit.verify': {
    method: 'GET',
    path: '/v1/audit/verify',
    access: 'owner',
    scope: 'audit:read',
    safe: true,
    waits: true,
    summary: 'Whether the audit log is whole and unchanged',
  },
  'daemon.expose': {
    method: 'POST',
    path: '/v1/daemon/expose',
    access: 'owner',
    scope: 'daemon:write',
    safe: false,
    summary: 'Moves the public and the node port to other addresses, live and for the next start',
  },
  'daemon.vitals': {
    method: 'GET',
    path: '/v1/daemon/vitals',
    access: 'viewer',
    scope: 'daemon:read',
    safe: true,
    summary: 'How late the event loop of the daemon is, measured for a quarter of a second, and how much memory it has',
  },
  'daemon.rotation': {
    method: 'GET',
    path: '/v1/daemon/rotation',
    access: 'viewer',
    scope: 'daemon:read',
    safe: true,
    summary: 'How far the replacement of the CA is',
  },
  'daemon.rotateCa': {
    method: 'POST',
    path: '/v1/daemon/rotation',
    access: 'owner',
    scope: 'daemon:write',
    safe: false,
    waits: true,
    summary: 'Begins to replace the CA, or ends the replacement without waiting',
  },
  ...SESSION_ROUTES,
  healthz: {
    method: 'GET',
    path: '/healthz',
    access: 'anonymous',
    scope: null,
    safe: true,
    summary: 'The process answers',
  },
  readyz: {
    method: 'GET',
    path: '/readyz',
    access: 'anonymous',
    scope: null,
    safe: true,
    summary: 'The daemon accepts work',
  },
  'ca.show': {
    method: 'GET',
    path: '/ca',
    access: 'anonymous',
    scope: null,
    safe: true,
    summary: 'The CA certificate, PEM',
  },
  'join.page': {
    method: 'GET',
    path: '/j/{code}',
    access: 'anonymous',
    scope: null,
    safe: true,
    summary: 'A page that says how to use the invite; spends nothing',
  },
});

export type RouteId = keyof typeof ROUTES;

/**
 * Sent with every answer and by our client with every request: the number of the contract. The client refuses to go on with another one.
 * Within it routes and fields are only added.
 */
export const CONTRACT_HEADER = 'palyra-contract';
export const CONTRACT = 1;
/** The CA that takes over soon, base64 of its DER: with every answer over TLS while the CA is replaced. Worth as much as the connection it came over. */
export const NEXT_CA_HEADER = 'palyra-next-ca';
/** A mutation by a session cookie must carry the session's CSRF token here. */
export const CSRF_HEADER = 'x-palyra-csrf';
/** `__Host-`: Secure, Path=/, no Domain; a subdomain or plain HTTP cannot set it. Source: RFC 6265bis, section 4.1.3.2. */
export const SESSION_COOKIE = '__Host-palyra';
/** Begins every token: `plt_<id without tok_>_<secret>`; secret scanners find it. */
export const TOKEN_PREFIX = 'plt_';

/** Media type of errors. RFC 9457. */
export const PROBLEM_JSON = 'application/problem+json';
/** Largest request body that is read. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Largest `input` of a dispatch, as JSON text. */
export const MAX_INPUT_BYTES = 512 * 1024;

/** Media type of `audit.export`: entries separated by line ends. */
export const NDJSON = 'application/x-ndjson';

/** Whether `Idempotency-Key` means something there: who has no credential has no keys of their own. */
export function takesKey(route: Route): boolean {
  return !route.safe && route.access !== 'anonymous';
}

/** Fills the parameters of a route's path. */
export function toPath(id: RouteId, params: Readonly<Record<string, string>> = {}): string {
  return ROUTES[id].path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
