/**
 * npm run soak:quic -- [minutes] [--connections N] [--json]: connections that stay and get one event each per second, for a while. Prints memory, CPU,
 * timers and sockets of the server and of the clients over time, and whether they stay flat: exits with 1 when they do not, or when an event is lost.
 * Server and clients are separate processes; the first quarter of the time warms up.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { QuicTls } from '../../src/lib/quic/options.js';
import { createPki } from '../support/quic.js';
import { connectOurs, serveBench, serveOurs, type BenchStream } from './quic-ours.js';

interface Sample {
  readonly rssMb: number;
  readonly heapMb: number;
  /** Since the sample before, of one core. */
  readonly cpuPercent: number;
  readonly timers: number;
  readonly sockets: number;
  readonly received: number;
}
interface Start {
  readonly role: 'server' | 'clients';
  readonly tls: QuicTls;
  readonly port: number;
  readonly connections: number;
}

const EVENT_BYTES = 200;
const exposed = globalThis as { gc?: () => void };

if (process.send === undefined) await parent();
else process.on('message', child());

async function parent(): Promise<void> {
  const option = (name: string, otherwise: number) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? otherwise : Number(process.argv[at + 1]);
  };
  const minutes = Number(process.argv.slice(2).find((word) => /^\d*\.?\d+$/.test(word)) ?? 10);
  const connections = option('--connections', 256);
  const json = process.argv.includes('--json');
  const pki = createPki();
  const [server, clients] = [start(), start()];
  const { port } = await ask<{ port: number }>(server, { role: 'server', tls: pki.server, port: 0, connections });
  await ask(clients, { role: 'clients', tls: pki.device(), port, connections });

  const seconds = Math.max(4, Math.round(minutes * 60));
  const every = Math.max(1, Math.round(seconds / 20));
  const samples: { second: number; server: Sample; clients: Sample }[] = [];
  const say = (line: string) => void (json || process.stdout.write(`${line}\n`));
  say(`${connections} connections, one event of ${EVENT_BYTES} bytes to each per second, ${seconds} s`);
  say('second   server: rss MB, heap MB, cpu %, timers   clients: rss MB, cpu %, timers, sockets   events received');
  let sent = 0;
  for (let second = 1; second <= seconds; second++) {
    await sleep(1000);
    await ask(clients, 'event');
    sent++;
    if (second % every !== 0) continue;
    const sample = {
      second,
      server: await ask<Sample>(server, 'sample'),
      clients: await ask<Sample>(clients, 'sample'),
    };
    samples.push(sample);
    const [s, c] = [sample.server, sample.clients];
    say(
      `${String(second).padStart(6)}   ${[s.rssMb, s.heapMb, s.cpuPercent, s.timers].join('  ')}   ` +
        `${[c.rssMb, c.cpuPercent, c.timers, c.sockets].join('  ')}   ${c.received}`,
    );
  }
  await sleep(500);
  const last = await ask<Sample>(clients, 'sample');
  server.kill();
  clients.kill();

  const settled = samples.slice(Math.floor(samples.length / 4));
  const [first, end] = [settled[0]!.server, settled.at(-1)!.server];
  const grownMb = round(end.rssMb - first.rssMb);
  // Pages that the collector has not given back yet come and go by this much.
  const flat = grownMb <= 8 && Math.abs(end.timers - first.timers) <= 4;
  const lost = sent * connections - last.received;
  const cpuPercent = round(settled.reduce((sum, { server: one }) => sum + one.cpuPercent, 0) / settled.length);
  if (json)
    process.stdout.write(`${JSON.stringify({ connections, seconds, grownMb, flat, lost, cpuPercent, samples })}\n`);
  say(
    `server after warming up: ${grownMb} MB more, ${cpuPercent}% of a core; ${lost} events lost; ${flat ? 'flat' : 'NOT FLAT'}`,
  );
  process.exitCode = flat && lost === 0 ? 0 : 1;
}

function start(): ChildProcess {
  return fork(fileURLToPath(import.meta.url), { execArgv: ['--import', 'tsx', '--expose-gc'] });
}

async function ask<T>(child: ChildProcess, message: Start | string): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const answered = Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`a process of the soak ended with ${code}`);
      }),
    ]);
    child.send(message);
    const [answer] = (await answered) as [T];
    return answer;
  } finally {
    over.abort();
  }
}

/** What a child does with its messages; it answers each. */
function child(): (message: Start | 'event' | 'sample') => void {
  let trigger: BenchStream | null = null;
  let received = 0;
  let cpu = process.cpuUsage();
  let at = performance.now();
  const tell = (answer: unknown) => void process.send!(answer);
  const listen = async (stream: BenchStream) => {
    let bytes = 0;
    for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read()) {
      bytes += chunk.length;
      received += Math.floor(bytes / EVENT_BYTES);
      bytes %= EVENT_BYTES;
    }
  };
  const begin = async ({ role, tls, port, connections }: Start) => {
    if (role === 'server') return { port: (await serveOurs(tls, serveBench())).port };
    for (let index = 0; index < connections; index++) {
      const connection = await connectOurs(tls, port);
      const stream = await connection.open();
      await stream.write(Buffer.from('s'));
      await stream.read();
      listen(stream).catch(() => undefined);
      if (index === 0) trigger = await connection.open();
    }
    return { port };
  };
  const sample = (): Sample => {
    exposed.gc?.();
    const used = process.cpuUsage(cpu);
    const elapsed = performance.now() - at;
    cpu = process.cpuUsage();
    at = performance.now();
    const { rss, heapUsed } = process.memoryUsage();
    const count = (kind: RegExp) => process.getActiveResourcesInfo().filter((name) => kind.test(name)).length;
    return {
      rssMb: round(rss / 2 ** 20),
      heapMb: round(heapUsed / 2 ** 20),
      cpuPercent: round((used.user + used.system) / 10 / elapsed),
      timers: count(/Timeout/),
      sockets: count(/^UDPWrap$/i),
      received,
    };
  };
  return (message) => {
    if (message === 'sample') tell(sample());
    else if (message === 'event') void trigger!.write(Buffer.from('f')).then(() => tell('sent'));
    else void begin(message).then(tell);
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
