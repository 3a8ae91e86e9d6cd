// Runs test files in lanes: mocha processes that work at the same time, because most tests wait for other processes and for the network. What measures time
// or needs the machine for itself comes last, in a lane of its own. A lane is one mocha process from its first file to its last, so what a test leaves open
// (a handle, a timer, a listener) still keeps the lane from ending; that is told, and it fails.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './prepare.mjs';

// These measure time, or load the machine so much that others would.
const ALONE = [
  'test/contract/login-attack.test.ts',
  'test/contract/quic-bench.test.ts',
  'test/fault/http2-floods.test.ts',
  'test/fault/quic-attack.test.ts',
  'test/fault/slow-peers.test.ts',
  'test/fault/watchdog.test.ts',
];
// The lanes that run at the same time: a file belongs to the first that matches. Alike in length, so that none is waited for alone.
const TOGETHER = [
  { name: 'in one process', match: /^test\/(unit|contract|property|architecture)\// },
  { name: 'command line', match: /^test\/e2e\/[a-l]/ },
  { name: 'command line and faults', match: /^test\// },
];
// After its last test a lane ends within this, or something is still open in it.
const END_WITHIN_MS = 45_000;
// After Ctrl-C: the tests that run finish and clean up within this, or are ended.
const CLEAN_UP_WITHIN_MS = 15_000;

/**
 * Runs the files and prints each suite as it finishes, then one line for each lane and every failure with its difference. Gives the exit code.
 * @param {readonly string[]} files paths below the package, with forward slashes
 * @param {{ options?: readonly string[], times?: boolean }} how options of mocha for every lane; times also lists how long each file took
 */
export async function runLanes(files, { options = [], times = false } = {}) {
  const left = new Set(files.filter((file) => !ALONE.includes(file)));
  const together = TOGETHER.map(({ name, match }) => {
    const chosen = [...left].filter((file) => match.test(file));
    for (const file of chosen) left.delete(file);
    return new Lane(name, chosen, options);
  }).filter((lane) => lane.files.length > 0);
  const alone = files.filter((file) => ALONE.includes(file));
  const last = alone.length === 0 ? [] : [new Lane('alone', alone, options)];

  let interrupted = null;
  const running = new Set();
  const run = (lanes) =>
    Promise.all(
      lanes.map(async (lane) => {
        running.add(lane);
        await lane.run();
        running.delete(lane);
        console.log(lane.summary());
      }),
    );
  const interrupt = (signal) => {
    if (interrupted === null) console.error('\nThe tests that run are being finished; once more ends them at once.');
    for (const lane of running) interrupted === null ? lane.interrupt() : lane.destroy();
    interrupted ??= signal;
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await run(together);
    if (interrupted === null) await run(last);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }

  const lanes = [...together, ...last];
  if (times) console.log(`\n${timesOf(lanes)}`);
  const failed = lanes.filter((lane) => !lane.succeeded);
  for (const lane of failed) console.log(`\n== ${lane.name}${lane.failures === '' ? '' : `\n${lane.failures}`}`);
  console.log(`\n${lanes.map((lane) => lane.summary()).join('\n')}`);
  if (interrupted !== null) return interrupted === 'SIGINT' ? 130 : 143;
  return failed.length === 0 ? 0 : 1;
}

class Lane {
  #child = null;
  #done = null;
  #began = 0;
  #tookMs = 0;
  #at = 'its first file';
  #problem = '';
  #open = [];

  constructor(name, files, options) {
    this.name = name;
    this.files = files;
    this.options = options;
  }

  /** Resolves when the process is gone, whatever came of it. */
  run() {
    const mocha = join(root, 'node_modules', 'mocha', 'lib', 'cli', 'cli.js');
    const reporter = join(root, 'scripts', 'lane-reporter.cjs');
    const color = process.stdout.isTTY ? ['--color'] : [];
    const words = ['--import=tsx', mocha, '--reporter', reporter, ...color, ...this.options, ...this.files];
    this.#began = performance.now();
    // A group of its own: Ctrl-C reaches it once, through us, and what a test started can be ended with it.
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    this.#child = spawn(process.execPath, words, { cwd: root, stdio, detached: process.platform !== 'win32' });
    return new Promise((resolve) => {
      let timer;
      this.#child.on('message', ({ began, block, done, open }) => {
        if (began !== undefined) this.#at = began;
        if (block !== undefined) process.stdout.write(block);
        if (open !== undefined) this.#open = open;
        if (done === undefined) return;
        this.#done = done;
        timer = setTimeout(() => {
          this.#problem = `it did not end within ${END_WITHIN_MS / 1000} s of its last test; open: ${this.#open.join(', ')}`;
          this.destroy();
        }, END_WITHIN_MS);
      });
      const ended = (how) => {
        clearTimeout(timer);
        this.#tookMs = performance.now() - this.#began;
        if (this.#problem === '' && (this.#done === null || (how !== 0 && this.#done.stats.failures === 0))) {
          this.#problem = `ended with ${how} in ${this.#at}`;
        }
        resolve();
      };
      this.#child.once('error', (error) => ended(error.message));
      this.#child.once('exit', (code, signal) => ended(code ?? signal));
    });
  }

  get succeeded() {
    return this.#problem === '' && this.#done !== null && this.#done.stats.failures === 0;
  }

  get failures() {
    return this.#done?.failures ?? '';
  }

  get times() {
    return Object.entries(this.#done?.files ?? {});
  }

  /** One line. */
  summary() {
    const { passes = 0, pending = 0, failures = 0 } = this.#done?.stats ?? {};
    const counts = [`${passes} passing`, pending > 0 && `${pending} pending`, failures > 0 && `${failures} failing`];
    const words = [...counts, this.#problem].filter((word) => word);
    return `${this.succeeded ? '✔' : '✗'} ${this.name}: ${words.join(', ')} (${seconds(this.#tookMs)})`;
  }

  /** The test that runs finishes, and everything is cleaned up; then it ends. */
  interrupt() {
    this.#child.kill('SIGINT');
    setTimeout(() => this.destroy(), CLEAN_UP_WITHIN_MS).unref();
  }

  /** Ends it and what it started. */
  destroy() {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    if (process.platform === 'win32') this.#child.kill('SIGKILL');
    else process.kill(-pid, 'SIGKILL');
  }
}

function timesOf(lanes) {
  const lines = lanes.flatMap((lane) => lane.times.map(([file, tookMs]) => ({ lane: lane.name, file, tookMs })));
  lines.sort((one, other) => other.tookMs - one.tookMs);
  return lines.map(({ lane, file, tookMs }) => `${seconds(tookMs).padStart(8)}  ${file}  (${lane})`).join('\n');
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
