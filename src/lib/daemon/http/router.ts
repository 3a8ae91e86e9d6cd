/**
 * One Hono application from the route table. For each request, in this order: listener and Host, caller, policy row, input against its
 * schema, handler, answer. Anything that goes wrong leaves as `application/problem+json`, with the same headers as everything else.
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
import { PROBLEM_JSON, ROUTES, type Route, type RouteId } from '../../wire/http/routes.js';
import { SCHEMAS, auditExportQuery, type JsonRouteId } from '../../wire/http/schemas.js';
import { actorOf, type Attempt, type Auditor } from '../auditor.js';
import { normalizeAddress } from '../caller.js';
import { assertAllowed } from '../policy.js';
import { auditExport } from './audit-routes.js';
import { readJsonBody } from './body.js';
import type { EventFeed } from './event-feed.js';
import type { Handlers, RequestOrigin, RouteRequest } from './handlers.js';
import type { Page } from './pages.js';

/** What the listener knows about a request before anything in it is read. */
export interface Entry {
  readonly caller: Caller;
  readonly listener: 'local' | 'public' | 'console';
  /** Over TLS. */
  readonly secure: boolean;
  /** Only these host names may be in the Host header: keeps web pages that rebind a name to loopback out. Absent: any. */
  readonly hostNames?: ReadonlySet<string>;
}

export interface RouterDeps {
  readonly handlers: Handlers;
  readonly clock: Clock;
  readonly log: Log;
  readonly caPem: string;
  readonly joinPage: Page;
  readonly approvePage: Page;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly events: Pick<EventFeed, 'open'>;
  readonly auditor: Auditor;
  /** Resolves when everything decided so far is durable: nothing is shown that a crash could take back. */
  durable(): Promise<void>;
}

type Env = { Bindings: HttpBindings & { entry: Entry }; Variables: { route: RouteId } };
type RouteContext = Context<Env>;

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

export class Router {
  readonly #deps: RouterDeps;
  readonly #app = new Hono<Env>({ strict: true });
  readonly #waits = new Set<AbortController>();
  #over: PalyraError | null = null;

  constructor(deps: RouterDeps) {
    this.#deps = deps;
    this.#app.use('*', async (context: RouteContext, next) => {
      const startedAt = deps.clock.monotonic();
      assertHost(context);
      await next();
      deps.log.debug('request', {
        route: context.get('route') ?? 'none',
        status: context.res.status,
        caller: context.env.entry.caller.kind,
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
    for (const controller of this.#waits) controller.abort(error);
  }

  /** What changes something leaves one entry in the audit log, refused or not; its answer waits for it. */
  #audited(id: RouteId, route: Route, context: RouteContext): Promise<Response> {
    context.set('route', id);
    if (route.safe) return this.#run(id, route, context, null);
    const { entry, incoming } = context.env;
    const origin = originOf(entry, incoming);
    const target = context.req.param() as Record<string, string>;
    return this.#deps.auditor.around({ actor: actorOf(entry.caller), origin, action: id, target }, (attempt) =>
      this.#run(id, route, context, attempt),
    );
  }

  async #run(id: RouteId, route: Route, context: RouteContext, attempt: Attempt | null): Promise<Response> {
    const { entry, incoming, outgoing } = context.env;
    assertAllowed(entry.caller, route.access);
    if (id === 'ca.show') return context.body(this.#deps.caPem, 200, { 'content-type': 'application/x-pem-file' });
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
    this.#waits.add(controller);
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
    if (route.keepsRecord !== true) await attempt?.begin();
    let status: 200 | 503 = 200;
    const answer = await this.#handle(id, {
      caller: entry.caller,
      origin: originOf(entry, incoming),
      param: (name) => context.req.param(name) ?? '',
      query,
      body,
      signal: controller.signal,
      afterAnswer: (action) => outgoing.once('close', action),
      setStatus: (other) => (status = other),
      note: (facts) => attempt?.note(facts),
      decided: () => attempt?.settle('ok') ?? Promise.resolve(),
      begin: () => attempt?.begin() ?? Promise.resolve(),
      unchanged: () => attempt?.unchanged(),
      setCookie: (value) => context.header('set-cookie', value, { append: true }),
    });
    if (route.access !== 'anonymous') await this.#deps.durable();
    return context.json(answer, status);
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
      headers: { 'content-type': PROBLEM_JSON, ...(unread ? { connection: 'close' } : {}), ...headers },
    });
  }
}

function originOf({ listener }: Entry, incoming: HttpBindings['incoming']): RequestOrigin {
  return { listener, address: listener === 'local' ? 'local' : normalizeAddress(incoming.socket.remoteAddress) };
}

/** A QR code spells the link in upper case, so its page answers to `/J/` too, and that of a request to `/A/`. */
function toPatterns(path: string): string[] {
  const pattern = path.replace(/\{(\w+)\}/g, ':$1');
  return /^\/[ja]\//.test(pattern) ? [pattern, pattern.replace(/^\/\w/, (start) => start.toUpperCase())] : [pattern];
}

function assertHost(context: RouteContext): void {
  const { entry, incoming } = context.env;
  if (entry.hostNames === undefined) return;
  const name = (incoming.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (!entry.hostNames.has(name)) {
    throw new PalyraError('PERMISSION_DENIED', { detail: 'this listener answers only under the names of loopback' });
  }
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
  headers.set('cache-control', 'no-store');
  headers.set('referrer-policy', 'no-referrer');
  headers.set('cross-origin-resource-policy', 'same-origin');
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', API_POLICY);
  if (secure) headers.set('strict-transport-security', 'max-age=31536000');
}
