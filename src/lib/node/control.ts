/**
 * A Unix socket that answers every connection with the node's status, one JSON document, and closes. It takes no commands and reads nothing it is sent.
 * Who may open it is decided by its directory (0700) and its mode (0600).
 */
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { parseBoundedJson } from '../base/json.js';
import type { HostStatus } from './status.js';

/** A reader that does not read is cut off. */
const WRITE_TIMEOUT_MS = 2_000;
const MAX_CONNECTIONS = 16;
const READ_TIMEOUT_MS = 2_000;
/** 256 capability names of 64 characters are well below this. */
const MAX_DOCUMENT_BYTES = 256 * 1024;

/**
 * Starts to answer; the returned function stops it and removes the socket. The caller holds the lock of the node's state directory, so a socket file that
 * is there already is of a dead process and is replaced. Throws STATE_NOT_OWNED, or STORAGE_FAILED when the socket cannot be made.
 */
export async function serveHostStatus(path: string, status: () => HostStatus): Promise<() => Promise<void>> {
  await ensurePrivateDirectory(dirname(path));
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(WRITE_TIMEOUT_MS, () => socket.destroy());
    socket.resume();
    socket.end(`${JSON.stringify(status())}\n`);
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

/** The status of the node that runs there, or null when none does. Throws DAEMON_UNREACHABLE when it does not answer in time or not in our words. */
export function readHostStatus(path: string): Promise<HostStatus | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = connect(path);
    const refuse = (detail: string, cause?: unknown) => {
      socket.destroy();
      const hint = 'Look at the process that runs the node, and start it again if it hangs';
      reject(new PalyraError('DAEMON_UNREACHABLE', { detail, hint, ...(cause === undefined ? {} : { cause }) }));
    };
    socket.setTimeout(READ_TIMEOUT_MS, () => refuse(`the node does not answer at ${path}`));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else refuse(`the node cannot be asked at ${path}`, error);
    });
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > MAX_DOCUMENT_BYTES) refuse(`what answers at ${path} is not a palyra node`);
      else chunks.push(chunk);
    });
    socket.on('end', () => {
      try {
        resolve(parseBoundedJson(Buffer.concat(chunks).toString('utf8')) as unknown as HostStatus);
      } catch (error) {
        refuse(`what answers at ${path} is not a palyra node`, error);
      }
    });
  });
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
