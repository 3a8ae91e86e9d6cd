/**
 * One call of a route, typed by the route table: target, credentials, CSRF, retries, deadline, and what an answer means.
 *
 *   read       repeated when the connection fails, as often as was asked for
 *   mutation   sent once. With a session it carries the CSRF token, read before when it is not known; when the daemon refuses the token it has done
 *              nothing, so the mutation is sent a second time with a fresh one, and never a third time
 *
 * A cookie or token only ever goes to the origin of `baseUrl`: nothing is followed. Over plain HTTP only to this machine itself.
 */
import { PalyraError } from '../base/errors.js';
import { isAway } from '../base/unreachable.js';
import {
  CONTRACT,
  CONTRACT_HEADER,
  CSRF_HEADER,
  NEXT_CA_HEADER,
  ROUTES,
  toPath,
  type Route,
} from '../wire/http/routes.js';
import type { JsonRouteId, RouteAnswer, RouteBody, RouteQuery } from '../wire/http/schemas.js';
import { assertAnswered, decodeJson } from './answers.js';
import type { CookieJar } from './cookies.js';
import { Credentials } from './credentials.js';
import { Transport, type TransportAnswer, type TransportTarget } from './transport.js';

export interface ControlPlaneClientOptions extends TransportTarget {
  /** For calls that do not wait for anything. */
  readonly requestTimeoutMs?: number;
  /** How often a safe read is repeated when the connection fails. */
  readonly safeReadRetries?: number;
  /** Of a script; sent as a bearer token to `baseUrl`. */
  readonly token?: string;
  /** Keeps the session of `baseUrl`; without one a jar of its own is used, which is forgotten with the client. */
  readonly cookieJar?: CookieJar;
}

export interface CallOptions<R extends JsonRouteId> {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: RouteQuery<R>;
  readonly body?: RouteBody<R>;
  readonly signal?: AbortSignal;
  /** How long the daemon may take on purpose; added to the request time-out. */
  readonly waitMs?: number;
}

export type WaitOptions = { readonly waitMs?: number; readonly signal?: AbortSignal };

/** Answers that say who asks, with the CSRF token. */
const WHO_ROUTES: ReadonlySet<string> = new Set(['session.login', 'session.show', 'logins.claim']);

export class DaemonCalls {
  protected readonly transport: Transport;
  protected readonly credentials: Credentials;
  readonly #contractRequired: boolean;
  readonly #requestTimeoutMs: number;
  readonly #safeReadRetries: number;
  #readingCsrf: Promise<unknown> | null = null;

  constructor(options: ControlPlaneClientOptions) {
    const origin = originOf(options);
    this.credentials = new Credentials({ origin, token: options.token, cookieJar: options.cookieJar });
    const target = origin === null ? options : { ...options, baseUrl: origin };
    const headers = { contractHeader: CONTRACT_HEADER, contract: CONTRACT, nextCaHeader: NEXT_CA_HEADER };
    this.transport = new Transport(target, this.credentials, headers);
    this.#contractRequired = origin !== null;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 10_000;
    this.#safeReadRetries = options.safeReadRetries ?? 1;
  }

  /** One call of a route. Throws the daemon's own reason, or DAEMON_NOT_RUNNING, DAEMON_UNREACHABLE, DAEMON_IDENTITY_CHANGED, ANSWER_INVALID, CONTRACT_MISMATCH, CANCELLED. */
  async request<R extends JsonRouteId>(id: R, options: CallOptions<R> = {}): Promise<RouteAnswer<R>> {
    const route: Route = ROUTES[id];
    const path = toPath(id, options.params) + toQueryString(options.query);
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const attempt = async () => {
      const csrf = await this.#csrfHeader(route, options.signal);
      return this.transport.send({
        method: route.method,
        path,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...csrf },
        ...(body === undefined ? {} : { body }),
        timeoutMs: this.#requestTimeoutMs + (options.waitMs ?? 0),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(id === 'daemon.stop' ? { isLast: true } : {}),
      });
    };
    const call = async () => this.#decode(await this.#withRetries(attempt, route.safe ? this.#safeReadRetries : 0));
    const answer = await call().catch((error: unknown) => {
      if (route.safe || this.credentials.csrfToken === null || PalyraError.from(error).reason !== 'CSRF_REFUSED')
        throw error;
      this.credentials.forgetCsrfToken();
      return call();
    });
    if (WHO_ROUTES.has(id)) this.credentials.capture(answer);
    // The daemon's answers are those of the schemas; what a later version adds is left alone.
    return answer as RouteAnswer<R>;
  }

  /** A read whose answer is text. */
  protected async text(path: string): Promise<string> {
    const attempt = () => this.transport.send({ method: 'GET', path, timeoutMs: this.#requestTimeoutMs });
    const answer = await this.#withRetries(attempt, this.#safeReadRetries);
    assertAnswered(answer, { contractRequired: this.#contractRequired });
    return answer.text;
  }

  /** What was learned of the daemon's CA; null without TLS. */
  get learnedTrust(): Transport['learned'] {
    return this.transport.learned;
  }

  /** Ends every connection; requests that are under way are dropped. */
  close(): Promise<void> {
    return this.transport.close();
  }

  #decode(answer: TransportAnswer): object {
    return decodeJson(answer, { contractRequired: this.#contractRequired });
  }

  async #csrfHeader(route: Route, signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (route.safe || route.access === 'anonymous' || !(await this.credentials.hasSession())) return {};
    if (this.credentials.csrfToken === null) {
      this.#readingCsrf ??= this.request('session.show', signal === undefined ? {} : { signal }).finally(
        () => (this.#readingCsrf = null),
      );
      await this.#readingCsrf;
    }
    const token = this.credentials.csrfToken;
    return token === null ? {} : { [CSRF_HEADER]: token };
  }

  async #withRetries(attempt: () => Promise<TransportAnswer>, retries: number): Promise<TransportAnswer> {
    for (let left = retries; ; left--) {
      try {
        return await attempt();
      } catch (error) {
        if (left <= 0 || !isAway(PalyraError.from(error))) throw error;
      }
    }
  }
}

/** Null for the local socket. Throws CONFIG_INVALID for an address that is none, and for credentials that would travel in the clear. */
function originOf(options: ControlPlaneClientOptions): string | null {
  const { socketPath, baseUrl, token, cookieJar } = options;
  const invalid = (detail: string) => new PalyraError('CONFIG_INVALID', { detail });
  if ((socketPath === undefined) === (baseUrl === undefined)) {
    throw invalid('a client needs either socketPath or baseUrl');
  }
  if (baseUrl === undefined) {
    if (token !== undefined || cookieJar !== undefined) throw invalid('the local socket needs no credentials');
    return null;
  }
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    throw invalid('baseUrl must be a scheme, a host and a port, such as https://nas.lan:7443');
  }
  const isLoopback = url.hostname === 'localhost' || url.hostname === '[::1]' || url.hostname.startsWith('127.');
  if (url.protocol === 'http:' && !isLoopback && (token !== undefined || cookieJar !== undefined)) {
    throw invalid('credentials are not sent over plain HTTP to another machine; use https');
  }
  return url.origin;
}

function toQueryString(query: object | undefined): string {
  const search = new URLSearchParams();
  // Query values are text or numbers; their schemas say so.
  for (const [name, value] of Object.entries(query ?? {}) as [string, string | number | undefined][]) {
    if (value !== undefined) search.set(name, `${value}`);
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
