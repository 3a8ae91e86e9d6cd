/**
 * Server-sent events, both ways: text of a message, messages of a text, and positions. Source: WHATWG HTML, section 9.2, of which we write and read the
 * fields `id`, `event` and `data`; others and comments are skipped.
 */
import { PalyraError } from '../../base/errors.js';

export const EVENT_STREAM = 'text/event-stream';
/** The daemon says something at least this often, so that a reader can tell a dead connection from a quiet one. */
export const PING_EVERY_MS = 15_000;
/** Largest message a reader takes: a snapshot of every node a daemon can hold. In UTF-16 units. */
const MAX_MESSAGE_LENGTH = 32 * 1024 * 1024;

export interface Position {
  /** Which start of the daemon. */
  readonly boot: number;
  readonly seq: number;
}

export function formatPosition({ boot, seq }: Position): string {
  return `${boot}-${seq}`;
}

/** Throws REQUEST_INVALID. */
export function parsePosition(text: string): Position {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text);
  if (match === null) throw new PalyraError('REQUEST_INVALID', { detail: `"${text.slice(0, 40)}" is not a position` });
  return { boot: Number(match[1]), seq: Number(match[2]) };
}

export interface StreamMessage {
  /** `message` when none was said. */
  readonly event: string;
  readonly data: string;
}

/** `data` must be JSON, which has no line breaks of its own. */
export function formatMessage(event: string, data: object, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Messages of a stream of bytes, in order. What follows the last empty line is incomplete and dropped. Throws MESSAGE_TOO_LARGE. */
export async function* readMessages(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder();
  // Pieces of a line that is not complete: joined once, so that a long line costs no more than its length.
  const pieces: string[] = [];
  let size = 0;
  let event = '';
  let data: string[] = [];
  for await (const bytes of body) {
    const lines = decoder.decode(bytes, { stream: true }).split('\n');
    const last = lines.pop() ?? '';
    for (const end of lines) {
      const line = pieces.length === 0 ? end : pieces.join('') + end;
      pieces.length = 0;
      size += end.length;
      const text = line.endsWith('\r') ? line.slice(0, -1) : line;
      if (text === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n') };
        [event, data, size] = ['', [], 0];
      } else if (text.startsWith('event:')) event = fieldValue(text);
      else if (text.startsWith('data:')) data.push(fieldValue(text));
    }
    if (last !== '') pieces.push(last);
    size += last.length;
    if (size > MAX_MESSAGE_LENGTH) throw new PalyraError('MESSAGE_TOO_LARGE');
  }
}

function fieldValue(line: string): string {
  const value = line.slice(line.indexOf(':') + 1);
  return value.startsWith(' ') ? value.slice(1) : value;
}
