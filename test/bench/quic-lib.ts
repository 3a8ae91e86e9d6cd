/** The library's own QUIC classes behind the shape the bench uses: for comparison only. The optional package is loaded here and nowhere else in the tests. */
import { createHmac, randomFillSync, timingSafeEqual } from 'node:crypto';
import type { QuicTls } from '../../src/lib/quic/options.js';
import type { BenchConnection, BenchServer, BenchStream } from './quic-ours.js';

type WebStream = {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
};

const quic = await import('@matrixai/quic');
// It logs every step by default, which would be measured too.
const { default: Logger, LogLevel } = await import('@matrixai/logger');
const logger = new Logger('quic', LogLevel.SILENT, []);
const config = (tls: QuicTls) => ({
  key: tls.keyPem,
  cert: tls.certificatePem,
  ca: tls.caPem,
  verifyPeer: true,
  maxIdleTimeout: 30_000,
  keepAliveIntervalTime: 5_000,
  // Its default of 100 is reached by finished streams that linger.
  initialMaxStreamsBidi: 10_000,
  applicationProtos: ['palyra-quic-v1'],
});

const plain = (bytes: Buffer): ArrayBuffer => Uint8Array.from(bytes).buffer;

export async function serveLibrary(tls: QuicTls, onStream: (stream: BenchStream) => void): Promise<BenchServer> {
  const mac = (key: ArrayBuffer, data: ArrayBuffer) =>
    createHmac('sha256', Buffer.from(key)).update(Buffer.from(data)).digest();
  const server = new quic.QUICServer({
    crypto: {
      key: plain(Buffer.alloc(32, 1)),
      ops: {
        sign: async (key, data) => plain(mac(key, data)),
        verify: async (key, data, signature) => timingSafeEqual(mac(key, data), Buffer.from(signature)),
      },
    },
    config: config(tls),
    logger,
  });
  server.addEventListener(quic.events.EventQUICServerConnection.name, (event: Event) => {
    const connection = (event as unknown as { detail: EventTarget }).detail;
    connection.addEventListener(quic.events.EventQUICConnectionStream.name, (opened: Event) =>
      onStream(wrap((opened as unknown as { detail: WebStream }).detail)),
    );
  });
  await server.start({ host: '127.0.0.1', port: 0 });
  return { port: Number(server.port) };
}

export async function connectLibrary(tls: QuicTls, port: number): Promise<BenchConnection> {
  const client = await quic.QUICClient.createQUICClient({
    host: '127.0.0.1',
    port,
    serverName: 'localhost',
    crypto: { ops: { randomBytes: async (data) => void randomFillSync(new Uint8Array(data)) } },
    config: config(tls),
    logger,
  });
  return {
    open: async () => wrap(client.connection.newStream()),
    close: () => client.destroy({ force: true }).catch(() => undefined),
  };
}

function wrap(stream: WebStream): BenchStream {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const quietly = (promise: Promise<unknown>) => void promise.catch(() => undefined);
  quietly(reader.closed);
  quietly(writer.closed);
  return {
    write: (bytes) => writer.write(bytes),
    end: () => writer.close(),
    read: async () => {
      const { value, done } = await reader.read();
      return done ? null : value;
    },
  };
}
