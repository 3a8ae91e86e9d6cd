/**
 * A client's connection with a UDP socket of its own. When `connectQuic` resolves, the server has shown a chain of the given authority and a certificate for
 * the expected name or address.
 *
 * What it does not mean: in TLS 1.3 the client is done before the server has looked at the client's certificate. A refusal arrives later, as the end of the
 * connection; only the server's first answer on a stream proves that it accepted us.
 */
import type { Clock } from '../base/clock.js';
import { addressesOf } from '../base/dial.js';
import { PalyraError } from '../base/errors.js';
import { raceWithHeadStart } from '../base/head-start.js';
import { Deferred } from '../base/lifecycle.js';
import { QUIC_CLOSE, describeClose, type QuicClose } from './close.js';
import { QuicConnection, type ConnectionEvents } from './connection.js';
import { openUdpPort, type DatagramPort } from './datagram-port.js';
import { EndpointLoop } from './loop.js';
import { createNativeConfig } from './native-config.js';
import { loadQuiche, withoutZone, type HostPort, type NativeConfig, type Quiche } from './native.js';
import { TRANSPORT_DEFAULTS } from './options.js';
import type { QuicDeps, QuicTls, QuicTransportOptions } from './options.js';
import { serverNameProblem, sniOf } from './peer-name.js';
import { CONNECTION_ID_BYTES } from './server-intake.js';

export interface QuicClientOptions {
  /** A name or an IP literal. */
  readonly host: string;
  readonly port: number;
  /** What the server's certificate must be for; the host, if not given. An address is compared with the addresses in the certificate. */
  readonly serverName?: string;
  /** Without key and certificate the server will refuse us; palyra's own servers always want one. */
  readonly tls: Pick<QuicTls, 'caPem'> & Partial<QuicTls>;
  readonly transport?: Partial<QuicTransportOptions>;
  /** Gives up while connecting. Does nothing afterwards. */
  readonly signal?: AbortSignal;
  /** Instead of a UDP socket of our own; tests bring an in-memory wire. */
  readonly datagrams?: DatagramPort;
}

const SCRATCH_BYTES = 64 * 1024;

/**
 * A name is tried at all of its addresses side by side, as over TCP (`base/dial.ts`): the first that is open wins, the others are closed.
 *
 * Rejects with QUIC_UNAVAILABLE, QUIC_HANDSHAKE_FAILED (details: the close; of several addresses, that of the first), CONFIG_INVALID, or the signal's reason.
 * Whatever happens, a rejected call leaves no socket and no timer; a resolved one leaves none once the connection is closed.
 */
export async function connectQuic(deps: QuicDeps, options: QuicClientOptions): Promise<QuicConnection> {
  const { host: name, port, datagrams, signal = new AbortController().signal } = options;
  signal.throwIfAborted();
  const quiche = await loadQuiche();
  const transport = { ...TRANSPORT_DEFAULTS, ...options.transport };
  const config = createNativeConfig(quiche, options.tls, transport);
  const connect = async (host: string, own: AbortSignal) => {
    const remote = { host, port };
    const sink = datagrams ?? (await openUdpPort({ remote, maxDatagramBytes: transport.maxDatagramBytes }));
    if (own.aborted) {
      void sink.close();
      own.throwIfAborted();
    }
    const parts = { quiche, config, port: sink, transport, remote, name: options.serverName ?? name };
    return new ClientEndpoint(deps, parts).connect(own);
  };
  const addresses = await resolve(name, signal);
  const tries = addresses.map((address) => (own: AbortSignal) => connect(address, own));
  const discard = (late: QuicConnection) => late.close(QUIC_CLOSE.DONE, 'another address was sooner');
  return raceWithHeadStart(tries, { clock: deps.clock, signal, discard });
}

async function resolve(name: string, signal: AbortSignal): Promise<string[]> {
  try {
    return await addressesOf(name, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new PalyraError('QUIC_HANDSHAKE_FAILED', { detail: `the name ${name} has no address`, cause });
  }
}

interface ClientParts {
  readonly quiche: Quiche;
  readonly config: NativeConfig;
  readonly port: DatagramPort;
  readonly transport: QuicTransportOptions;
  readonly remote: HostPort;
  readonly name: string;
}

class ClientEndpoint {
  readonly #parts: ClientParts;
  readonly #clock: Clock;
  readonly #loop: EndpointLoop;
  readonly #connection: QuicConnection;
  readonly #ready = new Deferred<QuicConnection>();
  #released = false;

  constructor(deps: QuicDeps, parts: ClientParts) {
    const { quiche, port, remote } = parts;
    this.#parts = parts;
    this.#clock = deps.clock;
    this.#loop = new EndpointLoop(deps, { sink: port, onGone: () => this.#release() });
    const events: ConnectionEvents = {
      wake: (connection) => this.#loop.wake(connection),
      flush: (connection) => this.#loop.wakeForWrite(connection),
      established: (connection) => this.#verify(connection),
      opened: (connection) => this.#ready.resolve(connection),
      closed: (connection, close) => this.#closed(connection, close),
    };
    const local = withoutZone(port.local);
    const scid = deps.random.bytes(CONNECTION_ID_BYTES);
    this.#connection = new QuicConnection({
      quiche,
      native: quiche.Connection.connect(sniOf(parts.name), scid, local, withoutZone(remote), parts.config),
      isServer: false,
      local: port.local,
      remote,
      options: parts.transport,
      scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
      log: deps.log,
      events,
      now: deps.clock.monotonic(),
    });
    port.listen({
      datagram: (bytes) => {
        if (this.#released) return;
        this.#connection.receive(bytes);
        this.#loop.arrived(this.#connection);
      },
      failed: (error) => this.#failed(error),
    });
  }

  async connect(signal: AbortSignal): Promise<QuicConnection> {
    const onAbort = () => {
      this.#ready.reject(signal.reason);
      this.#connection.close(QUIC_CLOSE.DONE, 'given up');
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#loop.wake(this.#connection);
    try {
      return await this.#ready.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #verify(connection: QuicConnection): { code: number; reason: string } | null {
    const reason = serverNameProblem(connection.peerChain, this.#parts.name);
    return reason === null ? null : { code: QUIC_CLOSE.WRONG_SERVER, reason };
  }

  /** While connecting a refused port is an answer; later it is a guess about the path that anybody could have sent, so the peer is asked. */
  #failed(error: Error): void {
    if (this.#connection.isOpen) {
      this.#connection.suspect(this.#clock.monotonic());
      return;
    }
    const reason = (error as NodeJS.ErrnoException).code ?? error.message;
    this.#connection.abandon({ by: 'network', application: false, code: 0, reason });
  }

  #closed(connection: QuicConnection, close: QuicClose): void {
    this.#ready.reject(
      new PalyraError('QUIC_HANDSHAKE_FAILED', {
        detail: `${connection.remote.host} port ${connection.remote.port}: ${describeClose(close)}`,
        details: { ...close },
      }),
    );
    // What closes it may be in the middle of a turn: say goodbye and let go in the next one. A lost goodbye is the peer's idle time-out.
    queueMicrotask(() => {
      if (this.#released) return;
      if (close.by === 'local' || close.by === 'timeout') this.#loop.flushNow(connection);
      this.#release();
    });
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#loop.stop();
    void this.#parts.port.close();
  }
}
