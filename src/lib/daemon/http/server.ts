/**
 * An HTTP/1.1 server for one way in: the local socket, the console port, or connections that a TLS front hands over. All share one router;
 * what differs is who the caller is.
 */
import { getRequestListener, RequestError, type HttpBindings } from '@hono/node-server';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import type { Entry, Router } from './router.js';

/** Time for the request line and headers, and for the whole request with its body. Waiting for an answer is not limited here. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 64;

export interface HttpServerOptions {
  /** Who a connection belongs to, before its request is read. */
  entryOf(incoming: IncomingMessage): Entry;
  readonly secure: boolean;
  /** Connections at once; more are closed. Absent for a server whose connections somebody else limits. */
  readonly maxConnections?: number;
}

export class HttpServer {
  readonly #server: Server;
  readonly #clock: Clock;

  constructor(deps: { readonly router: Router; readonly log: Log; readonly clock: Clock }, options: HttpServerOptions) {
    const { router, log } = deps;
    this.#clock = deps.clock;
    const listener = getRequestListener(
      (request, env) => {
        const bindings = env as HttpBindings;
        return router.fetch(request, { ...bindings, entry: options.entryOf(bindings.incoming) });
      },
      {
        overrideGlobalObjects: false,
        errorHandler: (error) => {
          if (!(error instanceof RequestError)) log.error('request failed', { err: error });
          return router.refuse(options.secure);
        },
      },
    );
    this.#server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        connectionsCheckingInterval: 1000,
      },
      (incoming, outgoing) => void listener(incoming, outgoing),
    );
    this.#server.maxHeadersCount = MAX_HEADERS;
    // Before that, whoever binds it looks at its errors.
    this.#server.once('listening', () => {
      this.#server.on('error', (error) => log.warn('accepting a connection failed', { err: error }));
    });
    if (options.maxConnections !== undefined) this.#server.maxConnections = options.maxConnections;
  }

  /** The server to bind; unbound when connections come through `serve`. */
  get server(): Server {
    return this.#server;
  }

  /** Prepares for `serve` without a port. Node starts the checks of header and request time-outs with this event only. */
  startUnbound(): void {
    this.#server.emit('listening');
  }

  /** Takes over an accepted connection. */
  serve(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /** Stops accepting, lets answers under way end for up to `graceMs`, then closes every connection. */
  async close(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.schedule(graceMs, () => this.#server.closeAllConnections());
      this.#server.close(() => {
        cancel();
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}
