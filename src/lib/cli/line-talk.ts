/**
 * A conversation in lines: what is printed is only ever appended, and what is typed is edited by the terminal itself, so that no cursor is ever moved.
 * Screen readers and serial consoles follow it; nothing else of a terminal is needed.
 */
import { createInterface } from 'node:readline';

export interface LineTalk {
  print(text: string): void;
  /** Whole lines as they are typed, until the end of input, the end of the line or the signal. */
  lines(signal: AbortSignal): AsyncGenerator<string, void, undefined>;
}

export class ProcessLineTalk implements LineTalk {
  print(text: string): void {
    if (!process.stdout.destroyed) process.stdout.write(text);
  }

  async *lines(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    if (signal.aborted) return;
    // `terminal: false` leaves editing to the terminal's own line discipline: readline would redraw the line.
    const reader = createInterface({ input: process.stdin, terminal: false });
    const close = () => reader.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      yield* reader;
    } finally {
      signal.removeEventListener('abort', close);
      reader.close();
      process.stdin.pause();
    }
  }
}
