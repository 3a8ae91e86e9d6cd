/**
 * The output of this process. A process has one stdout and one stderr, so this is the one place that holds process-wide state:
 * under `--json` it takes both streams over, before commands and plugins are loaded, and keeps their own `write` for the document.
 */
import { Output, wantsJson, type Stream } from './output.js';

let output: Output | null = null;

/** The output of the process, made on first use. */
export function processOutput(argv: readonly string[] = process.argv.slice(2)): Output {
  if (output === null) {
    const streams = { stdout: direct(process.stdout), stderr: direct(process.stderr) };
    output = new Output(streams, argv);
    if (wantsJson(argv)) {
      hold(process.stdout);
      hold(process.stderr);
    }
  }
  return output;
}

function direct(stream: NodeJS.WriteStream): Stream {
  const write = stream.write.bind(stream);
  return { write: (text) => write(text), isTTY: stream.isTTY };
}

/** From now on whatever is written by others goes nowhere; callbacks are still called. */
function hold(stream: NodeJS.WriteStream): void {
  stream.write = (_chunk: unknown, encoding?: unknown, callback?: unknown) => {
    const done = typeof encoding === 'function' ? encoding : callback;
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
}
