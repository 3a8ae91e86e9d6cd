/**
 * The node's own Unix socket: status, what waits for an answer, what is allowed. A client sends one JSON line and gets JSON lines; one that says nothing, or
 * only ends its half, gets the status. Nothing here comes from the daemon, and the daemon cannot reach it.
 *
 * Who may open it is decided by its directory (0700) and its mode (0600): whoever can is the user the node runs as, and may answer in their name.
 */
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { PalyraError, isReason } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { parseBoundedJson } from '../base/json.js';
import type { JsonValue } from '../base/model.js';
import type { HostStatus } from './status.js';

/** A client that neither reads nor writes is cut off; one that watches says a word now and then, see `WATCH_BEAT_MS`. */
const IDLE_TIMEOUT_MS = 2_000;
const MAX_CONNECTIONS = 16;
const READ_TIMEOUT_MS = 5_000;
/** A client that has said nothing for this long wants the status. */
const SILENCE_MS = 200;
/** Patterns are short; a request is one line. */
const MAX_REQUEST_BYTES = 64 * 1024;
/** 256 capabilities with their patterns are well below this. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;
/** While a client watches it hears something at least this often. */
export const WATCH_BEAT_MS = 1_000;

/** Answers one request through `send`; the connection ends when it resolves. `gone` aborts when the client is. */
export type ControlHandler = (request: JsonValue, send: (answer: unknown) => void, gone: AbortSignal) => Promise<void>;

const noRequests: ControlHandler = () =>
  Promise.reject(new PalyraError('REQUEST_INVALID', { detail: 'this node answers its status alone' }));

/**
 * Starts to answer; the returned function stops it and removes the socket. The caller holds the lock of the node's state directory, so a socket file that
 * is there already is of a dead process and is replaced. Throws STATE_NOT_OWNED, or STORAGE_FAILED when the socket cannot be made.
 */
export async function serveHostStatus(
  path: string,
  status: () => HostStatus,
  handle: ControlHandler = noRequests,
): Promise<() => Promise<void>> {
  await ensurePrivateDirectory(dirname(path));
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, status, handle);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await listening(server, path);
    await chmod(path, 0o600);
  } catch (error) {
    server.close();
    throw new PalyraError('STORAGE_FAILED', { detail: `the socket ${path} cannot be made`, cause: error });
  }
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
}

function serve(socket: Socket, status: () => HostStatus, handle: ControlHandler): void {
  const gone = new AbortController();
  const silence = setTimeout(() => begin(null), SILENCE_MS);
  let text = '';
  let begun = false;
  const send = (answer: unknown) => {
    if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
  };
  const begin = (line: string | null) => {
    if (begun) return;
    begun = true;
    clearTimeout(silence);
    const answered =
      line === null
        ? Promise.resolve(send(status()))
        : Promise.resolve().then(() => handle(parseBoundedJson(line), send, gone.signal));
    void answered
      .catch((error: unknown) => send({ error: toDocument(PalyraError.from(error)) }))
      .finally(() => socket.end());
  };
  socket.setEncoding('utf8');
  socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(silence);
    gone.abort(new Error('The client is gone'));
  });
  socket.on('data', (part: string) => {
    if (begun) return;
    text += part;
    const end = text.indexOf('\n');
    if (end !== -1) begin(text.slice(0, end));
    else if (text.length > MAX_REQUEST_BYTES) socket.destroy();
  });
  socket.on('end', () => begin(text.trim() === '' ? null : text));
}

/** The status of the node that runs there, or null when none does. Throws DAEMON_UNREACHABLE when it does not answer in time or not in our words. */
export async function readHostStatus(path: string): Promise<HostStatus | null> {
  return (await askHost(path, null)) as HostStatus | null;
}

/** The last line of the answer, or null when no node runs there. Throws what the node refuses it with, and DAEMON_UNREACHABLE. */
export async function askHost(path: string, request: JsonValue): Promise<unknown> {
  let last: unknown = null;
  const found = await exchange(path, request, (line) => void (last = line));
  return found ? last : null;
}

/** Calls `onLine` for each line of an answer that goes on, until the node ends it or `signal` aborts. False when no node runs there. */
export function watchHost(
  path: string,
  request: JsonValue,
  onLine: (line: unknown) => void,
  signal: AbortSignal,
): Promise<boolean> {
  return exchange(path, request, onLine, signal);
}

function exchange(
  path: string,
  request: JsonValue,
  onLine: (line: unknown) => void,
  signal?: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let text = '';
    let bytes = 0;
    const socket = connect({ path, allowHalfOpen: true });
    const finish = (settle: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    const refuse = (detail: string, cause?: unknown) => {
      const hint = 'Look at the process that runs the node, and start it again if it hangs';
      const error = new PalyraError('DAEMON_UNREACHABLE', { detail, hint, ...(cause === undefined ? {} : { cause }) });
      finish(() => reject(error));
    };
    const onAbort = () => finish(() => resolve(true));
    const take = (line: string) => {
      const value = parseBoundedJson(line, { maxKeys: 100_000 });
      const error = (value as { error?: unknown } | null)?.error;
      if (isErrorDocument(error)) finish(() => reject(new PalyraError(error.reason, fieldsOf(error))));
      else onLine(value);
    };
    const stranger = (cause?: unknown) => refuse(`what answers at ${path} is not a palyra node`, cause);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.setEncoding('utf8');
    socket.setTimeout(READ_TIMEOUT_MS, () => refuse(`the node does not answer at ${path}`));
    socket.once('connect', () => socket.end(request === null ? '' : `${JSON.stringify(request)}\n`));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') finish(() => resolve(false));
      else refuse(`the node cannot be asked at ${path}`, error);
    });
    socket.on('data', (part: string) => {
      text += part;
      bytes = signal === undefined ? bytes + part.length : text.length;
      if (bytes > MAX_DOCUMENT_BYTES) return stranger();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      try {
        for (const line of lines) take(line);
      } catch (error) {
        stranger(error);
      }
    });
    socket.on('end', () => {
      try {
        if (text.trim() !== '') take(text);
        finish(() => resolve(true));
      } catch (error) {
        stranger(error);
      }
    });
  });
}

interface ErrorDocument {
  readonly reason: PalyraError['reason'];
  readonly detail: string | null;
  readonly hint: string;
}

function toDocument({ reason, detail, hint }: PalyraError): ErrorDocument {
  return { reason, detail, hint };
}

function isErrorDocument(error: unknown): error is ErrorDocument {
  return typeof error === 'object' && error !== null && isReason(String((error as { reason?: unknown }).reason));
}

function fieldsOf({ detail, hint }: ErrorDocument) {
  return { ...(typeof detail === 'string' ? { detail } : {}), ...(typeof hint === 'string' ? { hint } : {}) };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
