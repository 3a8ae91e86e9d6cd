/**
 * npm run bench:tui: what the terminal UI costs under load (500 nodes, 200 events a second, a minute) and how soon it shows its first frame, both on a
 * pseudo-terminal made by script(1). Prints one JSON document; asserts nothing about absolute time.
 *   npm run bench:tui -- 10      that many seconds instead of 60
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BIN, Sandbox } from '../support/palyra.js';

const SECONDS = Number(process.argv[2] ?? 60);
const [NODES, RATE] = [500, 200];
const STARTS = 7;
const LOAD = fileURLToPath(new URL('tui-load.ts', import.meta.url));

/** Runs a command on a pseudo-terminal of 120x40; `seen` is called with everything written so far, and may answer with keys. */
function onTerminal(command: string, env: NodeJS.ProcessEnv, seen: (bytes: string) => string | null = () => null) {
  return new Promise<{ bytes: string; ms: number }>((resolve, reject) => {
    const begun = performance.now();
    const child = spawn('script', ['-qec', `stty rows 40 cols 120; ${command}`, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let bytes = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      bytes += chunk;
      const keys = seen(bytes);
      if (keys !== null) child.stdin.write(keys);
    });
    child.once('error', reject);
    child.once('close', () => resolve({ bytes, ms: performance.now() - begun }));
  });
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const round = (value: number, digits = 1) => Number(value.toFixed(digits));

const sandbox = new Sandbox();
try {
  await sandbox.startDaemon();
  const env = { PALYRA_HOME: sandbox.home('daemon'), NODE_ENV: 'production' };
  const floor: number[] = [];
  const first: number[] = [];
  const live: number[] = [];
  for (let turn = 0; turn < STARTS; turn++) {
    floor.push((await onTerminal(`${process.execPath} -e 0`, env)).ms);
    const begun = performance.now();
    let drawn = 0;
    let connected = 0;
    await onTerminal(`${process.execPath} ${BIN} tui`, env, (bytes) => {
      if (drawn === 0 && bytes.includes('palyra')) drawn = performance.now() - begun;
      if (connected === 0 && bytes.includes('● live')) {
        connected = performance.now() - begun;
        return 'q';
      }
      return null;
    });
    first.push(drawn);
    live.push(connected);
  }

  const file = join(sandbox.directory, 'figures.json');
  const flags = '--expose-gc --liftoff-only --import tsx';
  const { bytes } = await onTerminal(`${process.execPath} ${flags} ${LOAD} ${SECONDS} ${NODES} ${RATE} ${file}`, env);
  const { frames, events, samples } = JSON.parse(readFileSync(file, 'utf8')) as {
    frames: number;
    events: number;
    samples: { second: number; cpuMs: number; rssMb: number; heapMb: number }[];
  };
  const [begin, end] = [samples[0]!, samples.at(-1)!];
  process.stdout.write(
    `${JSON.stringify(
      {
        start: {
          nodeMs: round(median(floor)),
          firstFrameMs: round(median(first)),
          liveMs: round(median(live)),
          firstFrameRatio: round(median(first.map((ms, index) => ms / floor[index]!)), 2),
        },
        load: {
          ...{ nodes: NODES, eventsPerSecond: round(events / SECONDS), seconds: SECONDS },
          cpuPercent: round((100 * (end.cpuMs - begin.cpuMs)) / 1000 / Math.max(1, end.second - begin.second)),
          framesPerSecond: round(frames / SECONDS, 2),
          kilobytesPerSecond: round(Buffer.byteLength(bytes) / SECONDS / 1000),
          heapMb: samples.map(({ heapMb }) => round(heapMb)),
          rssMb: samples.map(({ rssMb }) => round(rssMb)),
          clearsScrollBack: bytes.includes('\u001b[3J'),
        },
      },
      null,
      2,
    )}\n`,
  );
} finally {
  await sandbox.dispose();
}
