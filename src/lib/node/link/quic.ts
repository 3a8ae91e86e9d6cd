/**
 * The node link over QUIC: registration and the session are streams of one connection. Mutual TLS with this device's certificate.
 *
 * A short outage of the path passes within the connection. When the connection is lost the link dials again and goes on by number (`quic-session.ts`), for
 * `OUTAGE_MS`; after that it has ended.
 */
import { PalyraError } from '../../base/errors.js';
import type { Hello } from '../../base/link-messages.js';
import type { QuicConnection } from '../../quic/connection.js';
import { healthAnswer, readAnswerOf, registeredAnswer, type HealthAnswer } from '../../wire/quic/methods.js';
import type { LinkConnector, LinkHandlers, LinkStream, NodeLink, Registered, Registration } from './link.js';
import { callQuic, dialQuic, type QuicDialDeps } from './quic-dial.js';
import { QuicLinkSession } from './quic-session.js';
import type { StreamLinkMaterial } from './stream.js';

const HEALTH = ['node_rpc_mtls_required', 'version', 'daemon_name', 'uptime_ms', 'time_ms', 'load'];
const REGISTERED = [
  'device_id',
  'name',
  'protocol',
  'granted_capabilities',
  'daemon_time_ms',
  'daemon_name',
  'daemon_version',
];

export function quicLinks(material: StreamLinkMaterial, deps: QuicDialDeps): LinkConnector {
  return (endpoint) => new QuicLink(endpoint, material, deps);
}

export class QuicLink implements NodeLink {
  readonly endpoint: string;
  readonly #material: StreamLinkMaterial;
  readonly #deps: QuicDialDeps;
  readonly #destroyed = new AbortController();
  #dialing: Promise<QuicConnection> | null = null;
  #session: QuicLinkSession | null = null;

  constructor(endpoint: string, material: StreamLinkMaterial, deps: QuicDialDeps) {
    this.endpoint = endpoint;
    this.#material = material;
    this.#deps = deps;
  }

  async register(registration: Registration, signal: AbortSignal): Promise<Registered> {
    const { wallMs, ...said } = registration;
    const time = wallMs === undefined ? {} : { nodeTimeMs: wallMs() };
    const answer = await this.#call({ method: 'node.register', ...said, ...time }, signal);
    return readAnswerOf('registered', registeredAnswer, REGISTERED, answer);
  }

  /** How the daemon is; asking it is also proof that UDP reaches it and that it knows this device. */
  async health(signal: AbortSignal): Promise<HealthAnswer> {
    return readAnswerOf('health', healthAnswer, HEALTH, await this.#call({ method: 'node.health' }, signal));
  }

  open(hello: Hello, handlers: LinkHandlers): LinkStream {
    this.#session = new QuicLinkSession(
      { ...this.#deps, dial: () => this.#connection(), endpoint: this.endpoint },
      handlers,
    );
    this.#session.begin(hello);
    return this.#session;
  }

  destroy(): void {
    if (this.#destroyed.signal.aborted) return;
    this.#session?.stop();
    this.#destroyed.abort(new PalyraError('CANCELLED'));
    this.#dialing?.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }

  async #call(request: Parameters<typeof callQuic>[2], signal: AbortSignal) {
    const connection = await withSignal(this.#connection(), signal);
    return callQuic(connection, this.endpoint, request, signal);
  }

  /** The connection that is up, or a new one; one at a time. */
  async #connection(): Promise<QuicConnection> {
    const open = await this.#dialing?.catch(() => undefined);
    if (open?.isOpen === true) return open;
    this.#destroyed.signal.throwIfAborted();
    // Another caller may have begun meanwhile.
    const current = this.#dialing;
    if (current !== null && (await current.catch(() => undefined))?.isOpen === true) return current;
    const dialing = dialQuic(this.endpoint, this.#material, this.#deps, this.#destroyed.signal);
    dialing.catch(() => undefined);
    this.#dialing = dialing;
    return dialing;
  }
}

/** What is waited for goes on when the signal aborts; its caller does not. */
function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(PalyraError.from(signal.reason, 'CANCELLED'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
