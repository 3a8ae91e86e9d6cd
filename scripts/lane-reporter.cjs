// The reporter of one lane of `npm test` (see lanes.mjs): what mocha prints by itself, but sent to the parent in whole blocks, so that lanes that run at
// the same time are never mixed line by line.
//   { began }                                     the file whose suite begins
//   { block }                                     one finished suite of a file, as it is shown
//   { done: { stats, failures, files } }          the end: counts, the list of failures with their differences, and how long each file took
//   { open }                                      what Node says is still open a while after the end
const { relative } = require('node:path');
const { format } = require('node:util');
const { reporters, Runner } = require('mocha');

const { EVENT_RUN_BEGIN, EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END } = Runner.constants;
// How much of a difference is shown; mocha cuts at 8 KiB, which is less than some documents have.
const MAX_DIFFERENCE = 65_536;
// A lane that goes on for so long after its last test has something open.
const TELL_WHAT_IS_OPEN_AFTER_MS = 10_000;

class LaneReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    let written = '';
    let began = 0;
    const files = {};
    const take = () => {
      const text = written;
      written = '';
      return text;
    };
    reporters.Base.consoleLog = (...words) => (written += `${format(...words)}\n`);
    // What a test says stays beside it.
    process.stdout.write = (chunk, encoding, done) => {
      written += String(chunk);
      (typeof encoding === 'function' ? encoding : done)?.();
      return true;
    };
    reporters.Base.maxDiffSize = MAX_DIFFERENCE;
    const ofFile = (suite) => suite.parent?.root === true;

    runner.on(EVENT_RUN_BEGIN, () => (began = performance.now()));
    runner.on(EVENT_SUITE_BEGIN, (suite) => {
      if (ofFile(suite)) process.send({ began: named(suite) });
    });
    runner.on(EVENT_SUITE_END, (suite) => {
      if (!ofFile(suite)) return;
      const now = performance.now();
      files[named(suite)] = (files[named(suite)] ?? 0) + now - began;
      began = now;
      process.send({ block: take() });
    });
    // The listener of Spec came first: what is written now is its list of failures.
    runner.once(EVENT_RUN_END, () => {
      const failures = this.failures.length === 0 ? '' : take();
      process.send({ done: { stats: this.stats, failures, files } });
      // Does not keep the process; when it fires, something else does.
      setTimeout(() => process.send({ open: process.getActiveResourcesInfo() }), TELL_WHAT_IS_OPEN_AFTER_MS).unref();
    });

    // The test that runs finishes, and what was set up is cleaned up.
    process.once('SIGINT', () => runner.abort());
    // Nobody reads any more: end, and leave no test running. Listening alone must not keep the process alive, or nobody would see what tests leave open.
    process.once('disconnect', () => process.exit(1));
    process.channel.unref();
  }
}

function named(suite) {
  return relative(process.cwd(), suite.file ?? '').replaceAll('\\', '/');
}

module.exports = LaneReporter;
