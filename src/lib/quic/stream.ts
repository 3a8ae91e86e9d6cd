/**
 * One bidirectional stream: ordered bytes both ways, each direction ended or abandoned on its own.
 *
 *   reading   open ──last byte──► ended      writing   open ──end()──► (flushing) ──► ended
 *              ├──peer resets──► failed                 ├──peer stops reading──► failed
 *              └──stopSending()─► stopped               └──reset()──► reset
 *
 * Bounds: what was not read stays with the native library, whose window stops the peer; what could not be sent waits here, at most `maxQueuedBytes`
 * beside one write. A stream of ours gets its id with its first byte, so an opened and forgotten one costs the peer nothing.
 */
import { Deferred } from '../base/lifecycle.js';
import { PalyraError } from '../base/errors.js';
import { QUIC_CLOSE } from './close.js';
import type { NativeConnection } from './native.js';

/** Where the bytes of a stream go. Exactly one of `end` and `failed` is called, once, after all data. */
export interface StreamReader {
  /** The chunk is only valid during the call: copy what is kept. Never empty. */
  data(chunk: Buffer): void;
  end(): void;
  /** QUIC_STREAM_CLOSED with the peer's `code` in details, or QUIC_CONNECTION_CLOSED. */
  failed(error: PalyraError): void;
}

/** What a stream needs from its connection. */
export interface StreamHost {
  readonly native: NativeConnection;
  readonly shutdown: { readonly Read: number; readonly Write: number };
  /** One buffer for all reads of the endpoint. */
  readonly scratch: Buffer;
  readonly maxQueuedBytes: number;
  assignId(stream: QuicStream): number;
  /** Something was written: send it in this turn. */
  wake(): void;
  /** Something is wanted or was read: look in this turn, which also tells the peer of the room that reading made. */
  look(): void;
  block(stream: QuicStream): void;
  unblock(stream: QuicStream): void;
  received(bytes: number): void;
  forget(stream: QuicStream): void;
  report(error: unknown): void;
}

const EMPTY = Buffer.alloc(0);

export class QuicStream {
  readonly #host: StreamHost;
  #id: number;
  #reader: StreamReader | null = null;
  #waiter: Deferred<Buffer | null> | null = null;
  #paused = false;
  #reading: 'open' | 'ended' | 'failed' | 'stopped' = 'open';
  #readError: PalyraError | null = null;
  #writing: 'open' | 'ending' | 'ended' | 'failed' = 'open';
  #writeError: PalyraError | null = null;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #drained: Deferred<void> | null = null;
  #onStopped: ((error: PalyraError) => void) | null = null;

  /** Made by the connection only. `id` is -1 for a stream of ours that has sent nothing yet. */
  constructor(host: StreamHost, id: number) {
    this.#host = host;
    this.#id = id;
  }

  /** -1 until the first write of a stream of ours. */
  get id(): number {
    return this.#id;
  }

  /** Bytes that wait for the peer's window or for the path. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isWritable(): boolean {
    return this.#writing === 'open';
  }

  /** Whether both directions are over; the connection has forgotten the stream then. */
  get isDone(): boolean {
    return this.#reading !== 'open' && (this.#writing === 'ended' || this.#writing === 'failed');
  }

  // Writing.

  /**
   * Sends `bytes`, which must not change while they wait. True when all of them are with the transport; false when some wait here: go on after `drained`.
   * Throws QUIC_BACKLOGGED, with nothing taken, when too much waits already; QUIC_STREAM_CLOSED or QUIC_CONNECTION_CLOSED when nobody will read.
   */
  write(bytes: Uint8Array): boolean {
    return this.#push(bytes, false);
  }

  /** Sends `bytes`, if any, and the end. Nothing can be written after it. Returns what `write` does. */
  end(bytes: Uint8Array = EMPTY): boolean {
    return this.#push(bytes, true);
  }

  /** Resolves when nothing waits here any more; rejects when it never will be sent. */
  drained(): Promise<void> {
    if (this.#writeError !== null) return Promise.reject(this.#writeError);
    if (this.#queue.length === 0) return Promise.resolve();
    this.#drained ??= quiet(new Deferred<void>());
    return this.#drained.promise;
  }

  /**
   * Hears, once, that nobody will read what is written: the peer has stopped reading, or the connection is over. Not of our own `reset`. For a stream that
   * is written to seldom; a write would throw the same.
   */
  onStopped(listener: (error: PalyraError) => void): void {
    this.#onStopped = listener;
    if (this.#writing === 'failed' && this.#writeError !== null) listener(this.#writeError);
  }

  /** Abandons our direction: the peer sees `code`, what waits is dropped. Does nothing when it is over. */
  reset(code: number): void {
    if (this.#writing === 'ended' || this.#writing === 'failed') return;
    this.#shutdown(this.#host.shutdown.Write, code);
    this.#onStopped = null;
    this.#endWriting(streamClosed(code, 'we have reset it'));
  }

  // Reading.

  /** Takes everything from now on, the data that is already here included (in a later turn). A stream has one reader. */
  setReader(reader: StreamReader): void {
    this.#reader = reader;
    if (this.#reading === 'ended') reader.end();
    else if (this.#reading === 'failed') reader.failed(this.#readError!);
    else this.#host.look();
  }

  /** No more data until `resume`; the peer is stopped by its window. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#host.look();
  }

  /** The next bytes, as a copy, or null at the end; one call at a time, and not beside a reader. */
  read(): Promise<Buffer | null> {
    if (this.#waiter !== null || this.#reader !== null) {
      return Promise.reject(new PalyraError('INTERNAL', { detail: 'a QUIC stream has one reader' }));
    }
    if (this.#reading === 'failed') return Promise.reject(this.#readError!);
    if (this.#reading !== 'open') return Promise.resolve(null);
    const waiter = quiet(new Deferred<Buffer | null>());
    this.#waiter = waiter;
    if (this.#id >= 0) {
      this.receive();
      this.#host.look();
    }
    return waiter.promise;
  }

  /** Tells the peer to stop sending and drops what it has sent. Does nothing when the end was read. */
  stopSending(code: number): void {
    if (this.#reading !== 'open') return;
    this.#shutdown(this.#host.shutdown.Read, code);
    this.#reading = 'stopped';
    this.#waiter?.resolve(null);
    this.#waiter = null;
    this.#settle();
  }

  /** Both directions at once: nothing of this stream matters any more. */
  abort(code: number): void {
    this.stopSending(code);
    this.reset(code);
  }

  // For the connection.

  get wantsData(): boolean {
    return this.#reading === 'open' && ((this.#reader !== null && !this.#paused) || this.#waiter !== null);
  }

  /** Reads what is here and wanted. */
  receive(): void {
    const { native, scratch } = this.#host;
    while (this.wantsData) {
      let got: readonly [number, boolean] | null;
      try {
        got = native.streamRecv(this.#id, scratch);
      } catch (error) {
        this.#failReading(error);
        return;
      }
      if (got === null) return;
      const [length, fin] = got;
      this.#host.received(length);
      if (length > 0) this.#deliver(scratch.subarray(0, length));
      if (fin && this.#reading === 'open') this.#endReading();
      else if (length < scratch.length && !native.streamReadable(this.#id)) return;
    }
  }

  /** Sends what waits, as far as it goes now. */
  pump(): void {
    while (this.#queue.length > 0) {
      const bytes = this.#queue[0]!;
      const fin = this.#writing === 'ending' && this.#queue.length === 1;
      const sent = this.#send(bytes, fin);
      if (sent === null) return;
      this.#queuedBytes -= sent;
      this.#host.wake();
      if (sent < bytes.length) {
        this.#queue[0] = bytes.subarray(sent);
        return;
      }
      this.#queue.shift();
      if (fin) this.#endWriting(null);
    }
    this.#host.unblock(this);
    this.#drained?.resolve();
    this.#drained = null;
  }

  /** Learns of a STOP_SENDING that came while there was nothing to send. */
  checkStopped(): void {
    if (this.#id < 0 || this.#writing !== 'open' || this.#queue.length > 0) return;
    try {
      this.#host.native.streamWritable(this.#id, 1);
    } catch (error) {
      this.#endWriting(stoppedBy(error));
    }
  }

  /** The connection is over. */
  connectionClosed(error: PalyraError): void {
    if (this.#reading === 'open') this.#failReading(error);
    if (this.#writing === 'open' || this.#writing === 'ending') this.#endWriting(error);
  }

  #assertReadByPeer(): void {
    if (this.#writeError !== null) throw this.#writeError;
  }

  #push(bytes: Uint8Array, fin: boolean): boolean {
    this.#assertReadByPeer();
    if (this.#writing !== 'open')
      throw new PalyraError('INTERNAL', { detail: 'a QUIC stream was written after its end' });
    if (this.#queue.length > 0) {
      if (this.#queuedBytes + bytes.length > this.#host.maxQueuedBytes) {
        throw new PalyraError('QUIC_BACKLOGGED', { detail: `${this.#queuedBytes} bytes wait already` });
      }
    } else {
      if (this.#id < 0) this.#id = this.#host.assignId(this);
      const sent = this.#send(bytes, fin);
      this.#assertReadByPeer();
      this.#host.wake();
      if (sent === bytes.length) {
        if (fin) this.#endWriting(null);
        return true;
      }
      bytes = bytes.subarray(sent ?? 0);
      this.#host.block(this);
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (fin) this.#writing = 'ending';
    return false;
  }

  /** How many bytes the transport took; null when it can take none now. The end counts as taken with the last byte. */
  #send(bytes: Uint8Array, fin: boolean): number | null {
    try {
      const sent = this.#host.native.streamSend(this.#id, bytes, fin);
      // "Nothing now" is also the answer for a stream that is over and forgotten there; this question throws then.
      if (sent === null) this.#host.native.streamWritable(this.#id, 1);
      return sent;
    } catch (error) {
      // The peer has not yet told us that an earlier stream is over; its word comes with the next datagrams.
      if ((error as Error).message.includes('StreamLimit')) return null;
      this.#endWriting(stoppedBy(error));
      return null;
    }
  }

  #deliver(chunk: Buffer): void {
    if (this.#reader === null) {
      const waiter = this.#waiter;
      this.#waiter = null;
      waiter?.resolve(Buffer.from(chunk));
      return;
    }
    try {
      this.#reader.data(chunk);
    } catch (error) {
      this.#host.report(error);
      this.abort(QUIC_CLOSE.INTERNAL);
    }
  }

  #endReading(): void {
    this.#reading = 'ended';
    this.#waiter?.resolve(null);
    this.#waiter = null;
    this.#tell((reader) => reader.end());
    this.#settle();
  }

  #failReading(error: unknown): void {
    const known =
      error instanceof PalyraError
        ? error
        : streamClosed(codeIn(error), `the peer has reset it (code ${codeIn(error)})`);
    this.#reading = 'failed';
    this.#readError = known;
    this.#waiter?.reject(known);
    this.#waiter = null;
    this.#tell((reader) => reader.failed(known));
    this.#settle();
  }

  #endWriting(error: PalyraError | null): void {
    this.#writing = error === null ? 'ended' : 'failed';
    this.#writeError = error;
    this.#host.unblock(this);
    if (error !== null) {
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#drained?.reject(error);
      this.#drained = null;
    }
    this.#settle();
    if (error === null || this.#onStopped === null) return;
    try {
      this.#onStopped(error);
    } catch (thrown) {
      this.#host.report(thrown);
    }
  }

  #tell(call: (reader: StreamReader) => void): void {
    if (this.#reader === null) return;
    try {
      call(this.#reader);
    } catch (error) {
      this.#host.report(error);
    }
  }

  #shutdown(direction: number, code: number): void {
    if (this.#id < 0) return;
    try {
      this.#host.native.streamShutdown(this.#id, direction, code);
    } catch {
      // It is over already on that side.
    }
    this.#host.wake();
  }

  #settle(): void {
    if (this.isDone) this.#host.forget(this);
  }
}

function stoppedBy(error: unknown): PalyraError {
  return streamClosed(codeIn(error), `the peer no longer reads (code ${codeIn(error)})`);
}

function streamClosed(code: number, detail: string): PalyraError {
  return new PalyraError('QUIC_STREAM_CLOSED', { detail, details: { code } });
}

/** The binding reports `StreamReset(77)` and `StreamStopped(78)` as text. */
function codeIn(error: unknown): number {
  return Number(/Stream(?:Reset|Stopped)\((\d+)\)/.exec((error as Error).message)?.[1] ?? 0);
}

/** A wait that nobody may be waiting for is no unhandled rejection. */
function quiet<T>(deferred: Deferred<T>): Deferred<T> {
  deferred.promise.catch(() => undefined);
  return deferred;
}
