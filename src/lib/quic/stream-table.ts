/**
 * The open streams of one connection: which are readable, which wait to write, who may open the next.
 *
 * Always true: a stream is here from its first byte until both directions are over, and no longer; the peer's streams are announced once each, in the order
 * their bytes arrive; a stream id that is over is never taken for a new one.
 *
 * The native library's iterator of readable streams costs twenty times a direct question, so the likely answers are asked for first: the peer's next stream,
 * then our streams in the order they were opened; the iterator comes last.
 */
import { Deferred } from '../base/lifecycle.js';
import { PalyraError } from '../base/errors.js';
import type { NativeConnection, Quiche } from './native.js';
import { QuicStream, type StreamHost } from './stream.js';

/** Questions without an answer before the iterator is asked. */
const MAX_MISSES = 4;
/** Callers that wait for a stream; more are refused. */
const MAX_WAITING_OPENS = 4096;

export interface StreamTableDeps {
  readonly native: NativeConnection;
  readonly quiche: Quiche;
  readonly scratch: Buffer;
  readonly isServer: boolean;
  readonly maxQueuedBytes: number;
  wake(): void;
  look(): void;
  /** The peer's stream; set its reader before returning, or later: nothing is lost. */
  announce(stream: QuicStream): void;
  report(error: unknown): void;
}

export class StreamTable implements StreamHost {
  readonly native: NativeConnection;
  readonly shutdown: { readonly Read: number; readonly Write: number };
  readonly scratch: Buffer;
  readonly maxQueuedBytes: number;
  readonly #deps: StreamTableDeps;
  readonly #streams = new Map<number, QuicStream>();
  readonly #blocked = new Set<QuicStream>();
  /** Opened, by RFC 9000 section 2.1, with a later one, but not yet heard of. */
  readonly #implied = new Set<number>();
  readonly #ownKind: number;
  #opens: Deferred<QuicStream>[] = [];
  #nextOwn: number;
  #nextPeer: number;
  /** Streams of ours without an id yet: they count against the peer's limit all the same. */
  readonly #nameless = new Set<QuicStream>();
  /** Bytes read since `takeReceived`. */
  #received = 0;

  constructor(deps: StreamTableDeps) {
    this.#deps = deps;
    this.native = deps.native;
    this.shutdown = deps.quiche.Shutdown;
    this.scratch = deps.scratch;
    this.maxQueuedBytes = deps.maxQueuedBytes;
    this.#ownKind = deps.isServer ? 1 : 0;
    this.#nextOwn = this.#ownKind;
    this.#nextPeer = 1 - this.#ownKind;
  }

  get open(): number {
    return this.#streams.size + this.#nameless.size;
  }

  /** A stream now, or null when the peer allows no more. Whoever waits in `openStream` comes first. */
  tryOpen(): QuicStream | null {
    return this.#opens.length > 0 ? null : this.#open();
  }

  /** A stream as soon as the peer allows it, in the order asked for. */
  whenOpen(): Promise<QuicStream> {
    const stream = this.tryOpen();
    if (stream !== null) return Promise.resolve(stream);
    if (this.#opens.length >= MAX_WAITING_OPENS) {
      return Promise.reject(
        new PalyraError('QUIC_BACKLOGGED', { detail: `${MAX_WAITING_OPENS} callers wait for a stream already` }),
      );
    }
    const waiting = new Deferred<QuicStream>();
    this.#opens.push(waiting);
    return waiting.promise;
  }

  /** Reads what is here, sends what waits, opens what may be opened. */
  process(): void {
    const { native } = this;
    while (native.isReadable() && this.#readLikely()) {
      // Until the likely ones have nothing more.
    }
    if (native.isReadable()) for (const id of native.readable()) this.#read(id);
    for (const stream of this.#blocked) stream.pump();
    while (this.#opens.length > 0) {
      const stream = this.#open();
      if (stream === null) break;
      this.#opens.shift()!.resolve(stream);
    }
  }

  /** Bytes read since the last call. */
  takeReceived(): number {
    const received = this.#received;
    this.#received = 0;
    return received;
  }

  /** Asks the streams whether the peer has stopped reading them, unless there are more than `most`. Whether it did. */
  checkStopped(most = Infinity): boolean {
    if (this.#streams.size > most) return false;
    for (const stream of this.#streams.values()) stream.checkStopped();
    return true;
  }

  fail(error: PalyraError): void {
    const opens = this.#opens;
    this.#opens = [];
    for (const waiting of opens) waiting.reject(error);
    for (const stream of [...this.#streams.values(), ...this.#nameless]) stream.connectionClosed(error);
    this.#blocked.clear();
  }

  // StreamHost.

  assignId(stream: QuicStream): number {
    const id = this.#nextOwn;
    this.#nextOwn += 4;
    this.#nameless.delete(stream);
    this.#streams.set(id, stream);
    return id;
  }

  wake(): void {
    this.#deps.wake();
  }

  look(): void {
    this.#deps.look();
  }

  block(stream: QuicStream): void {
    this.#blocked.add(stream);
  }

  unblock(stream: QuicStream): void {
    this.#blocked.delete(stream);
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  forget(stream: QuicStream): void {
    this.#nameless.delete(stream);
    this.#streams.delete(stream.id);
    if (this.#opens.length > 0) this.look();
  }

  report(error: unknown): void {
    this.#deps.report(error);
  }

  #open(): QuicStream | null {
    if (this.native.peerStreamsLeftBidi() - this.#nameless.size <= 0) return null;
    const stream = new QuicStream(this, -1);
    this.#nameless.add(stream);
    return stream;
  }

  /** Whether anything was read. */
  #readLikely(): boolean {
    const { native } = this;
    let hit = false;
    while (native.streamReadable(this.#nextPeer)) {
      this.#read(this.#nextPeer);
      hit = true;
    }
    let misses = 0;
    for (const [id, stream] of this.#streams) {
      if (!stream.wantsData || !native.streamReadable(id)) {
        if (++misses >= MAX_MISSES) break;
        continue;
      }
      stream.receive();
      hit = true;
      misses = 0;
    }
    return hit;
  }

  #read(id: number): void {
    const known = this.#streams.get(id);
    if (known !== undefined) {
      known.receive();
      return;
    }
    if (!this.#isNew(id)) {
      this.#drop(id);
      return;
    }
    const stream = new QuicStream(this, id);
    this.#streams.set(id, stream);
    try {
      this.#deps.announce(stream);
    } catch (error) {
      this.report(error);
      stream.abort(0);
    }
    stream.receive();
  }

  #isNew(id: number): boolean {
    if ((id & 3) !== 1 - this.#ownKind) return false;
    if (id < this.#nextPeer) return this.#implied.delete(id);
    for (; this.#nextPeer < id; this.#nextPeer += 4) this.#implied.add(this.#nextPeer);
    this.#nextPeer = id + 4;
    return true;
  }

  /** Something for a stream that is over for us: taken out of the way so that its window is given back. */
  #drop(id: number): void {
    try {
      while (this.native.streamRecv(id, this.scratch) !== null) {
        // Dropped.
      }
    } catch {
      // Reset: nothing is left of it.
    }
  }
}
