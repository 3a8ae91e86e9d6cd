/**
 * npm run bench:quic: our QUIC driver against the library's own classes, and both against the floors of the machine, in one run. Server and client are
 * separate processes. It asserts nothing about absolute time: machines differ; the ratios are what carries over.
 *   npm run bench:quic -- --quick     a tenth of the work
 *   npm run bench:quic -- --runs 3    all of it three times, and of each figure the best: for a machine that does other things too
 *   npm run bench:quic -- --json      one JSON document on stdout
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createPki } from '../support/quic.js';
import type { BenchJob } from './quic-worker.js';

type Answer = { ports?: number[]; rows?: Record<string, number>; phase?: string; rss?: number; error?: string };

const quick = process.argv.includes('--quick');
const scale = quick ? 0.05 : 1;
const connections = quick ? 24 : 256;
const runs = Number(process.argv[process.argv.indexOf('--runs') + 1] ?? 1) || 1;
const pki = createPki();
const device = pki.device();

/** Name, unit, whether less is better, goal as a ratio of ours to the library's (better = above 1). */
const ROWS: readonly [string, string, 'less' | 'more', number | null][] = [
  ['handshakeMsP50', 'ms', 'less', null],
  ['newStreamMsP50', 'ms', 'less', 15],
  ['newStreamMsP99', 'ms', 'less', null],
  ['pingPongMsP50', 'ms', 'less', null],
  ['pingPongMsP99', 'ms', 'less', null],
  ['requestsPerSecond64', '/s', 'more', null],
  ['bulkMegabytesPerSecond', 'MB/s', 'more', 25],
  ['kilobytesPerConnection', 'KB', 'less', 4],
  ['fanOutDeliveriesPerSecond', '/s', 'more', null],
  ['fanOutOf20DeliveriesPerSecond', '/s', 'more', 20],
];

const floor: Record<string, number> = {};
const ours: Record<string, number> = {};
const library: Record<string, number> = {};
for (let run = 0; run < runs; run++) {
  keepBest(floor, await measure('floor', 'client'), () => 'less');
  for (const [implementation, best] of [['ours', ours] as const, ['library', library] as const]) {
    for (const role of ['client', 'fleet'] as const) {
      keepBest(best, await measure(implementation, role), (name) => ROWS.find(([row]) => row === name)![2]);
    }
  }
}

const rows = ROWS.map(([name, unit, better, goal]) => {
  const [mine, theirs] = [ours[name] ?? NaN, library[name] ?? NaN]; // NaN: it stalled
  return {
    name,
    unit,
    ours: round(mine),
    library: round(theirs),
    ratio: round(better === 'less' ? theirs / mine : mine / theirs),
    goal,
  };
});
const result = {
  node: process.version,
  quick,
  connections,
  floors: Object.fromEntries(Object.entries(floor).map(([name, value]) => [name, round(value)])),
  newStreamToUdpPingPong: { ratio: round(ours['newStreamMsP50']! / floor['udpPingPongMsP50']!), goal: 3 },
  rows,
};
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
else print();

function keepBest(
  best: Record<string, number>,
  run: Record<string, number>,
  better: (name: string) => 'less' | 'more',
): void {
  for (const [name, value] of Object.entries(run)) {
    const known = best[name];
    if (known === undefined) best[name] = value;
    else best[name] = better(name) === 'less' ? Math.min(known, value) : Math.max(known, value);
  }
}

async function measure(
  implementation: BenchJob['implementation'],
  role: 'client' | 'fleet',
): Promise<Record<string, number>> {
  const rowMs = quick ? 3_000 : implementation === 'library' ? 15_000 : 60_000;
  const base = { implementation, scale, connections, rowMs };
  const server = start();
  const client = start();
  try {
    const { ports } = await ask(server, { ...base, role: 'server', tls: pki.server, ports: [] });
    let answer = await ask(client, { ...base, role, tls: device, ports: ports! });
    const memory: number[] = [];
    while (answer.phase !== undefined) {
      memory.push((await ask(server, 'memory')).rss!);
      answer = await ask(client, 'go');
    }
    const rows = answer.rows!;
    if (memory.length === 2) rows['kilobytesPerConnection'] = (memory[1]! - memory[0]!) / 1024 / connections;
    return rows;
  } finally {
    server.kill();
    client.kill();
  }
}

function start(): ChildProcess {
  const worker = fileURLToPath(new URL('quic-worker.ts', import.meta.url));
  return fork(worker, { execArgv: ['--import', 'tsx', '--expose-gc'] });
}

async function ask(child: ChildProcess, message: BenchJob | string): Promise<Answer> {
  const answered = Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => [{ error: `the process ended with ${code}` }]),
  ]);
  child.send(message);
  const [answer] = (await answered) as [Answer];
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function print(): void {
  const lines = [
    ['', 'ours', 'library', 'ratio', 'goal'],
    ...rows.map((row) => [
      row.name,
      `${row.ours} ${row.unit}`,
      Number.isNaN(row.library) ? 'stalls' : `${row.library} ${row.unit}`,
      Number.isNaN(row.ratio) ? '' : `${row.ratio} x`,
      row.goal === null ? '' : `>= ${row.goal} x`,
    ]),
  ];
  for (const line of lines)
    say(
      line
        .map((cell, index) => cell.padEnd(index === 0 ? 28 : 16))
        .join('')
        .trimEnd(),
    );
  say(
    `\nfloors: ${Object.entries(result.floors)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  );
  say(`a request on a new stream takes ${result.newStreamToUdpPingPong.ratio} x a UDP ping-pong (goal <= 3)`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
