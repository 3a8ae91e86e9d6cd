/**
 * What others write to the terminal while a program fills it: Node's warnings, a plugin that logs, a library that debugs. It is kept, so that it cannot spoil
 * the screen, and written once the screen is gone. Bounded: of very much the beginning is kept. What a child process or native code writes does not come here.
 */
const MAX_KEPT = 64 * 1024;
const MAX_WARNINGS = 50;

interface Kept {
  readonly stream: NodeJS.WriteStream;
  readonly chunk: string | Uint8Array;
}

export interface ForeignOutput {
  /** To the terminal itself. */
  readonly write: (text: string) => void;
  /** Gives the streams back and writes what was kept. May be called again. */
  readonly release: () => void;
}

export function holdForeignOutput(): ForeignOutput {
  const { stdout, stderr } = process;
  const toScreen = stdout.write.bind(stdout);
  const streams = [stdout, stderr].map((stream) => ({ stream, write: stream.write.bind(stream) }));
  const kept: Kept[] = [];
  let bytes = 0;
  let lost = 0;
  for (const { stream } of streams) {
    stream.write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
      if (bytes + chunk.length > MAX_KEPT) lost += chunk.length;
      else {
        bytes += chunk.length;
        kept.push({ stream, chunk });
      }
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
  }
  // Node prints warnings past the streams, from a listener of its own.
  const printers = process.rawListeners('warning') as ((warning: Error) => void)[];
  const warnings: Error[] = [];
  const keep = (warning: Error) => {
    if (warnings.length < MAX_WARNINGS) warnings.push(warning);
  };
  for (const printer of printers) process.off('warning', printer);
  process.on('warning', keep);
  let isHeld = true;
  return {
    write: (text) => void toScreen(text),
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      for (const { stream, write } of streams) stream.write = write;
      process.off('warning', keep);
      for (const printer of printers) process.on('warning', printer);
      for (const { stream, chunk } of kept) if (!stream.destroyed) stream.write(chunk);
      if (lost > 0 && !stderr.destroyed) stderr.write(`(${lost} more bytes were written meanwhile and are not kept)\n`);
      for (const warning of warnings) for (const printer of printers) printer.call(process, warning);
    },
  };
}
