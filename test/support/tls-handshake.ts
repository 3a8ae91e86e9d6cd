/**
 * One real mutual TLS handshake on loopback: what the server was told by the client, and what the client read from the server.
 * "Accepted" means application bytes arrived: in TLS 1.3 a client is connected before the server has looked at its certificate.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';

export interface Side {
  readonly keyPem: string;
  readonly certificatePem: string;
}

export interface HandshakeOutcome {
  /** Bytes the server's application got from an authenticated client. */
  readonly serverRead: string;
  /** Bytes the client's application got from an authenticated server. */
  readonly clientRead: string;
  /** Error code on the client's side, or null. */
  readonly clientError: string | null;
  readonly serverError: string | null;
}

export async function handshake(options: {
  readonly server: Side;
  readonly serverTrusts: string | string[];
  readonly client: Side | null;
  readonly clientTrusts: string | string[];
  readonly servername?: string;
}): Promise<HandshakeOutcome> {
  let serverRead = '';
  let serverError: string | null = null;
  const sockets = new Set<TLSSocket>();
  const server = createServer(
    {
      key: options.server.keyPem,
      cert: options.server.certificatePem,
      ca: options.serverTrusts,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
    },
    (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        serverRead += bytes.toString();
        socket.end('hello node');
      });
    },
  );
  server.on('tlsClientError', (error, socket) => {
    // Node cuts the connection itself when the chain is bad; why is left on the socket.
    const why = socket.authorizationError as unknown as string | null | undefined;
    serverError = why ?? (error as NodeJS.ErrnoException).code ?? error.message;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    let clientRead = '';
    const clientError = await new Promise<string | null>((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        servername: options.servername ?? 'localhost',
        ca: options.clientTrusts,
        ...(options.client === null ? {} : { key: options.client.keyPem, cert: options.client.certificatePem }),
      });
      socket.once('secureConnect', () => socket.write('hello daemon'));
      socket.on('data', (bytes) => (clientRead += bytes.toString()));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.once('close', () => resolve(null));
    });
    return { serverRead, clientRead, clientError, serverError };
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
}
