/** Certificates, servers and clients for QUIC tests: real certificates of our own authority, real UDP unless a wire is given. */
import { createPublicKey } from 'node:crypto';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { Authority, createAuthority } from '../../src/lib/identity/authority.js';
import { createDeviceKey, exportKey, spkiOf } from '../../src/lib/identity/device-key.js';
import type { QuicConnection } from '../../src/lib/quic/connection.js';
import { connectQuic, type QuicClientOptions } from '../../src/lib/quic/endpoint-client.js';
import { listenQuic, type QuicServer, type QuicServerOptions } from '../../src/lib/quic/endpoint-server.js';
import type { QuicDeps, QuicTls } from '../../src/lib/quic/options.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';

export const deps: QuicDeps = { clock: systemClock, random: systemRandom, log: silentLog };

export interface Pki {
  readonly authority: Authority;
  readonly caPem: string;
  readonly server: QuicTls;
  device(options?: { id?: string; now?: number; lifetimeMs?: number }): QuicTls;
}

/** A device id of the right form that ends in `n`. */
export const deviceId = (n: number) => `${'nod_'.padEnd(21, '0')}${String(n).padStart(5, '0')}`;

export function createPki(hosts: readonly string[] = ['localhost', '127.0.0.1', '::1']): Pki {
  const base = { now: Date.now(), random: systemRandom };
  const authority = new Authority(createAuthority({ ...base, name: 'quic test' }));
  const caPem = authority.certificatePem;
  return {
    authority,
    caPem,
    server: { ...authority.issueServer({ ...base, hosts }), caPem },
    device: ({ id = deviceId(1), now = base.now, lifetimeMs } = {}) => {
      const key = createDeviceKey();
      const { certificatePem } = authority.issueNode({
        deviceId: id,
        spki: spkiOf(createPublicKey(key)),
        now,
        random: systemRandom,
        ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
      });
      return { keyPem: exportKey(key), certificatePem, caPem };
    },
  };
}

/** What a test opened; `dispose` closes it in any state. */
export class QuicBench {
  readonly pki: Pki;
  readonly #servers: QuicServer[] = [];
  readonly #clients: QuicConnection[] = [];

  constructor(pki: Pki = createPki()) {
    this.pki = pki;
  }

  async server(options: Partial<QuicServerOptions> = {}, with_: QuicDeps = deps): Promise<QuicServer> {
    const server = await listenQuic(with_, {
      host: '127.0.0.1',
      port: 0,
      tls: this.pki.server,
      authorize: () => ({ id: 'device', known: true }),
      onConnection: (connection) => connection.onStream(echo),
      ...options,
    });
    this.#servers.push(server);
    return server;
  }

  async client(
    server: QuicServer,
    options: Partial<QuicClientOptions> = {},
    with_: QuicDeps = deps,
  ): Promise<QuicConnection> {
    const connection = await connectQuic(with_, {
      host: server.address.host,
      port: server.address.port,
      tls: this.pki.device(),
      ...options,
    });
    this.#clients.push(connection);
    return connection;
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

/** Sends everything back, no faster than it is taken. */
export function echo(stream: QuicStream): void {
  stream.setReader({
    data: (chunk) => {
      if (stream.write(Buffer.from(chunk))) return;
      stream.pause();
      stream.drained().then(
        () => stream.resume(),
        () => undefined,
      );
    },
    end: () => void stream.end(),
    failed: () => stream.abort(1),
  });
}

/** Everything until the end, by pulling. */
export async function readAll(stream: QuicStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function request(connection: QuicConnection, bytes: Uint8Array): Promise<Buffer> {
  const stream = await connection.openStream();
  stream.end(bytes);
  return readAll(stream);
}
