/**
 * How everything of a node reaches its daemon over TCP: pairing, the stream, polling, renewals, and the look at a certificate. One place knows whether it goes
 * straight or through a proxy, and finishes the connection: the tunnel, if there is one, and TLS with the pinned CA as the only root.
 *
 * grpc-js opens the socket to the first hop (the daemon or the proxy) and tries all addresses of its name side by side; what follows on that socket is done
 * here. Its own proxy support is off: it reads variables that we do not, and knows nothing of our rules.
 */
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.js';
import { dialEach, dialTcp } from '../../base/dial.js';
import { placeOf, proxyFor, toAuthority, type Place, type Proxy, type ProxySettings } from '../../base/proxy.js';
import { openTunnel, proxyUnreachable } from '../../base/tunnel.js';
import { withDeadline } from '../deadline.js';
import { DaemonChannel, tlsOptions, type ChannelTrust } from './channel.js';

/** A closed channel may say goodbye for so long; then its socket is destroyed, whatever grpc-js and the network still wait for. */
const CLOSES_WITHIN_MS = 1_000;
/** Below what a session grants for a connection (10 s), so that it is the proxy that is named. */
const PROXY_ANSWERS_WITHIN_MS = 8_000;

export interface ConnectorDeps {
  readonly clock: Clock;
}

export interface ConnectorOptions {
  readonly proxy: ProxySettings;
  readonly proxyAnswersWithinMs?: number;
}

export class Connector {
  readonly #clock: Clock;
  readonly #options: ConnectorOptions;

  constructor(deps: ConnectorDeps, options: ConnectorOptions) {
    this.#clock = deps.clock;
    this.#options = options;
  }

  /** Null: straight. Throws PROXY_UNUSABLE. */
  proxyFor(endpoint: string): Proxy | null {
    return proxyFor(this.#options.proxy, placeOf(endpoint));
  }

  /** For gRPC; nothing is opened before the first call. */
  channel(endpoint: string, trust: ChannelTrust): DaemonChannel {
    const proxy = () => this.proxyFor(endpoint);
    const place = placeOf(endpoint);
    return new DaemonChannel(endpoint, trust, {
      proxy: proxy(),
      secure: async (raw, options, signal) => {
        const socket = await this.#finish(raw, place, proxy(), options, signal);
        this.#closeWith(socket, signal);
        return socket;
      },
    });
  }

  /** That the daemon itself answers there: TLS with its CA is finished, and nothing is sent. Rejects like `open`. */
  async reach(endpoint: string, trust: ChannelTrust, signal: AbortSignal): Promise<void> {
    const socket = await this.open(placeOf(endpoint), tlsOptions(trust), signal);
    socket.on('error', () => undefined).destroy();
  }

  /**
   * A connection of its own whose TLS handshake is done, and which `check` has not thrown at: an address for which it does is not the one.
   * Rejects with what the system says, what `check` throws, PROXY_*, or the signal's reason.
   */
  async open(
    place: Place,
    options: ConnectionOptions,
    signal: AbortSignal,
    check: (socket: TLSSocket) => void = () => undefined,
  ): Promise<TLSSocket> {
    const dialing = { clock: this.#clock, signal };
    const proxy = proxyFor(this.#options.proxy, place);
    const checked = async (opening: Promise<TLSSocket>) => {
      const socket = await opening;
      try {
        check(socket);
        return socket;
      } catch (error) {
        socket.on('error', () => undefined).destroy();
        throw error;
      }
    };
    if (proxy === null) return dialEach(place, dialing, (raw, own) => checked(secured(raw, options, own)));
    const raw = await dialTcp(proxy, dialing).catch((error: unknown) => {
      signal.throwIfAborted();
      throw proxyUnreachable(proxy, reachWords(error), error);
    });
    return checked(this.#finish(raw, place, proxy, options, signal));
  }

  /** A network that has gone dark gives no answer to a goodbye: without a limit each try would leave a socket behind until TCP gives up, after a quarter of an hour. */
  #closeWith(socket: TLSSocket, signal: AbortSignal): void {
    const onAbort = () => {
      const cancel = this.#clock.schedule(CLOSES_WITHIN_MS, () => socket.destroy());
      socket.once('close', cancel);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  }

  async #finish(
    raw: Socket,
    place: Place,
    proxy: Proxy | null,
    options: ConnectionOptions,
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    if (proxy === null) return secured(raw, options, signal);
    const timeoutMs = this.#options.proxyAnswersWithinMs ?? PROXY_ANSWERS_WITHIN_MS;
    const late = () => proxyUnreachable(proxy, `it did not answer to CONNECT ${toAuthority(place)} in time`);
    const tunnel = await withDeadline(this.#clock, { timeoutMs, signal, late }, (limit) =>
      openTunnel(raw, proxy, place, limit),
    );
    return secured(tunnel, options, signal);
  }
}

/** Why a connection was not made, for people. */
export function reachWords(error: unknown): string {
  // Several addresses, several failures: the last one is as good as any.
  const last = error instanceof AggregateError ? (error.errors as unknown[]).at(-1) : error;
  const code = (last as NodeJS.ErrnoException | undefined)?.code ?? '';
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return 'its name cannot be resolved (DNS)';
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'ETIMEDOUT':
      return 'it did not answer in time';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was cut';
    default:
      return code.startsWith('ERR_SSL') || code.startsWith('EPROTO')
        ? 'what answers there is not a palyra daemon'
        : 'the connection failed';
  }
}

/** Owns the socket: destroyed when it rejects. */
function secured(raw: Socket, options: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...options, socket: raw });
    const settle = (action: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', fail);
      socket.removeListener('close', onClose);
      action();
    };
    const fail = (error: Error) =>
      settle(() => {
        socket.on('error', () => undefined).destroy();
        raw.on('error', () => undefined).destroy();
        reject(error);
      });
    const onAbort = () => fail(signal.reason as Error);
    const onClose = () => fail(Object.assign(new Error('the connection was cut'), { code: 'ECONNRESET' }));
    raw.on('error', (error) => socket.destroy(error));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', fail).once('close', onClose);
    socket.once('secureConnect', () => settle(() => resolve(socket)));
    if (signal.aborted) onAbort();
  });
}

/** What goes into the TLS greeting: addresses are not allowed there (RFC 6066, section 3). */
export function serverName({ host }: Place): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}
