/** A log that keeps what is written to it, one JSON text a line; debug is left out, as a daemon does by itself. */
import type { Log } from '../../src/lib/base/log.js';

export function linesOf(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: object) => {
    lines.push(JSON.stringify({ level, message, ...fields }));
  };
  const log: Log = {
    debug: () => undefined,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    scope: () => log,
  };
  return { log, lines };
}
