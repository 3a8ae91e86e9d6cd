/**
 * Reads a request body: at most `MAX_BODY_BYTES`, JSON only, bounded depth. A body that is declared or turns out larger is not read to its end.
 */
import type { IncomingMessage } from 'node:http';
import { PalyraError } from '../../base/errors.js';
import { parseBoundedJson } from '../../base/json.js';
import type { JsonValue } from '../../base/model.js';
import { MAX_BODY_BYTES } from '../../wire/http/routes.js';

/** `{}` when there is no body. Throws MESSAGE_TOO_LARGE and REQUEST_INVALID. */
export async function readJsonBody(incoming: IncomingMessage): Promise<JsonValue> {
  const declared = Number(incoming.headers['content-length'] ?? 0);
  if (declared > MAX_BODY_BYTES) throw tooLarge();
  const bytes = await readAll(incoming);
  if (bytes.length === 0) return {};
  assertJsonType(incoming.headers['content-type']);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'the body is not UTF-8', cause });
  }
  return parseBoundedJson(text);
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // The stream stays open when the limit ends the loop: the refusal is still to be sent over its socket.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (incoming.errored === null) throw error;
    throw new PalyraError('CANCELLED', { detail: 'the client went away in the middle of the body', cause: error });
  }
  return Buffer.concat(chunks, size);
}

/** A form of another site can send text/plain and form bodies without asking, but not this type. Throws REQUEST_INVALID. */
export function assertJsonType(contentType: string | undefined): void {
  if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(contentType ?? '')) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'the content type must be application/json' });
  }
}

function tooLarge(): PalyraError {
  return new PalyraError('MESSAGE_TOO_LARGE', { detail: `the body is larger than ${MAX_BODY_BYTES} bytes` });
}
