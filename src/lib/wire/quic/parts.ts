/**
 * Messages that are longer than a frame may be: the JSON text goes in pieces, `{"part": "…", "more": true}`, and is read when the last one is here.
 *
 * Bounded: the pieces of one message together are at most `maxMessageBytes`, refused with MESSAGE_TOO_LARGE as soon as they are more. A message that fits
 * a frame is a frame; whoever speaks only in short messages never meets a piece.
 */
import { PalyraError } from '../../base/errors.js';
import { parseBoundedJson } from '../../base/json.js';
import type { JsonValue } from '../../base/model.js';
import { DEFAULT_MAX_FRAME_BYTES, FrameDecoder, frameOf } from './frames.js';

/** An output of 1 MiB in which every character had to be escaped, and what is around it. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024 + 64 * 1024;
/** Characters of one piece: escaped and in UTF-8 each takes six bytes at most. */
const PART_LENGTH = 80 * 1024;
/** A welcome that names all dispatches there can be, several times over. */
const JSON_LIMITS = { maxDepth: 32, maxKeys: 50_000 };

/** Throws MESSAGE_TOO_LARGE. */
export function encodeMessage(value: JsonValue, maxMessageBytes = MAX_MESSAGE_BYTES): Buffer {
  const json = JSON.stringify(value);
  const length = Buffer.byteLength(json);
  if (length <= DEFAULT_MAX_FRAME_BYTES) return frameOf(json);
  if (length > maxMessageBytes) throw tooLarge(length, maxMessageBytes);
  const frames: Buffer[] = [];
  for (let at = 0; at < json.length; at += PART_LENGTH) {
    const more = at + PART_LENGTH < json.length;
    frames.push(frameOf(JSON.stringify({ part: json.slice(at, at + PART_LENGTH), more })));
  }
  return Buffer.concat(frames);
}

/** One direction of one stream. */
export class MessageDecoder {
  readonly #frames = new FrameDecoder({ json: JSON_LIMITS });
  readonly #maxMessageBytes: number;
  #parts: string[] = [];
  #bytes = 0;

  constructor(maxMessageBytes = MAX_MESSAGE_BYTES) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Calls `take` for each message that `chunk` completes, in order. Throws what the frames throw; then the stream is over for its reader. */
  push(chunk: Uint8Array, take: (value: JsonValue) => void): void {
    this.#frames.push(chunk, (value) => {
      const part = partOf(value);
      if (part === null) {
        if (this.#parts.length > 0)
          throw new PalyraError('MESSAGE_INVALID', { detail: 'a message in parts was broken off' });
        take(value);
        return;
      }
      this.#bytes += Buffer.byteLength(part.part);
      if (this.#bytes > this.#maxMessageBytes) throw tooLarge(this.#bytes, this.#maxMessageBytes);
      this.#parts.push(part.part);
      if (part.more) return;
      const text = this.#parts.join('');
      this.#parts = [];
      this.#bytes = 0;
      take(parse(text));
    });
  }

  /** Throws MESSAGE_INVALID when the stream ended in the middle of a message. */
  end(): void {
    this.#frames.end();
    if (this.#parts.length > 0)
      throw new PalyraError('MESSAGE_INVALID', { detail: 'the stream ended in the middle of a message' });
  }
}

function partOf(value: JsonValue): { readonly part: string; readonly more: boolean } | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, 'part')) return null;
  const { part, more, ...rest } = value as Record<string, JsonValue>;
  // An empty piece would cost a place in the list and never reach the bound.
  if (typeof part !== 'string' || part === '' || typeof more !== 'boolean' || Object.keys(rest).length > 0)
    throw new PalyraError('MESSAGE_INVALID', { detail: 'a part of a message cannot be read' });
  return { part, more };
}

function parse(text: string): JsonValue {
  try {
    return parseBoundedJson(text, JSON_LIMITS);
  } catch (cause) {
    throw new PalyraError('MESSAGE_INVALID', { detail: 'a message in parts is not acceptable JSON', cause });
  }
}

function tooLarge(length: number, limit: number): PalyraError {
  return new PalyraError('MESSAGE_TOO_LARGE', {
    detail: `a message of ${length} bytes`,
    hint: `The limit is ${limit} bytes`,
  });
}
