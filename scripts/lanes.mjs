// Runs test files in lanes: processes that work at the same time, because many tests wait for other processes and for the network. Each takes the next file
// when it has finished one. What measures time or needs the machine for itself comes last, in a lane of its own. What a test leaves open (a handle, a
// timer, a listener) keeps its lane from ending; that is told, and it fails.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { root } from './prepare.mjs';

// Three lanes keep two processors busy; a fourth has the files that mostly wait.
const LANES = 4;
// These measure time, or load the machine so much that others would.
const ALONE = [
  'test/contract/login-attack.test.ts',
  'test/fault/http2-floods.test.ts',
  'test/fault/quic-attack.test.ts',
  'test/fault/watchdog.test.ts',
];
// The longest come first and the shortest last, so that all lanes end at about the same time.
const FIRST = [
  'test/e2e/quic.test.ts',
  'test/e2e/plugins.test.ts',
  'test/e2e/service-user-manager.test.ts',
  'test/e2e/bad-state.test.ts',
  'test/e2e/transports.test.ts',
];
const LAST = ['contract', 'property', 'architecture', 'unit'];
// The longest file needs two to three minutes on a busy machine. A lane that stands still for longer hangs where mocha's own limits do not reach: in native code.
const FILE_WITHIN_MS = 360_000;
// After its last test a lane ends within this, or something is still open in it.
const END_WITHIN_MS = 45_000;
// After Ctrl-C: the tests that run finish and clean up within this, or are ended.
const CLEAN_UP_WITHIN_MS = 30_000;
const ONE_CTRL_C_MS = 1_000;

/**
 * Runs the files and shows each as it finishes, then every failure with its difference and one line for each lane. Gives the exit code.
 * @param {readonly string[]} files paths below the package, with forward slashes
 * @param {{ options?: readonly string[], times?: boolean }} how options of mocha; times also lists how long each file took
 */
export async function runLanes(files, { options = [], times = false } = {}) {
  const alone = files.filter((file) => ALONE.includes(file));
  const together = files.filter((file) => !ALONE.includes(file)).sort((one, other) => rank(one) - rank(other));
  const count = Math.min(LANES, together.length);
  const lanes = Array.from(
    { length: count },
    (_, index) => new Lane(`lane ${index + 1}`, together, { options, place: index }),
  );
  const last = alone.length === 0 ? [] : [new Lane('alone', alone, { options, place: LANES })];

  let interrupted = null;
  let interruptedAt = 0;
  const interrupt = (signal) => {
    // npm passes on what the terminal sent to us too: that is one Ctrl-C.
    if (interrupted !== null && performance.now() - interruptedAt < ONE_CTRL_C_MS) return;
    if (interrupted === null) console.error('\nThe tests that run are being finished; once more ends them at once.');
    for (const lane of [...lanes, ...last]) interrupted === null ? lane.interrupt() : lane.destroy();
    if (interrupted === null) interruptedAt = performance.now();
    interrupted ??= signal;
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await Promise.all(lanes.map((lane) => lane.run()));
    if (interrupted === null) await Promise.all(last.map((lane) => lane.run()));
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }

  const all = [...lanes, ...last];
  if (times) console.log(`\n${timesOf(all)}`);
  for (const { file, failures } of all.flatMap(({ finished }) => finished)) {
    if (failures !== '') console.log(`\n== ${file}\n${failures.trimEnd()}`);
  }
  console.log(`\n${all.map((lane) => lane.summary()).join('\n')}`);
  const sum = (name) => all.reduce((total, lane) => total + lane.count(name), 0);
  console.log(`\n${sum('passes')} passing, ${sum('pending')} pending, ${sum('failing')} failing`);
  if (interrupted !== null) return interrupted === 'SIGINT' ? 130 : 143;
  return all.every(({ succeeded }) => succeeded) ? 0 : 1;
}

/** The test files of a folder below test/, sorted. */
export function testsOf(kind) {
  return readdirSync(join(root, 'test', kind), { recursive: true })
    .map((name) => `test/${kind}/${name.split(sep).join('/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
}

function rank(file) {
  const first = FIRST.indexOf(file);
  return first >= 0 ? first : FIRST.length + LAST.indexOf(file.split('/')[1]);
}

class Lane {
  /** The files that are over. */
  finished = [];
  #queue;
  #options;
  #place;
  #child = null;
  #file = null;
  #began = 0;
  #tookMs = 0;
  #problem = '';
  #open = [];
  #fileTimer;

  /** The queue is shared with the other lanes. */
  constructor(name, queue, { options, place }) {
    this.name = name;
    this.#queue = queue;
    this.#options = options;
    this.#place = place;
  }

  /** Resolves when the process is gone, whatever came of it. */
  run() {
    const color = process.stdout.isTTY ? ['--color'] : [];
    const words = ['--import=tsx', join(root, 'scripts', 'lane.mjs'), ...color, ...this.#options];
    this.#began = performance.now();
    // A group of its own: Ctrl-C reaches it once, through us, and what a test started can be ended with it.
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    // Of how many: each has ports of its own (test/support/free-ports.ts).
    const env = { ...process.env, PALYRA_TEST_LANE: `${this.#place}/${LANES + 1}` };
    this.#child = spawn(process.execPath, words, { cwd: root, env, stdio, detached: process.platform !== 'win32' });
    let timer;
    this.#child.on('message', (message) => {
      if (message.open !== undefined) this.#open = message.open;
      if (message.shown !== undefined) this.#finish(message);
      if (message.next !== undefined && !this.#next()) timer = setTimeout(() => this.#giveUp(), END_WITHIN_MS);
    });
    return new Promise((resolve) => {
      const ended = (how) => {
        clearTimeout(timer);
        clearTimeout(this.#fileTimer);
        this.#tookMs = performance.now() - this.#began;
        if (this.#problem === '' && (how !== 0 || this.#file !== null)) {
          this.#problem = `ended with ${how}${this.#file === null ? '' : ` in ${this.#file}`}`;
        }
        resolve();
      };
      this.#child.once('error', (error) => ended(error.message));
      this.#child.once('exit', (code, signal) => ended(code ?? signal));
    });
  }

  get succeeded() {
    return this.#problem === '' && this.count('failing') === 0;
  }

  count(name) {
    return this.finished.reduce((total, file) => total + file[name], 0);
  }

  /** One line. */
  summary() {
    const [pending, failing] = [this.count('pending'), this.count('failing')];
    const counts = [
      `${this.count('passes')} passing`,
      pending > 0 && `${pending} pending`,
      failing > 0 && `${failing} failing`,
    ];
    const words = [...counts, this.#problem].filter((word) => word);
    const files = `${this.finished.length} ${this.finished.length === 1 ? 'file' : 'files'}`;
    return `${this.succeeded ? '✔' : '✗'} ${this.name}: ${words.join(', ')} (${files} in ${seconds(this.#tookMs)})`;
  }

  /** The test that runs finishes, and everything is cleaned up; then it ends. */
  interrupt() {
    this.#child?.kill('SIGINT');
    setTimeout(() => this.destroy(), CLEAN_UP_WITHIN_MS).unref();
  }

  /** Ends it and what it started. */
  destroy() {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    if (process.platform === 'win32') this.#child.kill('SIGKILL');
    else process.kill(-pid, 'SIGKILL');
  }

  /** Gives it the next file; false when there is none. */
  #next() {
    this.#file = this.#queue.shift() ?? null;
    this.#child.send(this.#file === null ? { over: true } : { file: this.#file });
    if (this.#file !== null) this.#fileTimer = setTimeout(() => this.#tooLate(), FILE_WITHIN_MS);
    return this.#file !== null;
  }

  #finish({ shown, ...result }) {
    clearTimeout(this.#fileTimer);
    if (shown.trim() !== '') process.stdout.write(`  ${shown.trim()}\n\n`);
    this.finished.push({ file: this.#file, ...result });
    this.#file = null;
  }

  #tooLate() {
    this.#problem = `${this.#file} was not over after ${FILE_WITHIN_MS / 1000} s`;
    this.destroy();
  }

  #giveUp() {
    const limit = `it did not end within ${END_WITHIN_MS / 1000} s of its last test`;
    this.#problem = `${limit}; open: ${this.#open.join(', ')}; one of ${this.finished.map(({ file }) => file).join(' ')}`;
    this.destroy();
  }
}

function timesOf(lanes) {
  const files = lanes.flatMap(({ name, finished }) => finished.map((file) => ({ ...file, name })));
  files.sort((one, other) => other.tookMs - one.tookMs);
  const lines = files.map(
    ({ name, file, tookMs, cpuMs }) =>
      `${seconds(tookMs).padStart(8)}${seconds(cpuMs).padStart(8)} of CPU  ${file}  (${name})`,
  );
  const cpuMs = files.reduce((sum, file) => sum + file.cpuMs, 0);
  return [...lines, `${seconds(cpuMs)} of CPU in all`].join('\n');
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
