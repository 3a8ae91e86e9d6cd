/**
 * One Hono application from the route table. For each request, in this order: Host, admission (`admission.ts`), input against its schema, handler,
 * answer. A wait or stream ends when the session or token it was opened with does. Anything that goes wrong leaves as `application/problem+json`, with the same headers as everything else.
 *
 * Paths are never logged: a link's path is a secret until it is used.
 */
import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Caller } from '../../base/model.js';
import { toProblem } from '../../wire/http/problem.js';
import {
  CONTRACT,
  CONTRACT_HEADER,
  NEXT_CA_HEADER,
  PROBLEM_JSON,
  ROUTES,
  takesKey,
  type Route,
  type RouteId,
} from '../../wire/http/routes.js';
import { SCHEMAS, auditExportQuery, type JsonRouteId } from '../../wire/http/schemas.js';
import type { Access } from '../../runtime/access.js';
import { actorOf, type Attempt, type Auditor } from '../auditor.js';
import { normalizeAddress } from '../caller.js';
import { admit, type Admission } from './admission.js';
import { auditExport } from './audit-routes.js';
import { Authenticator, type Identity } from './authenticator.js';
import { readJsonBody } from './body.js';
import type { EventFeed } from './event-feed.js';
import type { Handlers, RouteRequest } from './handlers.js';
import { IdempotencyKeys, readIdempotencyKey, type DurableAnswers, type KeptAnswer } from './idempotency.js';
import type { Page } from './pages.js';
import { assertHost } from './site-check.js';

/** What the listener knows about a request before anything in it is read. */
export interface Entry {
  readonly caller: Caller;
  readonly listener: 'local' | 'public' | 'console';
  /** Over TLS. */
  readonly secure: boolean;
  /** Only these canonical host names may be in the Host header. Absent on the local socket only: any. */
  readonly hostNames?: ReadonlySet<string>;
}

export interface RouterDeps {
  readonly handlers: Handlers;
  readonly clock: Clock;
  readonly log: Log;
  readonly caPem: () => string;
  /** The CA that takes over soon, base64 of its DER: whoever trusts the present one is told over a connection it authenticates. */
  readonly nextCa: () => string | null;
  readonly joinPage: Page;
  readonly approvePage: Page;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly events: Pick<EventFeed, 'open'>;
  readonly auditor: Auditor;
  readonly keptAnswers: DurableAnswers;
  readonly access: Pick<Access, 'sessions' | 'tokens' | 'onEnded'>;
  /** Resolves when everything decided so far is durable: nothing is shown that a crash could take back. */
  durable(): Promise<void>;
}

type Env = { Bindings: HttpBindings & { entry: Entry }; Variables: { route: RouteId; caller: Caller['kind'] } };
type RouteContext = Context<Env>;

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

export class Router {
  readonly #deps: RouterDeps;
  readonly #app = new Hono<Env>({ strict: true });
  readonly #authenticator: Authenticator;
  /** Requests under way, each with the session or token it came with. */
  readonly #waits = new Map<AbortController, string | null>();
  readonly #idempotency: IdempotencyKeys;
  #over: PalyraError | null = null;

  constructor(deps: RouterDeps) {
    this.#deps = deps;
    this.#idempotency = new IdempotencyKeys(deps.clock, deps.keptAnswers);
    this.#authenticator = new Authenticator(deps.access);
    deps.access.onEnded((ended) => this.#endWaits(ended));
    this.#app.use('*', async (context: RouteContext, next) => {
      const startedAt = deps.clock.monotonic();
      const { entry, incoming } = context.env;
      if (entry.hostNames !== undefined) assertHost(incoming, entry.hostNames);
      await next();
      deps.log.debug('request', {
        route: context.get('route') ?? 'none',
        status: context.res.status,
        caller: context.get('caller') ?? entry.caller.kind,
        ms: Math.round(deps.clock.monotonic() - startedAt),
      });
    });
    const methods = new Map<string, string[]>();
    for (const [id, route] of Object.entries(ROUTES) as [RouteId, Route][]) {
      for (const path of toPatterns(route.path)) {
        this.#app.on(route.method, path, (context) => this.#audited(id, route, context));
        methods.set(path, [...(methods.get(path) ?? []), route.method]);
      }
    }
    for (const [path, allowed] of methods) {
      const allow = allowed.join(', ');
      const error = new PalyraError('ROUTE_NOT_FOUND', { detail: `this address answers to ${allow}` });
      this.#app.all(path, (context) => this.#problem(context, error, 405, { allow }));
    }
    this.#app.notFound((context) => this.#problem(context, new PalyraError('ROUTE_NOT_FOUND')));
    this.#app.onError((error, context) => this.#problem(context, PalyraError.from(error)));
  }

  async fetch(request: Request, bindings: Env['Bindings']): Promise<Response> {
    const response = await this.#app.fetch(request, bindings);
    setCommonHeaders(response.headers, bindings.entry.secure);
    const nextCa = bindings.entry.secure ? this.#deps.nextCa() : null;
    if (nextCa !== null) response.headers.set(NEXT_CA_HEADER, nextCa);
    return response;
  }

  /** For a request that never became one: a malformed target or Host. */
  refuse(secure: boolean): Response {
    const problem = toProblem(
      new PalyraError('REQUEST_INVALID', { detail: 'the request line or the Host header is malformed' }),
    );
    const response = Response.json(problem, { status: problem.status, headers: { 'content-type': PROBLEM_JSON } });
    setCommonHeaders(response.headers, secure);
    return response;
  }

  /** Ends every wait; the requests are answered with `error`, and so is who asks for a stream from now on. */
  abortWaits(error: PalyraError): void {
    this.#over = error;
    for (const controller of this.#waits.keys()) controller.abort(error);
  }

  #endWaits(ended: ReadonlySet<string>): void {
    for (const [controller, credential] of this.#waits) {
      if (credential !== null && ended.has(credential)) controller.abort(new PalyraError('SESSION_ENDED'));
    }
  }

  /** What changes something leaves one entry in the audit log, refused or not; its answer waits for it. */
  #audited(id: RouteId, route: Route, context: RouteContext): Promise<Response> {
    context.set('route', id);
    const { entry } = context.env;
    const admission = this.#admit(route, context);
    const { caller } = admission.identity;
    context.set('caller', caller.kind);
    if (route.safe) return this.#run(id, route, context, admission, null);
    const origin = { listener: entry.listener, address: addressOf(context) };
    const target = context.req.param() as Record<string, string>;
    return this.#deps.auditor.around({ actor: actorOf(caller), origin, action: id, target }, (attempt) =>
      this.#run(id, route, context, admission, attempt),
    );
  }

  #admit(route: Route, { env: { entry, incoming } }: RouteContext): Admission {
    return admit(this.#authenticator, { route, entry, incoming });
  }

  async #run(
    id: RouteId,
    route: Route,
    context: RouteContext,
    admission: Admission,
    attempt: Attempt | null,
  ): Promise<Response> {
    const { incoming, outgoing } = context.env;
    if (admission.refusal !== null) throw admission.refusal;
    if (id === 'ca.show') return context.body(this.#deps.caPem(), 200, { 'content-type': 'application/x-pem-file' });
    if (id === 'join.page' || id === 'approve.page') {
      const { body, contentSecurityPolicy } = id === 'join.page' ? this.#deps.joinPage : this.#deps.approvePage;
      return context.html(body, 200, { 'content-security-policy': contentSecurityPolicy });
    }
    if (id === 'metrics') {
      // Not held back until everything is durable: a disk that hangs is when somebody looks here.
      const { metrics } = this.#deps;
      return context.body(await metrics.text(), 200, { 'content-type': metrics.contentType });
    }
    if (id === 'audit.export') {
      const query = validate(auditExportQuery, Object.fromEntries(new URL(context.req.url).searchParams), 'query');
      return auditExport(this.#deps.auditor.trail, query as { after: number; limit?: number });
    }
    const controller = new AbortController();
    const { credential } = admission.identity;
    this.#waits.set(controller, 'id' in credential ? credential.id : null);
    outgoing.once('close', () => {
      this.#waits.delete(controller);
      if (!outgoing.writableFinished) controller.abort(new PalyraError('CANCELLED', { detail: 'the client is gone' }));
    });
    if (id === 'events.stream') {
      if (this.#over !== null) throw this.#over;
      const lastEventId = context.req.header('last-event-id');
      return this.#deps.events.open({ lastEventId, signal: controller.signal, cut: () => outgoing.destroy() });
    }
    const schema: { query: Schema; body: Schema } = SCHEMAS[id];
    const query = validate(schema.query, Object.fromEntries(new URL(context.req.url).searchParams), 'query');
    const body = validate(schema.body, route.method === 'POST' ? await readJsonBody(incoming) : {}, 'body');
    // A body may take its time: whoever was let in may have been shown out since.
    const { identity, refusal: late } = route.method === 'POST' ? this.#admit(route, context) : admission;
    if (late !== null) throw late;
    // Whoever has no credential has no keys of his own.
    const key = takesKey(route) ? readIdempotencyKey(context.req.header('idempotency-key')) : null;
    const durable = id === 'dispatches.create' ? withDurableKey(body, key) : body;
    const run = () =>
      this.#answer(id, route, context, { query, body: durable, identity, attempt, signal: controller.signal });
    if (key === null || id === 'dispatches.create') return toJson(context, await run());
    const { kind, name, credential: by } = actorOf(identity.caller);
    const request = JSON.stringify([id, context.req.param(), query, body]);
    return toJson(context, await this.#idempotency.answer(`${kind} ${name} ${by}`, key, request, run));
  }

  async #answer(
    id: JsonRouteId,
    route: Route,
    context: RouteContext,
    parsed: { query: unknown; body: unknown; identity: Identity; attempt: Attempt | null; signal: AbortSignal },
  ): Promise<KeptAnswer> {
    const { incoming, outgoing } = context.env;
    const { query, body, identity: present, attempt, signal } = parsed;
    let begun: Promise<void> | undefined;
    const begin = () => (begun ??= attempt?.begin() ?? Promise.resolve());
    if (route.keepsRecord !== true && route.beginsLate !== true) await begin();
    let status: 200 | 503 = 200;
    const headers: Record<string, string> = {};
    const answer = await this.#handle(id, {
      caller: present.caller,
      credential: present.credential,
      listener: context.env.entry.listener,
      address: addressOf(context),
      replaces: route.access === 'anonymous' && !route.safe ? this.#authenticator.presentedSession(incoming) : null,
      param: (name) => context.req.param(name) ?? '',
      query,
      body,
      signal,
      afterAnswer: (action) => outgoing.once('close', action),
      setHeader: (name, value) => (headers[name] = value),
      setStatus: (other) => (status = other),
      note: (facts) => attempt?.note(facts),
      begin,
      decided: () => attempt?.settle('ok') ?? Promise.resolve(),
      unchanged: () => attempt?.unchanged(),
    });
    if (route.access !== 'anonymous') await this.#deps.durable();
    return { status, body: answer, headers };
  }

  /** The table guarantees that id, query and body belong together; TypeScript cannot follow the correlation through a variable id. */
  #handle(
    id: JsonRouteId,
    request: Omit<RouteRequest<JsonRouteId>, 'query' | 'body'> & { query: unknown; body: unknown },
  ): Promise<object> {
    const handler = this.#deps.handlers[id] as (request: unknown) => Promise<object>;
    return handler(request);
  }

  #problem(context: RouteContext, error: PalyraError, status?: number, headers: Record<string, string> = {}): Response {
    const problem = { ...toProblem(error), ...(status === undefined ? {} : { status }) };
    if (problem.status >= 500 && error.code === 'INTERNAL') {
      this.#deps.log.error('request failed', { route: context.get('route'), err: error.cause ?? error });
    }
    // What was not read of a refused body must not be taken for the next request.
    const unread = !context.env.incoming.complete;
    return Response.json(problem, {
      status: problem.status,
      headers: {
        'content-type': PROBLEM_JSON,
        ...(unread ? { connection: 'close' } : {}),
        ...retryAfter(error),
        ...headers,
      },
    });
  }
}

function toJson(context: RouteContext, { status, body, headers }: KeptAnswer): Response {
  return context.json(body, status as 200 | 503, headers);
}

/** A dispatch keeps its key with its record, over restarts: the header is another spelling of the field. Throws REQUEST_INVALID when they differ. */
function withDurableKey(body: unknown, key: string | null): unknown {
  const { idempotencyKey = key } = body as { idempotencyKey?: string | null };
  if (key !== null && idempotencyKey !== key) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'Idempotency-Key and idempotencyKey differ' });
  }
  return idempotencyKey === null ? body : { ...(body as object), idempotencyKey };
}

/** A QR code spells the link in upper case, so its page answers to `/J/` too, and that of a request to `/A/`. */
function toPatterns(path: string): string[] {
  const pattern = path.replace(/\{(\w+)\}/g, ':$1');
  return /^\/[ja]\//.test(pattern) ? [pattern, pattern.replace(/^\/\w/, (start) => start.toUpperCase())] : [pattern];
}

function addressOf({ env: { entry, incoming } }: RouteContext): string {
  return entry.listener === 'local' ? 'local' : normalizeAddress(incoming.socket.remoteAddress);
}

/** Whole seconds, rounded up. RFC 9110, section 10.2.3. */
function retryAfter({ details }: PalyraError): Record<string, string> {
  const { retryAfterMs } = details;
  return typeof retryAfterMs === 'number' ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {};
}

interface Schema {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: unknown }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
}

/** The parsed value. Throws REQUEST_INVALID that names where the first problem is. */
function validate(schema: Schema, value: unknown, where: 'query' | 'body'): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map(String).join('.');
  throw new PalyraError('REQUEST_INVALID', {
    detail: `${path === '' ? where : path}: ${issue?.message ?? 'not valid'}`,
    details: { in: where, path },
  });
}

function setCommonHeaders(headers: Headers, secure: boolean): void {
  headers.set('x-content-type-options', 'nosniff');
  headers.set(CONTRACT_HEADER, String(CONTRACT));
  headers.set('cache-control', 'no-store');
  headers.set('vary', 'cookie, authorization, origin, sec-fetch-site');
  headers.set('referrer-policy', 'no-referrer');
  headers.set('cross-origin-resource-policy', 'same-origin');
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', API_POLICY);
  if (secure) headers.set('strict-transport-security', 'max-age=31536000');
}
