/** Messages over one byte stream, both ways. What a stream is, is said here by shape: this folder opens no connection. */
import type { JsonValue } from '../../base/model.js';
import { PalyraError } from '../../base/errors.js';
import { encodeMessage, MessageDecoder } from './parts.js';

/** What is used of a QUIC stream. */
export interface ByteStream {
  write(bytes: Uint8Array): boolean;
  end(bytes?: Uint8Array): boolean;
  drained(): Promise<void>;
  setReader(reader: { data(chunk: Buffer): void; end(): void; failed(error: PalyraError): void }): void;
  pause(): void;
  resume(): void;
  stopSending(code: number): void;
  reset(code: number): void;
}

export interface MessageReader {
  /** A throw ends the reading, as a message that cannot be read does. */
  message(value: JsonValue): void;
  /** The peer has said everything. */
  end(): void;
  /** The peer cannot be read any more: what it sent is wrong, or the stream is over. */
  failed(error: PalyraError): void;
}

export class MessageChannel {
  readonly #stream: ByteStream;
  readonly #decoder: MessageDecoder;
  #reader: MessageReader | null = null;
  #over = false;

  constructor(stream: ByteStream, options: { readonly maxMessageBytes?: number } = {}) {
    this.#stream = stream;
    this.#decoder = new MessageDecoder(options.maxMessageBytes);
  }

  /** Takes everything from now on; a later call changes who takes it, also in the middle of a message of the earlier. */
  read(reader: MessageReader): void {
    const first = this.#reader === null;
    this.#reader = reader;
    if (!first) return;
    this.#stream.setReader({
      data: (chunk) => this.#guard(() => this.#decoder.push(chunk, (value) => this.#take(value))),
      end: () =>
        this.#guard(() => {
          this.#decoder.end();
          this.#over = true;
          this.#reader?.end();
        }),
      failed: (error) => this.#fail(error),
    });
  }

  /** Nothing more is read until `resume`; what has come of the current bytes is still told. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** True when more may follow; false: after `drained`. Throws when nobody will read it. */
  write(encoded: Buffer): boolean {
    return this.#stream.write(encoded);
  }

  /** The last words, if the peer still listens. */
  end(value?: JsonValue): void {
    try {
      if (value === undefined) this.#stream.end();
      else this.#stream.end(encodeMessage(value));
    } catch {
      // It is over: nobody is there to be told.
    }
  }

  drained(): Promise<void> {
    return this.#stream.drained();
  }

  /** No more is read; the peer is told to stop. */
  deafen(code: number): void {
    this.#over = true;
    this.#stream.stopSending(code);
  }

  /** Both directions, at once. */
  abort(code: number): void {
    this.deafen(code);
    this.#stream.reset(code);
  }

  #take(value: JsonValue): void {
    if (!this.#over) this.#reader?.message(value);
  }

  #guard(read: () => void): void {
    if (this.#over) return;
    try {
      read();
    } catch (error) {
      this.#fail(PalyraError.from(error));
    }
  }

  #fail(error: PalyraError): void {
    if (this.#over) return;
    this.#over = true;
    this.#reader?.failed(error);
  }
}
