/**
 * The server's end of one UDP port. A client gets nothing of ours before it has proven its address, and reads or writes no stream before its certificate is
 * verified by the library *and* accepted by `authorize`.
 *
 *   Initial ──no token──► Retry (nothing is kept) ──token good──► a place (admission) ──handshake──► authorize ──► onConnection
 *                                     └─ forged, expired ─► dropped    └─ refused: closed with a reason
 *
 * Datagrams of a connection that come from another address than it was made from are dropped: there is no migration. A client whose address changes
 * connects again.
 */
import { isIP } from 'node:net';
import { PalyraError } from '../base/errors.js';
import { Admission, type AdmissionPlace, type QuicRefusal } from './admission.js';
import { QUIC_CLOSE, describeClose, type QuicClose } from './close.js';
import { QuicConnection, type ConnectionEvents, type DatagramSink } from './connection.js';
import { openUdpPort, type DatagramPort } from './datagram-port.js';
import { EndpointLoop } from './loop.js';
import { createNativeConfig } from './native-config.js';
import { loadQuiche, withoutZone, type HostPort, type NativeConfig, type Quiche } from './native.js';
import { SERVER_LIMITS, TRANSPORT_DEFAULTS } from './options.js';
import type { QuicDeps, QuicDevice, QuicPeer, QuicServerLimits, QuicTls, QuicTransportOptions } from './options.js';
import { StatelessResets } from './stateless-reset.js';
import { CONNECTION_ID_BYTES, QUIC_DROPS, ServerIntake, type QuicDrop } from './server-intake.js';

export interface QuicServerOptions {
  /** An IP literal of this machine; `::` takes IPv4 too where the system does. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly tls: QuicTls;
  /** Who this is, or a throw that refuses it: the detail of a PalyraError is the public reason. Called before any stream byte. */
  authorize(peer: QuicPeer): QuicDevice;
  /** A connection that passed. Call its `onStream` before returning, or later: streams wait. */
  onConnection(connection: QuicConnection, device: QuicDevice): void;
  readonly transport?: Partial<QuicTransportOptions>;
  readonly limits?: Partial<QuicServerLimits>;
  /** Instead of a UDP socket of our own; tests bring an in-memory wire. */
  readonly datagrams?: DatagramPort;
}

export interface QuicServerStats {
  readonly connections: number;
  readonly handshaking: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<QuicRefusal, number>>;
  readonly dropped: Readonly<Record<QuicDrop, number>>;
  readonly retriesSent: number;
  readonly versionNegotiationsSent: number;
  /** Answers to datagrams of connections that this process does not know, e.g. those of one before it. */
  readonly resetsSent: number;
  readonly datagramsReceived: number;
  readonly datagramsSent: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

interface Entry {
  readonly connection: QuicConnection;
  readonly place: AdmissionPlace;
  /** The connection id we gave it, as the key of the table. */
  readonly key: string;
  device: QuicDevice | null;
  /** It was refused after the handshake, and counted. */
  refused: boolean;
}

const SCRATCH_BYTES = 64 * 1024;
/** A connection of a full device that was silent for so many keep-alives is one that a lost network left behind; it gives way to a new one. */
const SILENT_KEEP_ALIVES = 2;

/** Throws QUIC_UNAVAILABLE, CONFIG_INVALID, PORT_IN_USE or ADDRESS_UNAVAILABLE. */
export async function listenQuic(deps: QuicDeps, options: QuicServerOptions): Promise<QuicServer> {
  const quiche = await loadQuiche();
  if (isIP(options.host) === 0) {
    throw new PalyraError('CONFIG_INVALID', { detail: `QUIC listens on addresses; ${options.host} is a name` });
  }
  const transport = { ...TRANSPORT_DEFAULTS, ...options.transport };
  const config = createNativeConfig(quiche, options.tls, transport);
  const local = { host: options.host, port: options.port };
  const port = options.datagrams ?? (await openUdpPort({ local, maxDatagramBytes: transport.maxDatagramBytes }));
  return new QuicServer(deps, options, { quiche, config, port, transport });
}

interface ServerParts {
  readonly quiche: Quiche;
  readonly config: NativeConfig;
  readonly port: DatagramPort;
  readonly transport: QuicTransportOptions;
}

export class QuicServer {
  readonly address: HostPort;
  readonly #deps: QuicDeps;
  readonly #options: QuicServerOptions;
  readonly #parts: ServerParts;
  readonly #local: HostPort;
  readonly #sink: DatagramSink;
  readonly #loop: EndpointLoop;
  readonly #admission: Admission;
  readonly #intake: ServerIntake;
  readonly #resets: StatelessResets;
  readonly #limits: QuicServerLimits;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly #entries = new Map<string, Entry>();
  readonly #byConnection = new Map<QuicConnection, Entry>();
  readonly #events: ConnectionEvents;
  readonly #dropped = Object.fromEntries(QUIC_DROPS.map((drop) => [drop, 0])) as Record<QuicDrop, number>;
  readonly #counts = { accepted: 0, received: 0, sent: 0, bytesReceived: 0, bytesSent: 0 };
  #config: NativeConfig;
  #stopping: Promise<void> | null = null;

  /** Use `listenQuic`. */
  constructor(deps: QuicDeps, options: QuicServerOptions, parts: ServerParts) {
    const { port, quiche } = parts;
    this.#deps = deps;
    this.#options = options;
    this.#parts = parts;
    this.#config = parts.config;
    this.address = port.local;
    this.#local = withoutZone(port.local);
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
    this.#admission = new Admission(this.#limits);
    this.#sink = {
      buffer: () => port.buffer(),
      send: (length, to) => {
        this.#counts.sent++;
        this.#counts.bytesSent += length;
        port.send(length, to);
      },
    };
    this.#intake = new ServerIntake({ ...deps, quiche, sink: this.#sink }, this.#limits);
    this.#resets = new StatelessResets(deps, options.tls);
    this.#loop = new EndpointLoop(deps, { sink: this.#sink, onGone: (connection) => this.#forget(connection) });
    this.#events = {
      wake: (connection) => this.#loop.wake(connection),
      flush: (connection) => this.#loop.wakeForWrite(connection),
      established: (connection) => this.#establish(connection),
      opened: (connection) => this.#open(connection),
      closed: (connection, close, wasOpen) => this.#closed(connection, close, wasOpen),
    };
    port.listen({
      datagram: (bytes, host, remotePort) => this.#receive(bytes, host, remotePort),
      failed: (error) => deps.log.debug('the QUIC socket reports an error', { err: error }),
    });
  }

  /** Connections past their handshake that are not closed. */
  *connections(): IterableIterator<{ readonly connection: QuicConnection; readonly device: QuicDevice }> {
    for (const { connection, device } of this.#entries.values()) {
      if (device !== null && connection.isOpen) yield { connection, device };
    }
  }

  /** Closes what a device has open, at once: its streams fail in this call. Returns how many connections that were. */
  closeDevice(id: string, code: number, reason: string): number {
    const mine = [...this.connections()].filter(({ device }) => device.id === id);
    for (const { connection } of mine) connection.close(code, reason);
    return mine.length;
  }

  /** New handshakes use this material; connections that are open keep theirs. */
  updateTls(tls: QuicTls): void {
    this.#config = createNativeConfig(this.#parts.quiche, tls, this.#parts.transport);
  }

  stats(): QuicServerStats {
    return {
      connections: this.#admission.established,
      handshaking: this.#admission.handshaking,
      accepted: this.#counts.accepted,
      refused: { ...this.#admission.refused },
      dropped: { ...this.#dropped },
      retriesSent: this.#intake.retriesSent,
      versionNegotiationsSent: this.#intake.versionNegotiationsSent,
      resetsSent: this.#resets.sent,
      datagramsReceived: this.#counts.received,
      datagramsSent: this.#counts.sent,
      bytesReceived: this.#counts.bytesReceived,
      bytesSent: this.#counts.bytesSent,
    };
  }

  /** Tells every peer, closes the socket and leaves no timer. Waits for nobody. */
  stop(close: { readonly code?: number; readonly reason?: string } = {}): Promise<void> {
    this.#stopping ??= this.#stop(close.code ?? QUIC_CLOSE.DONE, close.reason ?? 'the server stops');
    return this.#stopping;
  }

  async #stop(code: number, reason: string): Promise<void> {
    for (const { connection } of [...this.#entries.values()]) {
      connection.close(code, reason);
      this.#loop.flushNow(connection);
    }
    this.#loop.stop();
    this.#entries.clear();
    this.#byConnection.clear();
    await this.#parts.port.close();
  }

  #receive(bytes: Buffer, host: string, port: number): void {
    if (this.#stopping !== null) return;
    this.#counts.received++;
    this.#counts.bytesReceived += bytes.length;
    // A short header: its first byte, then the connection id that we chose, of known length. Reading it here is far cheaper than the parser.
    if (((bytes[0] ?? 0) & 0x80) === 0) {
      const entry = this.#entries.get(bytes.toString('latin1', 1, 1 + CONNECTION_ID_BYTES));
      if (entry !== undefined) this.#route(entry, bytes, host, port);
      else this.#reset(bytes, { host, port });
      return;
    }
    const { Header } = this.#parts.quiche;
    let header;
    try {
      header = Header.fromSlice(bytes, CONNECTION_ID_BYTES);
    } catch {
      this.#dropped.malformed++;
      return;
    }
    const entry = this.#entries.get(keyOf(header.dcid));
    if (entry !== undefined) {
      this.#route(entry, bytes, host, port);
      return;
    }
    const from = { host, port };
    const verdict = this.#intake.examine(bytes, header, from);
    if (verdict.kind === 'accept') this.#accept(bytes, verdict.scid, verdict.originalDcid, from);
    else if (verdict.kind === 'dropped') this.#dropped[verdict.why]++;
    else if (verdict.kind === 'refused') this.#admission.count(verdict.why);
  }

  #reset(bytes: Buffer, to: HostPort): void {
    this.#dropped['unknown-connection']++;
    const connectionId = bytes.subarray(1, 1 + CONNECTION_ID_BYTES);
    const length = this.#resets.write(connectionId, bytes.length, this.#sink.buffer());
    if (length > 0) this.#sink.send(length, to);
  }

  #route(entry: Entry, bytes: Buffer, host: string, port: number): void {
    const { connection } = entry;
    if (connection.remote.port !== port || connection.remote.host !== host) {
      this.#dropped['other-address']++;
      return;
    }
    connection.receive(bytes);
    this.#loop.arrived(connection);
  }

  #accept(bytes: Buffer, scid: Buffer, originalDcid: Buffer, from: HostPort): void {
    const { quiche, transport } = this.#parts;
    const config = this.#config;
    config.setStatelessResetToken(this.#resets.tokenOf(scid));
    const native = quiche.Connection.accept(scid, originalDcid, this.#local, withoutZone(from), config);
    const place = this.#admission.begin(from.host, (oldest) => this.#evict(oldest));
    if (typeof place === 'string') {
      this.#intake.refuse(native, bytes, { from, to: this.#local }, place);
      return;
    }
    const connection = new QuicConnection({
      quiche,
      native,
      isServer: true,
      local: this.address,
      remote: from,
      options: transport,
      scratch: this.#scratch,
      log: this.#deps.log,
      events: this.#events,
      now: this.#deps.clock.monotonic(),
    });
    const entry: Entry = { connection, place, key: keyOf(scid), device: null, refused: false };
    this.#entries.set(entry.key, entry);
    this.#byConnection.set(connection, entry);
    connection.receive(bytes);
    this.#loop.wake(connection);
  }

  /** Ends an unfinished handshake, and forgets it at once: waiting for its datagrams to drain would keep what the eviction is to free. */
  #evict(place: AdmissionPlace): void {
    for (const entry of this.#entries.values()) {
      if (entry.place !== place) continue;
      const { connection } = entry;
      connection.process(this.#deps.clock.monotonic());
      if (connection.isOpen || connection.ended !== null) return; // its last datagram came in this very turn
      entry.refused = true;
      this.#admission.count('handshake-evicted');
      connection.close(QUIC_CLOSE.HANDSHAKE_EVICTED, 'too many unfinished handshakes');
      this.#loop.flushNow(connection);
      this.#loop.remove(connection);
      this.#forget(connection);
      return;
    }
  }

  #establish(connection: QuicConnection): { code: number; reason: string } | null {
    const entry = this.#byConnection.get(connection)!;
    const refuse = (code: number, reason: string, count: QuicRefusal | null) => {
      entry.refused = true;
      if (count !== null) this.#admission.count(count);
      return { code, reason };
    };
    // A resumed session shows an old certificate that nobody has verified again.
    if (connection.isResumed) return refuse(QUIC_CLOSE.RESUMPTION, 'sessions cannot be resumed here', 'resumption');
    let device: QuicDevice;
    try {
      device = this.#options.authorize({ chain: connection.peerChain, remote: connection.remote });
    } catch (error) {
      this.#deps.log.debug('a QUIC peer was refused', { err: error });
      const known = PalyraError.from(error, 'PERMISSION_DENIED');
      return refuse(QUIC_CLOSE.UNAUTHORIZED, known.detail ?? known.title, 'unauthorized');
    }
    if (this.#admission.ofDevice(device.id) >= this.#limits.maxPerDevice) this.#closeSilent(device.id);
    const refusal = this.#admission.establish(entry.place, device);
    if (refusal === 'connection-limit') return refuse(QUIC_CLOSE.CONNECTION_LIMIT, 'no connection is free', null);
    if (refusal === 'reserved') return refuse(QUIC_CLOSE.RESERVED, 'the rest is for known devices', null);
    if (refusal !== null) return refuse(QUIC_CLOSE.DEVICE_LIMIT, 'this device has too many connections', null);
    entry.device = device;
    return null;
  }

  /** Makes room by closing the longest silent connection of a device, if one is silent enough. */
  #closeSilent(id: string): void {
    const { keepAliveMs, idleTimeoutMs } = this.#parts.transport;
    const silentMs = keepAliveMs > 0 ? SILENT_KEEP_ALIVES * keepAliveMs : idleTimeoutMs;
    const oldest = [...this.connections()]
      .filter(({ device }) => device.id === id)
      .sort((a, b) => a.connection.heardAt - b.connection.heardAt)[0];
    if (oldest === undefined || this.#deps.clock.monotonic() - oldest.connection.heardAt < silentMs) return;
    oldest.connection.close(QUIC_CLOSE.DEVICE_LIMIT, 'replaced by a newer connection');
  }

  #open(connection: QuicConnection): void {
    this.#counts.accepted++;
    const { device } = this.#byConnection.get(connection)!;
    try {
      this.#options.onConnection(connection, device!);
    } catch (error) {
      this.#deps.log.error('a QUIC connection handler threw', { err: error });
      connection.close(QUIC_CLOSE.INTERNAL, 'internal error');
    }
  }

  #closed(connection: QuicConnection, close: QuicClose, wasOpen: boolean): void {
    const entry = this.#byConnection.get(connection);
    if (entry === undefined) return;
    this.#admission.release(entry.place);
    if (!wasOpen && !entry.refused && this.#stopping === null) {
      this.#admission.count(close.by === 'timeout' ? 'handshake-timeout' : 'handshake-failed');
    }
    this.#deps.log.debug('QUIC connection closed', {
      remote: `${connection.remote.host} port ${connection.remote.port}`,
      device: entry.device?.id ?? null,
      why: describeClose(close),
    });
  }

  #forget(connection: QuicConnection): void {
    const entry = this.#byConnection.get(connection);
    if (entry === undefined) return;
    this.#byConnection.delete(connection);
    this.#entries.delete(entry.key);
  }
}

function keyOf(connectionId: Uint8Array): string {
  return Buffer.from(connectionId.buffer, connectionId.byteOffset, connectionId.length).toString('latin1');
}
