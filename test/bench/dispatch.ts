/**
 * npm run bench: what a durable dispatch costs, from a client process over the local socket through the daemon and a node and back, three processes.
 * Prints one JSON document. It asserts nothing about absolute time: machines differ; compare the ratios to the floors measured in the same run.
 *   npm run bench -- 5000                 that many sequential dispatches instead of 1,000
 *   npm run bench -- --transport quic     the parallel part over gRPC and over that transport, alternating in one run, with the ratio
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, openSync, writeSync, fdatasyncSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { Sandbox } from '../support/palyra.js';
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
  const echo = async () => {
    const at = performance.now();
    const { state } = await client.createDispatch(
      'bench',
      { capability: 'echo', input: { text: 'x' } },
      { waitMs: 60_000 },
    );
    if (state !== 'succeeded') throw new Error(`echo ended ${state}`);
    return performance.now() - at;
  };

  for (let warm = 0; warm < 200; warm++) await echo();
  const sequential: number[] = [];
  for (let run = 0; run < SEQUENTIAL; run++) sequential.push(await echo());

  let left = PARALLEL_TOTAL;
  const parallel: number[] = [];
  const at = performance.now();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (left-- > 0) parallel.push(await echo());
    }),
  );
  const parallelMs = performance.now() - at;
  const reads: number[] = [];
  for (let run = 0; run < 300; run++) {
    const before = performance.now();
    await client.daemonStatus();
    reads.push(performance.now() - before);
  }

  const result = {
    node: process.version,
    floors: { fdatasyncMs: percentiles(fdatasyncs()), statusRequestMs: percentiles(reads) },
    daemonReadyMs: Math.round(daemonReadyMs),
    joinMs: Math.round(joinMs),
    sequential: { dispatches: SEQUENTIAL, ...percentiles(sequential) },
    parallel: {
      inFlight: PARALLEL,
      dispatches: PARALLEL_TOTAL,
      perSecond: Math.round((PARALLEL_TOTAL / parallelMs) * 1000),
      ...percentiles(parallel),
    },
    residentMegabytes: { daemon: resident(status.pid as number), node: resident(node.child.pid!) },
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  await client.close();
  await node.end('SIGTERM');
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

/** Resident memory in MB, where the system tells it. */
function resident(pid: number): number | null {
  try {
    return Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024);
  } catch {
    return null;
  }
}
