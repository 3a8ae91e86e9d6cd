/**
 * The floor of a dispatch's way over the link: a message to another process and back, over one gRPC stream with TLS, nothing else done to it.
 * Run as a program it is the other process.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { credentials, makeClientConstructor, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { createPki } from '../support/quic.js';

const same = (bytes: Buffer) => bytes;
const service = {
  ping: {
    path: '/floor/ping',
    requestStream: true,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
} satisfies ServiceDefinition;

interface Duplex {
  write(bytes: Buffer): void;
  on(event: 'data', listener: (bytes: Buffer) => void): void;
  on(event: 'error', listener: () => void): void;
  end(): void;
}

/** Milliseconds of each. */
export async function bidiPingPongs(count = 2_000): Promise<number[]> {
  const pki = createPki();
  const child = fork(fileURLToPath(import.meta.url), [], { serialization: 'json' });
  try {
    const { keyPem: key, certificatePem: cert } = pki.server;
    child.send({ key, cert });
    const [port] = (await once(child, 'message')) as [number];
    const client = new (makeClientConstructor(service, 'floor'))(
      `127.0.0.1:${port}`,
      credentials.createSsl(Buffer.from(pki.caPem), null, null, { checkServerIdentity: () => undefined }),
      { 'grpc.ssl_target_name_override': 'localhost' },
    );
    const stream = (client as unknown as { ping(): Duplex }).ping();
    let arrived: () => void = () => undefined;
    stream.on('data', () => arrived());
    stream.on('error', () => undefined);
    const times: number[] = [];
    for (let run = -200; run < count; run++) {
      const at = performance.now();
      const answer = new Promise<void>((resolve) => (arrived = resolve));
      stream.write(Buffer.alloc(200));
      await answer;
      if (run >= 0) times.push(performance.now() - at);
    }
    stream.end();
    client.close();
    return times;
  } finally {
    child.kill();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', ({ key, cert }: { key: string; cert: string }) => {
    const server = new Server();
    const keys = [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }];
    server.addService(service, {
      ping: (stream: Duplex) => stream.on('data', (bytes) => stream.write(bytes)),
    });
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, keys, false), (_error, port) => {
      process.send?.(port);
    });
  });
}
