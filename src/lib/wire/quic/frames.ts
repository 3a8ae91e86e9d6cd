/**
 * Frames on a QUIC stream: a big-endian u32 length, then that many bytes of UTF-8 JSON.
 *
 * Always true (test/property/quic-frames.property.ts): decoding does not depend on how the bytes were cut; a length above the limit is refused as soon as its
 * four bytes are here, before anything of it is kept; the decoder holds at most one frame; after an error it refuses everything.
 */
import { PalyraError } from '../../base/errors.js';
import { parseBoundedJson, type JsonLimits } from '../../base/json.js';
import type { JsonValue } from '../../base/model.js';

/** The same as the limit of a capability's input, with room for what is around it counted in. */
export const DEFAULT_MAX_FRAME_BYTES = 512 * 1024;
const HEADER_BYTES = 4;

/** Throws MESSAGE_TOO_LARGE when the JSON is longer than `maxFrameBytes`. */
export function encodeFrame(value: JsonValue, maxFrameBytes = DEFAULT_MAX_FRAME_BYTES): Buffer {
  return frameOf(JSON.stringify(value), maxFrameBytes);
}

/** A frame around text that is JSON already. */
export function frameOf(json: string, maxFrameBytes = DEFAULT_MAX_FRAME_BYTES): Buffer {
  const length = Buffer.byteLength(json);
  if (length > maxFrameBytes) throw tooLarge(length, maxFrameBytes);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.write(json, HEADER_BYTES);
  return frame;
}

export interface FrameDecoderOptions {
  readonly maxFrameBytes?: number;
  readonly json?: JsonLimits;
}

/** One direction of one stream. */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #json: JsonLimits;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** The frame being collected; grows with what arrives, so that a length alone makes nobody allocate. */
  #parts: Buffer[] = [];
  #have = 0;
  #want = -1;
  #failure: PalyraError | null = null;

  constructor(options: FrameDecoderOptions = {}) {
    this.#maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES;
    this.#json = options.json ?? {};
  }

  /** Bytes of an unfinished frame that are kept. */
  get heldBytes(): number {
    return this.#have + this.#headerBytes;
  }

  /**
   * Calls `take` for each frame that `chunk` completes, in order. The chunk may be reused afterwards. Throws MESSAGE_TOO_LARGE for a length above the limit,
   * MESSAGE_INVALID for an empty frame, bytes that are not UTF-8 and text that is not acceptable JSON; from then on every call throws the same.
   */
  push(chunk: Uint8Array, take: (value: JsonValue) => void): void {
    if (this.#failure !== null) throw this.#failure;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < bytes.length) {
      if (this.#want < 0) {
        const part = bytes.subarray(at, at + HEADER_BYTES - this.#headerBytes);
        part.copy(this.#header, this.#headerBytes);
        this.#headerBytes += part.length;
        at += part.length;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#headerBytes = 0;
        this.#want = this.#checkLength(this.#header.readUInt32BE(0));
        continue;
      }
      const part = bytes.subarray(at, at + this.#want - this.#have);
      at += part.length;
      if (this.#have + part.length < this.#want) {
        this.#parts.push(Buffer.from(part));
        this.#have += part.length;
        return;
      }
      // A frame that lies whole in the chunk is read where it is.
      const body = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part]);
      this.#parts = [];
      this.#have = 0;
      this.#want = -1;
      take(this.#parse(body));
    }
  }

  /** The stream has ended. Throws MESSAGE_INVALID when that was in the middle of a frame. */
  end(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#want >= 0 || this.#headerBytes > 0) throw this.#fail('the stream ended in the middle of a frame');
  }

  #checkLength(length: number): number {
    if (length > this.#maxFrameBytes) {
      this.#failure = tooLarge(length, this.#maxFrameBytes);
      throw this.#failure;
    }
    if (length === 0) throw this.#fail('a frame is empty');
    return length;
  }

  #parse(body: Buffer): JsonValue {
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    } catch {
      throw this.#fail('a frame is not UTF-8');
    }
    try {
      return parseBoundedJson(text, this.#json);
    } catch (error) {
      throw this.#fail(`a frame cannot be read: ${PalyraError.from(error).detail ?? 'it is not JSON'}`);
    }
  }

  #fail(detail: string): PalyraError {
    this.#failure = new PalyraError('MESSAGE_INVALID', { detail });
    this.#parts = [];
    this.#have = 0;
    return this.#failure;
  }
}

function tooLarge(length: number, limit: number): PalyraError {
  return new PalyraError('MESSAGE_TOO_LARGE', {
    detail: `a frame of ${length} bytes`,
    hint: `The limit is ${limit} bytes`,
  });
}
