/** Our QUIC driver behind the small shape that the bench measures, and the behaviour of the server, which is the same for both. */
import { connectQuic } from '../../src/lib/quic/endpoint-client.js';
import { listenQuic } from '../../src/lib/quic/endpoint-server.js';
import type { QuicTls } from '../../src/lib/quic/options.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import { deps } from '../support/quic.js';

export interface BenchStream {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  read(): Promise<Uint8Array | null>;
}
export interface BenchConnection {
  open(): Promise<BenchStream>;
  close(): Promise<unknown>;
}
export interface BenchServer {
  readonly port: number;
}

export async function serveOurs(tls: QuicTls, onStream: (stream: BenchStream) => void): Promise<BenchServer> {
  let device = 0;
  const server = await listenQuic(deps, {
    host: '127.0.0.1',
    port: 0,
    tls,
    authorize: () => ({ id: `device ${device++}`, known: true }),
    onConnection: (connection) => connection.onStream((stream) => onStream(wrap(stream))),
    limits: { maxConnections: 400 },
  });
  return { port: server.address.port };
}

export async function connectOurs(tls: QuicTls, port: number): Promise<BenchConnection> {
  const connection = await connectQuic(deps, { host: '127.0.0.1', port, serverName: 'localhost', tls });
  return {
    open: async () => wrap(await connection.openStream()),
    close: async () => connection.close(),
  };
}

function wrap(stream: QuicStream): BenchStream {
  return {
    write: (bytes) => (stream.write(bytes) ? Promise.resolve() : stream.drained()),
    end: async () => void stream.end(),
    read: () => stream.read(),
  };
}

/** `e`: echo until the end. `b`: count until the end, then one byte. `s`: stay and get events. `f`: one event for each byte to all who stay. */
export function serveBench(): (stream: BenchStream) => void {
  const subscribers: BenchStream[] = [];
  const event = Buffer.alloc(200, 'v');
  const serve = async (stream: BenchStream) => {
    const first = await stream.read();
    const kind = String.fromCharCode(first?.[0] ?? 0);
    if (kind === 's') {
      subscribers.push(stream);
      await stream.write(Buffer.from('s'));
    } else if (kind === 'f') {
      for (let chunk = first; chunk !== null; chunk = await stream.read()) {
        for (let events = chunk.length; events > 0; events--) {
          for (const one of subscribers) one.write(event).catch(() => undefined);
        }
      }
    } else if (kind === 'b') {
      while ((await stream.read()) !== null) {
        // Counted by its end.
      }
      await stream.write(Buffer.from('b'));
      await stream.end();
    } else {
      for (let chunk = first; chunk !== null; chunk = await stream.read()) await stream.write(chunk);
      await stream.end();
    }
  };
  return (stream) => void serve(stream).catch(() => undefined);
}
