/** One process of `npm run bench:quic`: a server or a client of one implementation. Talks to its parent over IPC; prints nothing. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls';
import type { QuicTls } from '../../src/lib/quic/options.js';
import type { BenchConnection, BenchServer, BenchStream } from './quic-ours.js';
import { connectOurs, serveBench, serveOurs } from './quic-ours.js';

export interface BenchJob {
  /** `fleet` measures memory and fan-out with many connections, on a server that has done nothing else. */
  readonly role: 'server' | 'client' | 'fleet';
  readonly implementation: 'ours' | 'library' | 'floor';
  readonly tls: QuicTls;
  readonly ports: readonly number[];
  readonly scale: number;
  /** A row that takes longer stalls, and is left out. */
  readonly rowMs: number;
  readonly connections: number;
}

const MESSAGE = Buffer.alloc(200, 'e');
const now = () => performance.now();
const tell = (message: unknown) => process.send!(message);
const exposed = globalThis as { gc?: () => void };

process.on('message', (message: BenchJob | 'memory' | 'go' | 'end') => {
  if (message === 'go') return; // the wait in `reply` takes it
  if (message === 'end') process.exit(0);
  if (message === 'memory') {
    exposed.gc?.();
    exposed.gc?.();
    tell({ rss: process.memoryUsage().rss });
    return;
  }
  run(message).catch((error: unknown) => {
    tell({ error: (error as Error).stack ?? String(error) });
  });
});

async function run(job: BenchJob): Promise<void> {
  if (job.role === 'server') {
    if (job.implementation === 'floor') return void tell({ ports: await serveFloors(job.tls) });
    const serve = job.implementation === 'ours' ? serveOurs : (await import('./quic-lib.js')).serveLibrary;
    const server: BenchServer = await serve(job.tls, serveBench());
    tell({ ports: [server.port] });
  } else if (job.implementation === 'floor') tell({ rows: await floors(job) });
  else if (job.role === 'fleet') await measureFleet(await kitOf(job));
  else await measure(await kitOf(job));
}

async function kitOf(job: BenchJob) {
  const dial = job.implementation === 'ours' ? connectOurs : (await import('./quic-lib.js')).connectLibrary;
  const slow = job.implementation === 'library' ? 10 : 1;
  const rows: Record<string, number> = {};
  return {
    job,
    slow,
    rows,
    connect: () => dial(job.tls, job.ports[0]!),
    times: (count: number) => Math.max(10, Math.round((count * job.scale) / slow)),
    /** A row that does not come to its end is left out: the library stalls for good on some of them. */
    row: async (name: string, work: () => Promise<number>) => {
      const limit = sleep(job.rowMs, null, { ref: false });
      const value = await Promise.race([work().catch(() => null), limit]);
      if (value !== null) rows[name] = value;
    },
  };
}
type Kit = Awaited<ReturnType<typeof kitOf>>;

async function measure({ job, slow, rows, connect, times, row }: Kit): Promise<void> {
  const handshakes: number[] = [];
  for (let run = 0; run < Math.max(10, 60 * job.scale); run++) {
    const at = now();
    const connection = await connect();
    handshakes.push(now() - at);
    await connection.close();
  }
  rows['handshakeMsP50'] = percentile(handshakes, 0.5);

  const connection = await connect();
  const ask = async () => {
    const at = now();
    const stream = await connection.open();
    await stream.write(MESSAGE);
    void stream.end();
    while ((await stream.read()) !== null) {
      // Until the answer is whole.
    }
    return now() - at;
  };
  await repeat(times(300), ask);
  const asked = await repeat(times(2000), ask);
  rows['newStreamMsP50'] = percentile(asked, 0.5);
  rows['newStreamMsP99'] = percentile(asked, 0.99);

  const stream = await connection.open();
  const ping = async () => {
    const at = now();
    await stream.write(MESSAGE);
    for (let got = 0; got < MESSAGE.length;) got += (await stream.read())!.length;
    return now() - at;
  };
  await repeat(times(100), ping);
  const pinged = await repeat(times(2000), ping);
  rows['pingPongMsP50'] = percentile(pinged, 0.5);
  rows['pingPongMsP99'] = percentile(pinged, 0.99);

  let left = times(8000);
  const total = left;
  await row('requestsPerSecond64', async () => {
    const at = now();
    const askers = Array.from({ length: 64 }, async () => {
      while (left-- > 0) await ask();
    });
    await Promise.all(askers);
    return (total / (now() - at)) * 1000;
  });

  // A connection of its own: the one before may be stuck.
  const second = await connect();
  const size = times(64) * 1024 * 1024 * (slow === 1 ? 1 : 0.2);
  await row('bulkMegabytesPerSecond', async () => {
    const bulk = await second.open();
    const chunk = Buffer.alloc(64 * 1024, 'b');
    const began = now();
    for (let sent = 0; sent < size; sent += chunk.length) await bulk.write(chunk);
    void bulk.end();
    await bulk.read();
    return size / 1e6 / ((now() - began) / 1000);
  });

  tell({ rows });
}

/** Events sent at once in the second fan-out row. */
const BURST = 20;

async function measureFleet({ job, slow, rows, connect, times, row }: Kit): Promise<void> {
  // What is loaded, compiled and grown once is not what a connection costs. These stay open: what they freed would be used again.
  for (let index = 0; index < job.connections / 4; index++) await exchange(await connect());
  tell({ phase: 'before' });
  await reply();
  const many: BenchConnection[] = [];
  for (let index = 0; index < job.connections; index++) many.push(await connect());
  // Handshakes leave things behind that go with the next acknowledgements.
  await sleep(500);
  tell({ phase: 'after' });
  await reply();

  const streams: BenchStream[] = [];
  for (const one of many) streams.push(await exchange(one, 's'));
  const trigger = await many[0]!.open();
  const fanOut = async (events: number, rounds: number) => {
    const began = now();
    for (let round = 0; round < rounds; round++) {
      const all = streams.map(async (one) => {
        for (let got = 0; got < 200 * events;) got += (await one.read())!.length;
      });
      await trigger.write(Buffer.alloc(events, 'f'));
      await Promise.all(all);
    }
    return ((rounds * events * job.connections) / (now() - began)) * 1000;
  };
  await row('fanOutDeliveriesPerSecond', () => fanOut(1, times(60)));
  await row('fanOutOf20DeliveriesPerSecond', () => fanOut(BURST, slow === 1 ? times(40) : 2));
  tell({ rows });
}

/** Opens a stream, says one byte and waits for one. */
async function exchange(connection: BenchConnection, kind = 'e'): Promise<BenchStream> {
  const stream = await connection.open();
  await stream.write(Buffer.from(kind));
  await stream.read();
  return stream;
}

function reply(): Promise<unknown> {
  return once(process, 'message');
}

async function repeat(count: number, once_: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < count; run++) times.push(await once_());
  return times;
}

function percentile(values: number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

async function serveFloors(tls: QuicTls): Promise<number[]> {
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
  udp.bind(0, '127.0.0.1');
  const server = tlsServer(
    { key: tls.keyPem, cert: tls.certificatePem, ca: tls.caPem, requestCert: true },
    (socket) => {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    },
  );
  server.listen(0, '127.0.0.1');
  await Promise.all([once(udp, 'listening'), once(server, 'listening')]);
  return [udp.address().port, (server.address() as AddressInfo).port];
}

async function floors(job: BenchJob): Promise<Record<string, number>> {
  const count = Math.max(50, 5000 * job.scale);
  const udp = createSocket('udp4');
  udp.connect(job.ports[0]!, '127.0.0.1');
  await once(udp, 'connect');
  let arrived: () => void = () => undefined;
  udp.on('message', () => arrived());
  const overUdp = await repeat(count, async () => {
    const at = now();
    await new Promise<void>((resolve) => {
      arrived = resolve;
      udp.send(MESSAGE);
    });
    return now() - at;
  });
  udp.close();
  const { keyPem: key, certificatePem: cert, caPem: ca } = job.tls;
  const socket = tlsConnect({ host: '127.0.0.1', port: job.ports[1]!, servername: 'localhost', key, cert, ca });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  let got = 0;
  socket.on('data', (bytes: Buffer) => {
    got += bytes.length;
    if (got % MESSAGE.length === 0) arrived();
  });
  const overTls = await repeat(count, async () => {
    const at = now();
    await new Promise<void>((resolve) => {
      arrived = resolve;
      socket.write(MESSAGE);
    });
    return now() - at;
  });
  socket.destroy();
  return { udpPingPongMsP50: percentile(overUdp, 0.5), tlsPingPongMsP50: percentile(overTls, 0.5) };
}
