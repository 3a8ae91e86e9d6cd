/**
 * Bytes to and from the daemon: undici connections over the local socket or a URL. Knows nothing of routes.
 * Failures become reasons: not running, not reachable (and why), time-out. Whether a request was already sent when the connection broke is kept,
 * because only an unsent one may be repeated without a thought.
 */
import { PalyraError } from '../base/errors.js';
import type { Credentials } from './credentials.js';
import { reachDetail, systemCode } from './reach.js';
import { SecureConnector } from './secure-connector.js';
import { Client, Pool, requestOn } from './undici-parts.js';

export interface TransportTarget {
  /** Of a local daemon. Exactly one of `socketPath` and `baseUrl`. */
  readonly socketPath?: string;
  /** Such as `https://nas.lan:7443`: scheme, host and port, nothing more. */
  readonly baseUrl?: string;
  /** PEM of the only CA that is trusted for `baseUrl`. */
  readonly ca?: string;
  /** In place of `ca`: SHA-256 of its DER, hex, with or without `sha256:`. The CA is taken from the handshake. Neither: the authorities of this machine. */
  readonly caFingerprint?: string;
  /** Proxy for `baseUrl`, `http://…` or `https://…`; it sees encrypted bytes only. */
  readonly proxy?: string;
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Closes the connection behind the answer: the last word to a daemon that is about to stop. */
  readonly isLast?: boolean;
}

export interface TransportAnswer {
  readonly status: number;
  readonly contentType: string;
  /** What the daemon says of its API; null without the header. */
  readonly contract: string | null;
  readonly text: string;
}

export interface StreamRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Until the answer begins, and between two parts of it; then the connection counts as dead. Milliseconds. */
  readonly connectMs: number;
  readonly silentMs: number;
  readonly signal?: AbortSignal;
}

export interface StreamAnswer {
  readonly status: number;
  /** Rejects with a PalyraError when the connection breaks. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the connection. */
  close(): Promise<void>;
}

/** Answers are lists of nodes at most; more than this is not ours. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Calls under way at once; more wait their turn. The daemon allows more than twice as many. */
const MAX_CONNECTIONS = 100;
const CONNECT_TIMEOUT_MS = 5000;
/** A local daemon answers in microseconds; an idle connection is not worth keeping the process for. */
const KEEP_ALIVE_MS = 2000;

export class Transport {
  readonly #client: Pool;
  readonly #target: TransportTarget;
  readonly #credentials: Credentials;
  readonly #secure: SecureConnector | null;
  readonly #streams = new Set<Client>();

  readonly #contractHeader: string;
  readonly #nextCaHeader: string;
  /** Sent with every request: the contract we speak. */
  readonly #common: Readonly<Record<string, string>>;

  constructor(
    target: TransportTarget,
    credentials: Credentials,
    options: { readonly contractHeader: string; readonly contract: number; readonly nextCaHeader: string },
  ) {
    this.#target = target;
    this.#credentials = credentials;
    this.#common = { [options.contractHeader]: `${options.contract}` };
    this.#contractHeader = options.contractHeader;
    this.#nextCaHeader = options.nextCaHeader;
    this.#secure = secureConnectorOf(target);
    this.#client = new Pool(originOf(target), {
      connect: this.#connect(),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A call may wait for minutes: each has a connection of its own while it lasts, opened when needed.
      connections: MAX_CONNECTIONS,
      pipelining: 1,
      // The request carries its own deadline below; these would cut a long wait short.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
  }

  async send(request: TransportRequest): Promise<TransportAnswer> {
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]);
    try {
      const answering = requestOn(this.#client, {
        method: request.method,
        path: request.path,
        headers: {
          accept: 'application/json',
          ...this.#common,
          ...(await this.#credentials.headers()),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: request.body }),
        ...(request.isLast === true ? { reset: true } : {}),
        signal,
      });
      const answer = await Promise.race([answering, aborted(signal)]);
      const { 'content-type': type, [this.#contractHeader]: contract, 'set-cookie': cookies } = answer.headers;
      const nextCa = answer.headers[this.#nextCaHeader];
      if (typeof nextCa === 'string') this.#secure?.learn(nextCa);
      const text = await answer.body.text();
      await this.#credentials.take(cookies);
      return {
        status: answer.statusCode,
        contentType: typeof type === 'string' ? type : '',
        contract: typeof contract === 'string' ? contract : null,
        text,
      };
    } catch (error) {
      if (request.signal?.aborted === true) throw new PalyraError('CANCELLED', { cause: error });
      if (deadline.aborted) {
        throw new PalyraError('DAEMON_UNREACHABLE', {
          detail: `no answer within ${request.timeoutMs} ms`,
          cause: error,
        });
      }
      throw this.#toPalyraError(error);
    }
  }

  /** A GET whose answer goes on, over a connection of its own that has no limit but silence. */
  async stream(request: StreamRequest): Promise<StreamAnswer> {
    const client = new Client(originOf(this.#target), {
      connect: this.#connect(),
      headersTimeout: request.connectMs,
      bodyTimeout: request.silentMs,
    });
    const toError = (error: unknown) =>
      request.signal?.aborted === true ? new PalyraError('CANCELLED', { cause: error }) : this.#toPalyraError(error);
    this.#streams.add(client);
    const close = async () => {
      this.#streams.delete(client);
      await client.destroy();
    };
    try {
      const answer = await requestOn(client, {
        method: 'GET',
        path: request.path,
        headers: { ...this.#common, ...(await this.#credentials.headers()), ...request.headers },
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      // The end of the connection is told to who reads; nobody may be reading yet.
      answer.body.on('error', () => undefined);
      return { status: answer.statusCode, body: mapErrors(answer.body, toError), close };
    } catch (error) {
      await close();
      throw toError(error);
    }
  }

  /** Ends every connection; requests that are under way are dropped. */
  async close(): Promise<void> {
    this.#secure?.close();
    await Promise.all([this.#client.destroy(), ...[...this.#streams].map((client) => client.destroy())]);
  }

  /** SHA-256 of the certificate that the last connection showed, hex; null without TLS. */
  get serverCertificateSha256(): string | null {
    return this.#secure?.certificateSha256 ?? null;
  }

  /** What the daemon said of a CA that takes over, PEM, and the certificate the last connection showed, DER; null without TLS. */
  get learned(): { readonly nextCaPem: string | null; readonly serverCertificate: Buffer | null } | null {
    return this.#secure === null
      ? null
      : { nextCaPem: this.#secure.nextCa, serverCertificate: this.#secure.certificate };
  }

  /** The only CA that is trusted, PEM; undefined over the local socket and when this machine's authorities are. */
  async trustedCa(): Promise<string | undefined> {
    return this.#secure?.trustedCa();
  }

  #connect() {
    const { socketPath } = this.#target;
    if (this.#secure !== null) return this.#secure.connect;
    return { timeout: CONNECT_TIMEOUT_MS, ...(socketPath === undefined ? {} : { socketPath }) };
  }

  #toPalyraError(error: unknown): PalyraError {
    const known = PalyraError.from(error);
    if (known.reason !== 'INTERNAL') return known;
    const code = systemCode(error);
    if (this.#target.socketPath !== undefined) {
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return new PalyraError('DAEMON_NOT_RUNNING', { cause: error });
      if (code === 'EACCES' || code === 'EPERM') {
        return new PalyraError('PERMISSION_DENIED', {
          detail: `the socket ${this.#target.socketPath} belongs to another user`,
          cause: error,
        });
      }
    }
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
      const detail = `the answer is larger than ${MAX_ANSWER_BYTES / 1024 / 1024} MiB`;
      return new PalyraError('ANSWER_INVALID', { detail, cause: error });
    }
    if (code === 'UND_ERR_HEADERS_OVERFLOW' || code.startsWith('HPE_')) {
      return new PalyraError('ANSWER_INVALID', { detail: 'it does not speak HTTP as we do', cause: error });
    }
    return new PalyraError('DAEMON_UNREACHABLE', { detail: reachDetail(error), cause: error });
  }
}

function originOf({ baseUrl }: TransportTarget): string {
  return baseUrl ?? 'http://localhost';
}

function secureConnectorOf({ baseUrl, ca, caFingerprint, proxy }: TransportTarget): SecureConnector | null {
  if (baseUrl?.startsWith('https:') !== true) return null;
  return new SecureConnector({
    url: new URL(baseUrl),
    ca,
    caFingerprint: caFingerprint?.replace(/^sha256:/, '').toLowerCase(),
    proxy,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
}

/** The HTTP library looks at the signal once it is connected, not before; what was aborted by then is not sent. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(new Error('aborted'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

async function* mapErrors(
  body: AsyncIterable<Uint8Array>,
  toError: (error: unknown) => PalyraError,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw toError(error);
  }
}
