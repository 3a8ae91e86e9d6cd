/**
 * npm run bench: what a durable dispatch costs, from a client process over the local socket through the daemon and a node and back, three processes:
 * one at a time, 64 in flight, and 64 in flight to a node over QUIC.
 * Prints one JSON document. It asserts nothing about absolute time: machines differ; compare the ratios to the floors measured in the same run. `cpuMs` is the
 * processor time of each process for one dispatch: it says what got cheaper also on a machine that others use.
 *   npm run bench -- 5000                 that many sequential dispatches instead of 1,000
 *   npm run bench -- --transport quic     the parallel part over gRPC and over that transport, alternating in one run, with the ratio
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeSync, fdatasyncSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { Sandbox } from '../support/palyra.js';
import { bidiPingPongs } from './ping-pong.js';
import { compareTransports } from './transports.js';

const flagAt = process.argv.indexOf('--transport');
if (flagAt !== -1) {
  await compareTransports(process.argv[flagAt + 1] ?? 'quic');
  process.exit();
}

const SEQUENTIAL = Number(process.argv[2] ?? 1000);
const PARALLEL = 64;
const PARALLEL_TOTAL = 5 * SEQUENTIAL;

const sandbox = new Sandbox();
try {
  const floors = { fdatasyncMs: percentiles(fdatasyncs()), bidiPingPongMs: percentiles(await bidiPingPongs()) };
  const started = performance.now();
  const status = await sandbox.startDaemon();
  const daemonReadyMs = performance.now() - started;
  const { link } = await sandbox.invite(['--name', 'bench']);
  const joined = performance.now();
  const node = await sandbox.startNode('bench', [link]);
  const joinMs = performance.now() - joined;
  const socketPath = (status.listen as { url: string }[])
    .find(({ url }) => url.startsWith('unix:'))!
    .url.slice('unix:'.length);
  const client = new ControlPlaneClient({ socketPath });
  const echo = async (name = 'bench') => {
    const at = performance.now();
    const { state } = await client.createDispatch(
      name,
      { capability: 'echo', input: { text: 'x' } },
      { waitMs: 60_000 },
    );
    if (state !== 'succeeded') throw new Error(`echo ended ${state}`);
    return performance.now() - at;
  };

  for (let warm = 0; warm < 200; warm++) await echo();
  const pids = { daemon: status.pid as number, node: node.child.pid!, client: process.pid };
  const measured = async (dispatches: number, work: (done: number[]) => Promise<unknown>) => {
    const [times, before, at] = [[] as number[], cpuOf(pids), performance.now()];
    await work(times);
    const perSecond = Math.round((dispatches / (performance.now() - at)) * 1000);
    const after = cpuOf(pids);
    const cpuMs = before && after && perDispatch(before, after, dispatches);
    return { dispatches, perSecond, cpuMs, ...percentiles(times) };
  };
  const parallelTo = (name: string, total: number) =>
    measured(total, (times) => {
      let left = total;
      const one = async () => {
        while (left-- > 0) times.push(await echo(name));
      };
      return Promise.all(Array.from({ length: PARALLEL }, one));
    });
  const sequential = await measured(SEQUENTIAL, async (times) => {
    for (let run = 0; run < SEQUENTIAL; run++) times.push(await echo());
  });
  const parallel = await parallelTo('bench', PARALLEL_TOTAL);
  const residentMegabytes = { daemon: resident(pids.daemon), node: resident(pids.node) };
  const reads: number[] = [];
  for (let run = 0; run < 300; run++) {
    const before = performance.now();
    await client.daemonStatus();
    reads.push(performance.now() - before);
  }

  const { link: quicLink } = await sandbox.invite(['--name', 'quic']);
  const quicNode = await sandbox.startNode('quic', [quicLink, '--transport', 'quic']);
  pids.node = quicNode.child.pid!;
  await parallelTo('quic', SEQUENTIAL);
  const quic = { inFlight: PARALLEL, ...(await parallelTo('quic', PARALLEL_TOTAL)) };

  const result = {
    node: process.version,
    floors: { ...floors, statusRequestMs: percentiles(reads) },
    daemonReadyMs: Math.round(daemonReadyMs),
    joinMs: Math.round(joinMs),
    sequential,
    parallel: { inFlight: PARALLEL, ...parallel },
    parallelOverQuic: quic,
    ratios: {
      sequentialToPingPongAndFdatasync: ratio(sequential.p50, floors.bidiPingPongMs.p50 + floors.fdatasyncMs.p50),
      parallelToOneFdatasyncAtATime: ratio(parallel.perSecond, 1000 / floors.fdatasyncMs.p50),
      quicToGrpc: ratio(quic.perSecond, parallel.perSecond),
    },
    residentMegabytes,
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  await client.close();
  await Promise.all([node.end('SIGTERM'), quicNode.end('SIGTERM')]);
} finally {
  await sandbox.dispose();
}

function percentiles(values: readonly number[]): { p50: number; p90: number; p99: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1000) / 1000;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Appending 512 bytes and making them durable, one at a time, where the state lives. */
function fdatasyncs(): number[] {
  const directory = join(sandbox.directory, 'floor');
  mkdirSync(directory);
  const file = openSync(join(directory, 'floor'), 'w');
  const line = Buffer.alloc(512, 'x');
  const times: number[] = [];
  for (let run = 0; run < 300; run++) {
    const before = performance.now();
    writeSync(file, line);
    fdatasyncSync(file);
    times.push(performance.now() - before);
  }
  closeSync(file);
  return times;
}

function ratio(value: number, floor: number): number {
  return Math.round((value / floor) * 100) / 100;
}

type Cpu = Readonly<Record<'daemon' | 'node' | 'client', number>>;

/** Processor time of each so far, in milliseconds; null where the system does not tell it. Source: proc(5), in hundredths of a second. */
function cpuOf(pids: Cpu): Cpu | null {
  const of = (pid: number) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  try {
    return { daemon: of(pids.daemon), node: of(pids.node), client: of(pids.client) };
  } catch {
    return null;
  }
}

function perDispatch(before: Cpu, after: Cpu, dispatches: number): Cpu {
  const of = (name: keyof Cpu) => Math.round(((after[name] - before[name]) / dispatches) * 1000) / 1000;
  return { daemon: of('daemon'), node: of('node'), client: of('client') };
}

/** Resident memory in MB, where the system tells it. */
function resident(pid: number): number | null {
  try {
    return Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024);
  } catch {
    return null;
  }
}
