/**
 * One QUIC connection without a socket and without a timer: datagrams in, datagrams out, and the instant at which to look again. The endpoint (`loop.ts`)
 * brings both; a test may bring an in-memory wire and a clock turned by hand.
 *
 *   handshaking ──established, accepted by the endpoint──► open ──close / peer / time-out──► closed (native: draining, then gone)
 *        └──────────────── refused, failed, timed out ──────────────────────────────────────►┘
 *
 * Always true:
 *   1. No byte of a stream is read or sent before the endpoint has accepted the peer in `established`.
 *   2. `closed` resolves exactly once; every stream has ended or failed by then.
 *   3. Times handed in are monotonic. The native library keeps its own clock for loss and idle timers; a hand clock moves only what is decided here:
 *      when it is asked, the handshake's deadline and the keep-alive.
 */
import { Deferred } from '../base/lifecycle.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { closedError, nativeClose, reasonBytes, QUIC_CLOSE, type QuicClose } from './close.js';
import { Liveness } from './liveness.js';
import { withoutZone, type DatagramPath, type HostPort, type NativeConnection, type Quiche } from './native.js';
import type { QuicTransportOptions } from './options.js';
import type { QuicStream } from './stream.js';
import { StreamTable } from './stream-table.js';

/** Where outgoing datagrams go: written into `buffer()`, then `send` with their length. */
export interface DatagramSink {
  buffer(): Buffer;
  send(length: number, to: HostPort): void;
}

export interface ConnectionEvents {
  /** There is something to look at: process and flush it in this turn of the loop. */
  wake(connection: QuicConnection): void;
  /** Something was written: process and flush it when the code that wrote has run to its end. */
  flush(connection: QuicConnection): void;
  /** The handshake is over. Returns why the peer is refused, or null. No stream byte has been touched. */
  established(connection: QuicConnection): { readonly code: number; readonly reason: string } | null;
  /** It was accepted and is open now; its streams are looked at next. */
  opened(connection: QuicConnection): void;
  /** Called once. The native connection may still have a last datagram to send. */
  closed(connection: QuicConnection, close: QuicClose, wasOpen: boolean): void;
}

export interface ConnectionSetup {
  readonly quiche: Quiche;
  readonly native: NativeConnection;
  readonly isServer: boolean;
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly options: QuicTransportOptions;
  /** Shared by all connections of an endpoint. */
  readonly scratch: Buffer;
  readonly log: Log;
  readonly events: ConnectionEvents;
  readonly now: number;
}

export interface QuicConnectionStats {
  /** Smoothed round trip in whole milliseconds, which is all the library tells; 0 on a fast path. */
  readonly rttMs: number;
  readonly congestionWindowBytes: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly receivedPackets: number;
  readonly lostPackets: number;
  readonly retransmittedPackets: number;
  readonly openStreams: number;
  readonly path: { readonly local: HostPort; readonly remote: HostPort };
}

/** Packets of one flush; what remains goes in the next turn, so that one connection cannot hold up the others. */
const MAX_PACKETS_PER_FLUSH = 64;
/** Streams asked at once, whenever datagrams came, whether the peer has stopped reading; the library does not tell. More are asked a moment later. */
const STREAMS_PER_CHECK = 8;
const STOPPED_CHECK_MS = 50;

export class QuicConnection {
  readonly local: HostPort;
  readonly remote: HostPort;
  /** Resolves, never rejects, when the connection is over, with why. */
  readonly closed: Promise<QuicClose>;
  /** Takes the peer's streams. Set it when the connection is handed out; streams that come before it is set wait. */
  #onStream: ((stream: QuicStream) => void) | null = null;
  #unannounced: QuicStream[] = [];
  readonly #setup: ConnectionSetup;
  readonly #native: NativeConnection;
  readonly #streams: StreamTable;
  readonly #path: DatagramPath;
  readonly #handshakeDeadline: number;
  readonly #closedPromise = new Deferred<QuicClose>();
  #state: 'handshaking' | 'open' | 'closed' = 'handshaking';
  #close: QuicClose | null = null;
  /** What the peer is still to be told. */
  #goodbye: QuicClose | null = null;
  readonly #liveness: Liveness;
  /** When the streams that wait for nothing are asked whether their reader has left; Infinity when there is no reason to. */
  #stoppedCheckAt = Infinity;
  #nativeDeadline = Infinity;
  #unread = 0;
  #wrote = false;
  /** A flush follows: what is written now needs no turn of its own. */
  #processing = false;
  /** For the loop: packets and stream bytes received since the last flush. */
  packetsSinceFlush = 0;
  bytesSinceFlush = 0;

  constructor(setup: ConnectionSetup) {
    this.#setup = setup;
    this.#native = setup.native;
    this.local = setup.local;
    this.remote = setup.remote;
    this.#path = { from: withoutZone(setup.remote), to: withoutZone(setup.local) };
    this.#handshakeDeadline = setup.now + setup.options.handshakeTimeoutMs;
    this.#liveness = new Liveness(setup.options, setup.now);
    this.closed = this.#closedPromise.promise;
    this.#streams = new StreamTable({
      native: setup.native,
      quiche: setup.quiche,
      scratch: setup.scratch,
      isServer: setup.isServer,
      maxQueuedBytes: setup.options.maxQueuedBytes,
      wake: () => this.#wake(),
      look: () => setup.events.wake(this),
      announce: (stream) => (this.#onStream === null ? this.#unannounced.push(stream) : this.#onStream(stream)),
      report: (error) => setup.log.error('a stream handler threw', { err: error }),
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Why it is over, or null. */
  get ended(): QuicClose | null {
    return this.#close;
  }

  /** Monotonic: when the last datagram of the peer was processed. */
  get heardAt(): number {
    return this.#liveness.heardAt;
  }

  /** Certificates of the peer, DER, leaf first; empty before the handshake is over. */
  get peerChain(): Buffer[] {
    return (this.#native.peerCertChain() ?? []).map((der) => Buffer.from(der));
  }

  /** Whether the handshake skipped the certificates by an earlier session. We never offer that; a server refuses it. */
  get isResumed(): boolean {
    return this.#native.isResumed() || this.#native.isInEarlyData();
  }

  get alpn(): string {
    return Buffer.from(this.#native.applicationProto()).toString('latin1');
  }

  onStream(listener: (stream: QuicStream) => void): void {
    this.#onStream = listener;
    const waiting = this.#unannounced;
    this.#unannounced = [];
    for (const stream of waiting) listener(stream);
  }

  /** A stream now, or null when the peer's limit is reached. Throws QUIC_CONNECTION_CLOSED. */
  tryOpenStream(): QuicStream | null {
    this.#assertOpen();
    return this.#streams.tryOpen();
  }

  /** A stream, waiting in line for the peer's limit. Rejects with QUIC_CONNECTION_CLOSED, or QUIC_BACKLOGGED when the line is too long. */
  async openStream(): Promise<QuicStream> {
    this.#assertOpen();
    return this.#streams.whenOpen();
  }

  /** Tells the peer and ends every stream. `reason` is public. Does nothing when it is over. */
  close(code: number = QUIC_CLOSE.DONE, reason = ''): void {
    this.#end({ by: 'local', application: true, code, reason });
  }

  stats(): QuicConnectionStats {
    const native = this.#native.stats();
    const path = this.#native.pathStats()[0];
    return {
      rttMs: path?.rtt ?? 0,
      congestionWindowBytes: path?.cwnd ?? 0,
      sentBytes: native.sentBytes,
      receivedBytes: native.recvBytes,
      sentPackets: native.sent,
      receivedPackets: native.recv,
      lostPackets: native.lost,
      retransmittedPackets: native.retrans,
      openStreams: this.#streams.open,
      path: { local: this.local, remote: this.remote },
    };
  }

  // For the endpoint.

  /** Takes one datagram; its bytes are changed. What it brought is seen by `process`. */
  receive(datagram: Buffer): void {
    this.#unread++;
    this.packetsSinceFlush++;
    try {
      this.#native.recv(datagram, this.#path);
    } catch {
      // Not for us, damaged, or the end of the handshake: the native connection knows, and `process` asks it.
    }
  }

  /** Acts on everything received and wanted. */
  process(now: number): void {
    this.#processing = true;
    if (this.#unread > 0) {
      this.#unread = 0;
      this.#liveness.heard(now);
      const all = this.#state !== 'open' || this.#streams.checkStopped(STREAMS_PER_CHECK);
      if (!all && this.#stoppedCheckAt === Infinity) this.#stoppedCheckAt = now + STOPPED_CHECK_MS;
    }
    if (this.#state === 'handshaking' && this.#native.isEstablished()) this.#establish();
    if (this.#state === 'open') {
      this.#streams.process();
      this.bytesSinceFlush += this.#streams.takeReceived();
    }
    this.#processing = false;
  }

  /** Whether nothing but an acknowledgement waits to be sent, so that it may wait for company. */
  get onlyAcknowledges(): boolean {
    return !this.#wrote && this.#state === 'open';
  }

  /** Sends what is to be sent. Returns true when more is left for the next turn. */
  flush(sink: DatagramSink, now: number): boolean {
    this.#wrote = false;
    this.packetsSinceFlush = 0;
    this.bytesSinceFlush = 0;
    let more = this.#sendPackets(sink);
    if (this.#goodbye !== null) {
      // Last, so that the end of the handshake and what was written before leave first: the peer could not read it otherwise.
      try {
        this.#native.close(true, this.#goodbye.code, reasonBytes(this.#goodbye.reason));
      } catch {
        // It is closing for another reason already.
      }
      this.#goodbye = null;
      more = this.#sendPackets(sink);
    }
    const timeout = this.#native.timeout();
    this.#nativeDeadline = timeout === null ? Infinity : now + timeout;
    if (this.#state !== 'closed' && (this.#native.isDraining() || this.#native.isClosed())) {
      this.#finish(nativeClose(this.#native) ?? { by: 'peer', application: false, code: 0, reason: '' });
    }
    return more;
  }

  /** When to call `expire`; Infinity for never. */
  get deadline(): number {
    let deadline = this.#nativeDeadline;
    if (this.#state === 'handshaking') deadline = Math.min(deadline, this.#handshakeDeadline);
    else if (this.#state === 'open') deadline = Math.min(deadline, this.#liveness.deadline, this.#stoppedCheckAt);
    return deadline;
  }

  /** Time has come. Flush afterwards. */
  expire(now: number): void {
    if (now >= this.#nativeDeadline) this.#native.onTimeout();
    if (this.#state === 'handshaking' && now >= this.#handshakeDeadline) {
      const reason = 'the handshake took too long';
      this.#end({ by: 'timeout', application: true, code: QUIC_CLOSE.HANDSHAKE_TIMEOUT, reason });
      return;
    }
    if (this.#state !== 'open') return;
    if (now >= this.#stoppedCheckAt) {
      this.#stoppedCheckAt = Infinity;
      this.#streams.checkStopped();
    }
    const verdict = this.#liveness.look(now);
    if (verdict === 'ping') this.#native.sendAckEliciting();
    else if (verdict === 'dead') {
      const reason = 'the peer does not answer';
      this.#end({ by: 'timeout', application: true, code: QUIC_CLOSE.PEER_SILENT, reason });
    }
  }

  /** The native connection is over too: nothing will be sent or expected any more. */
  get isGone(): boolean {
    return this.#native.isClosed();
  }

  /** The network says that nobody is there: asks the peer, and gives it less time to answer. */
  suspect(now: number): void {
    if (this.#state !== 'open' || !this.#liveness.suspect(now)) return;
    this.#native.sendAckEliciting();
    this.#wake();
  }

  /** The endpoint's socket has failed or is closing without a word to the peer. */
  abandon(close: QuicClose): void {
    this.#finish(close);
  }

  #establish(): void {
    const refusal = this.#setup.events.established(this);
    if (refusal !== null) {
      this.close(refusal.code, refusal.reason);
      return;
    }
    this.#state = 'open';
    this.#setup.events.opened(this);
  }

  #end(close: QuicClose): void {
    if (this.#state === 'closed') return;
    this.#goodbye = close;
    this.#wake();
    this.#finish(close);
  }

  /** Whether more is left for the next turn. */
  #sendPackets(sink: DatagramSink): boolean {
    for (let packets = 0; packets < MAX_PACKETS_PER_FLUSH; packets++) {
      let sent: readonly [number, unknown] | null;
      try {
        sent = this.#native.send(sink.buffer());
      } catch (error) {
        this.#setup.log.debug('a QUIC datagram could not be made', { err: error });
        return false;
      }
      if (sent === null) return false;
      sink.send(sent[0], this.remote);
    }
    return true;
  }

  #finish(close: QuicClose): void {
    if (this.#state === 'closed') return;
    const wasOpen = this.#state === 'open';
    this.#state = 'closed';
    this.#close = close;
    this.#unannounced = [];
    this.#streams.fail(closedError(close));
    this.#setup.events.closed(this, close, wasOpen);
    this.#closedPromise.resolve(close);
  }

  #wake(): void {
    this.#wrote = true;
    if (!this.#processing) this.#setup.events.flush(this);
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    if (this.#close !== null) throw closedError(this.#close);
    throw new PalyraError('INTERNAL', { detail: 'a QUIC connection was used before its handshake was over' });
  }
}
