/**
 * The output of this process. A process has one stdout and one stderr, so this is the one place that holds process-wide state:
 * under `--json` it takes both streams over, before commands and plugins are loaded, and keeps their own `write` for the document.
 */
import { Output, wantsJson, type Stream } from './output.js';

let output: Output | null = null;
/** The streams' own ways to write, whoever holds them since. */
let own: readonly NodeJS.WriteStream['write'][] = [];

/** The output of the process, made on first use. */
export function processOutput(argv: readonly string[] = process.argv.slice(2)): Output {
  if (output === null) {
    own = [process.stdout, process.stderr].map((stream) => stream.write.bind(stream));
    const streams = { stdout: direct(process.stdout), stderr: direct(process.stderr) };
    output = new Output(streams, argv);
    if (wantsJson(argv)) {
      hold(process.stdout);
      hold(process.stderr);
    }
  }
  return output;
}

/** Resolves when the system has taken everything that was written: a large document for a slow reader waits in this process. */
export async function flushOutput(): Promise<void> {
  const streams = [process.stdout, process.stderr];
  await Promise.all(
    streams.map(
      (stream, index) =>
        new Promise<void>((resolve) => {
          if (stream.destroyed || stream.writableLength === 0) resolve();
          // An empty write ends after all that came before it.
          else (own[index] ?? stream.write.bind(stream))('', () => resolve());
        }),
    ),
  );
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
