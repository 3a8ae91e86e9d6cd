/**
 * Bytes to and from the daemon: undici connections over the local socket or a URL. Knows nothing of routes.
 * Failures become reasons: not running, not reachable (and why), time-out. Whether a request was already sent when the connection broke is kept,
 * because only an unsent one may be repeated without a thought.
 */
import { Client, Pool, UndiciError, requestOn } from './undici-parts.js';
import { PalyraError } from '../base/errors.js';

export interface TransportTarget {
  /** Of a local daemon. Exactly one of `socketPath` and `baseUrl`. */
  readonly socketPath?: string;
  /** Such as `https://nas.lan:7443`. */
  readonly baseUrl?: string;
  /** PEM of the only CA that is trusted for `baseUrl`. */
  readonly ca?: string;
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
  readonly #streams = new Set<Client>();

  constructor(target: TransportTarget) {
    this.#target = target;
    this.#client = new Pool(originOf(target), {
      connect: connectOptions(target),
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
      const answer = await requestOn(this.#client, {
        method: request.method,
        path: request.path,
        headers: { accept: 'application/json', ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
        ...(request.isLast === true ? { reset: true } : {}),
        signal,
      });
      const type = answer.headers['content-type'];
      return {
        status: answer.statusCode,
        contentType: typeof type === 'string' ? type : '',
        text: await answer.body.text(),
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
      connect: connectOptions(this.#target),
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
        headers: request.headers,
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
    await Promise.all([this.#client.destroy(), ...[...this.#streams].map((client) => client.destroy())]);
  }

  #toPalyraError(error: unknown): PalyraError {
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
    return new PalyraError('DAEMON_UNREACHABLE', { detail: reachDetail(code, error), cause: error });
  }
}

function originOf({ baseUrl }: TransportTarget): string {
  return baseUrl ?? 'http://localhost';
}

function connectOptions({ socketPath, ca }: TransportTarget) {
  return {
    timeout: CONNECT_TIMEOUT_MS,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(ca === undefined ? {} : { ca }),
  };
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

function systemCode(error: unknown): string {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = (current as NodeJS.ErrnoException).code;
    if (typeof code === 'string') return code;
  }
  return '';
}

function reachDetail(code: string, error: unknown): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name cannot be resolved';
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'the connection timed out';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_ABORTED':
      return 'the connection broke before the answer came';
    default:
      return error instanceof UndiciError || code !== '' ? (error as Error).message : 'the request failed';
  }
}
