/**
 * The door of both TLS ports: accepts, limits, shakes hands, and hands on. What speaks behind it (HTTP, gRPC) never sees a socket that has
 * not finished its handshake in time.
 *
 *   accept ─ caps ─► handshake ─ ALPN ─► onSecure(connection)
 *      └─ over a cap: closed unread   └─ late or failed: destroyed
 *
 * Node's and grpc-js' own servers wait up to 120 s for a handshake and cap nothing, so the caps are applied before any cryptography, and the
 * handshake has an absolute deadline: bytes that trickle in do not extend it.
 *
 * Invariants: every accepted socket is in `#sockets` until it closes; after `close` there is none.
 */
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { normalizeAddress, sourceKey } from './caller.js';

/** From accept to the end of the handshake. A node on a bad mobile network needs two round trips: well under a second. */
export const HANDSHAKE_TIMEOUT_MS = 5000;

export interface FrontLimits {
  /** Sockets counted at once over all sources; one more is closed unread. */
  readonly total: number;
  /** The same for one source address (an IPv6 /64 is one source). */
  readonly perSource: number;
  /** `open`: a socket counts until it closes. `handshake`: until its handshake is over, for peers that then prove who they are. */
  readonly countedWhile: 'open' | 'handshake';
}

export interface FrontOptions {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** When set, a client certificate of this CA is required. PEM. */
  readonly clientCaPem?: string;
  /** In order of our preference; a client that offers only others is refused by TLS. */
  readonly alpn: readonly string[];
  readonly limits: FrontLimits;
  readonly handshakeTimeoutMs?: number;
  onSecure(connection: Connection): void;
}

/** One TLS connection. `key` names it among all live ones of the front. */
export interface Connection {
  readonly key: string;
  readonly address: string;
  readonly socket: TLSSocket;
}

interface Endpoints {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

interface Accepted {
  readonly raw: Socket;
  readonly source: string;
  readonly cancelDeadline: () => void;
  counted: boolean;
}

export class TlsFront {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: FrontOptions;
  readonly #tls: TlsServer;
  readonly #listeners = new Map<string, TcpServer>();
  readonly #sockets = new Map<string, Accepted>();
  readonly #connections = new Map<string, Connection>();
  readonly #countBySource = new Map<string, number>();
  #counted = 0;
  #refused = 0;
  #closing = false;

  constructor(deps: { readonly clock: Clock; readonly log: Log }, options: FrontOptions) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = options;
    const mutual = options.clientCaPem !== undefined;
    this.#tls = createTlsServer({
      key: options.keyPem,
      cert: options.certificatePem,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [...options.alpn],
      requestCert: mutual,
      rejectUnauthorized: mutual,
      ...(options.clientCaPem === undefined ? {} : { ca: options.clientCaPem }),
    });
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket));
    // Without this handler a failed handshake leaves its socket open.
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** Binds one address; port 0 takes a free one. Resolves with the port. Throws PORT_IN_USE or ADDRESS_UNAVAILABLE. */
  async listen(address: string, port: number, flag: string): Promise<number> {
    const server = createTcpServer((raw) => this.#onAccept(raw));
    const bound = await listenTcp(server, address, port, flag);
    server.on('error', (error) => this.#log.warn('accepting a connection failed', { err: error }));
    this.#listeners.set(address, server);
    return bound;
  }

  /** Stops accepting on one address. Its connections go on. */
  unlisten(address: string): Promise<void> {
    const server = this.#listeners.get(address);
    this.#listeners.delete(address);
    // The callback of `close` waits for connections; the port is free before that.
    return new Promise((resolve) => {
      server?.close();
      setImmediate(resolve);
    });
  }

  /** New connections are shown this certificate; open ones keep theirs. PEM. */
  renew(server: { readonly keyPem: string; readonly certificatePem: string; readonly clientCaPem: string }): void {
    // A door for everybody asks for no certificate.
    const clientCaPem = this.#options.clientCaPem === undefined ? undefined : server.clientCaPem;
    this.#tls.setSecureContext({
      key: server.keyPem,
      cert: server.certificatePem,
      minVersion: 'TLSv1.2',
      ...(clientCaPem === undefined ? {} : { ca: clientCaPem }),
    });
  }

  /** Destroys connections that came in over an address of this machine that is closed now. */
  dropWhere(isClosed: (localAddress: string) => boolean): void {
    for (const { raw } of this.#sockets.values()) {
      if (isClosed(normalizeAddress(raw.localAddress))) raw.destroy();
    }
  }

  /** The live connection between two endpoints, as a server call reports them. */
  connectionBetween(endpoints: Endpoints): Connection | undefined {
    return this.#connections.get(toKey(endpoints));
  }

  /** Accepted sockets, handshaking ones included. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Sockets closed because of a cap since the start. */
  get refusedSockets(): number {
    return this.#refused;
  }

  /** Stops accepting. Connections go on until `close`. */
  stopListening(): void {
    this.#closing = true;
    for (const server of this.#listeners.values()) server.close();
  }

  /** Stops accepting and destroys what is open. Resolves when every socket is gone. */
  async close(): Promise<void> {
    this.stopListening();
    const open = [...this.#sockets.values()].map(({ raw }) => raw);
    const gone = open.map((raw) => new Promise<void>((resolve) => raw.once('close', () => resolve())));
    for (const { socket } of this.#connections.values()) socket.destroy();
    for (const raw of open) raw.destroy();
    await Promise.all(gone);
  }

  #onAccept(raw: Socket): void {
    raw.on('error', () => undefined);
    const source = sourceKey(normalizeAddress(raw.remoteAddress));
    const { total, perSource } = this.#options.limits;
    if (this.#closing || this.#counted >= total || (this.#countBySource.get(source) ?? 0) >= perSource) {
      this.#refused += 1;
      // Powers of two only: a flood must not become a flood of log lines.
      if (!this.#closing && (this.#refused & (this.#refused - 1)) === 0) {
        this.#log.warn('connection refused over a limit', { source, refused: this.#refused });
      }
      raw.destroy();
      return;
    }
    const cancelDeadline = this.#clock.schedule(this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS, () =>
      raw.destroy(),
    );
    const accepted: Accepted = { raw, source, cancelDeadline, counted: true };
    const key = toKey(raw);
    this.#sockets.set(key, accepted);
    this.#counted += 1;
    this.#countBySource.set(source, (this.#countBySource.get(source) ?? 0) + 1);
    raw.once('close', () => {
      accepted.cancelDeadline();
      this.#uncount(accepted);
      this.#sockets.delete(key);
    });
    raw.setNoDelay(true);
    this.#tls.emit('connection', raw);
  }

  #onSecure(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    // Neither protocol behind this door allows it, and it costs the server more than the client.
    socket.disableRenegotiation();
    const key = toKey(socket);
    const accepted = this.#sockets.get(key);
    // The deadline or a close may have come first.
    if (accepted === undefined || this.#closing || socket.destroyed) {
      socket.destroy();
      return;
    }
    accepted.cancelDeadline();
    if (this.#options.limits.countedWhile === 'handshake') this.#uncount(accepted);
    const connection: Connection = { key, address: normalizeAddress(socket.remoteAddress), socket };
    this.#connections.set(key, connection);
    socket.once('close', () => {
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
    });
    this.#options.onSecure(connection);
  }

  #uncount(accepted: Accepted): void {
    if (!accepted.counted) return;
    accepted.counted = false;
    this.#counted -= 1;
    const left = (this.#countBySource.get(accepted.source) ?? 1) - 1;
    if (left === 0) this.#countBySource.delete(accepted.source);
    else this.#countBySource.set(accepted.source, left);
  }
}

/** Binds a server and turns the two failures a person can mend into reasons. `flag` is the option to change. */
export function listenTcp(server: TcpServer, address: string, port: number, flag: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(
          new PalyraError('PORT_IN_USE', {
            detail: `${address} port ${port} (${flag})`,
            details: { address, port, flag },
            cause: error,
          }),
        );
      } else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EACCES' || error.code === 'EAFNOSUPPORT') {
        const detail = error.code === 'EACCES' ? `port ${port} needs more rights (${flag})` : address;
        reject(new PalyraError('ADDRESS_UNAVAILABLE', { detail, details: { address, port }, cause: error }));
      } else reject(error);
    };
    server.once('error', onError);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function toKey(endpoints: Endpoints): string {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoints;
  return `${localAddress ?? ''} ${localPort ?? 0} ${remoteAddress ?? ''} ${remotePort ?? 0}`;
}
