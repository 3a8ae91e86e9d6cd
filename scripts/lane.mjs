// One lane of `npm test` (see lanes.mjs): a process that runs one test file after the other, each as mocha would, and asks the parent for the next. What is
// shown of a file is sent in one piece, so that lanes that run at the same time are never mixed line by line.
//   to the parent    { next: true }                                       ready for a file
//                    { shown, failures, passes, pending, failing, tookMs, cpuMs }   a file that is over; failures: each with its difference
//                    { open }                                             what Node says is still open a while after the last file
//   from the parent  { file } or { over: true }
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { format } from 'node:util';
import Mocha from 'mocha';
import { root } from './prepare.mjs';

const { loadOptions } = createRequire(import.meta.url)(
  join(root, 'node_modules', 'mocha', 'lib', 'cli', 'options.cjs'),
);
const { Base, Spec } = Mocha.reporters;
// How much of a difference is shown; mocha cuts at 8 KiB, which is less than some documents have.
const MAX_DIFFERENCE = 65_536;
// A lane that goes on for so long after its last test has something open.
const TELL_WHAT_IS_OPEN_AFTER_MS = 10_000;

const options = loadOptions(process.argv.slice(2));
let written = '';
let runner = null;
let interrupted = false;

Base.maxDiffSize = MAX_DIFFERENCE;
Base.consoleLog = (...words) => (written += `${format(...words)}\n`);
// What a test says stays beside it.
process.stdout.write = (chunk, encoding, done) => {
  written += String(chunk);
  (typeof encoding === 'function' ? encoding : done)?.();
  return true;
};

const abandoned = () => process.exit(1);
process.once('disconnect', abandoned);
// The test that runs finishes, and what was set up is cleaned up.
process.once('SIGINT', () => {
  interrupted = true;
  runner?.abort();
});
process.on('message', ({ file }) => {
  if (file === undefined || interrupted) finish();
  else void run(file);
});
process.send({ next: true });

async function run(file) {
  const [began, cpuBegan] = [performance.now(), cpuMs()];
  const stats = { passes: 0, pending: 0, failures: 0 };
  let failures = '';
  // What it shows, then its list of failures: the listener of Spec comes first.
  class Reporter extends Spec {
    epilogue() {
      const shown = take();
      if (this.failures.length > 0) super.epilogue();
      failures = take();
      written = shown;
      Object.assign(stats, this.stats);
    }
  }
  try {
    const mocha = new Mocha({ ...options, reporter: Reporter });
    mocha.addFile(join(root, file));
    await mocha.loadFilesAsync();
    await new Promise((resolve) => (runner = mocha.run(resolve)));
    mocha.dispose();
  } catch (error) {
    stats.failures += 1;
    failures += `\n${file} cannot be run:\n${error.stack}\n`;
  }
  runner = null;
  const { passes, pending, failures: failing } = stats;
  const spent = { tookMs: performance.now() - began, cpuMs: cpuMs() - cpuBegan };
  process.send({ shown: take(), failures, passes, pending, failing, ...spent });
  if (interrupted) finish();
  else process.send({ next: true });
}

/** From here on nothing of ours keeps the process: it ends, or a test has left something open. */
function finish() {
  process.off('disconnect', abandoned);
  process.removeAllListeners('message');
  process.channel.unref();
  setTimeout(() => process.send({ open: process.getActiveResourcesInfo() }), TELL_WHAT_IS_OPEN_AFTER_MS).unref();
}

function take() {
  const text = written;
  written = '';
  return text;
}

/** Of this process and of those it waited for, as Linux counts it (clock ticks of 10 ms); daemons in the background are not among them. */
function cpuMs() {
  if (process.platform !== 'linux') return 0;
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}
