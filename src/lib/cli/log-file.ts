/**
 * A log file that rotates: `daemon.log`, `daemon.log.1`, `daemon.log.2`, 10 MB each by default, so that a log never fills a disk.
 * Writes are synchronous: the last line before a crash is the one that is needed, and a daemon writes few.
 */
import { closeSync, fchmodSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 10 * 1024 * 1024;
const GENERATIONS = 3;

export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;

  constructor(path: string, options: { readonly maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    ({ fd: this.#fd, bytes: this.#bytes } = open(path));
  }

  /** Never throws: a full disk must not stop the daemon, its state has its own rules. */
  write(line: string): void {
    try {
      if (this.#bytes + line.length > this.#maxBytes && this.#bytes > 0) this.#rotate();
      this.#bytes += writeSync(this.#fd, line);
    } catch {
      // Nowhere left to say it.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    closeSync(this.#fd);
    for (let generation = GENERATIONS - 1; generation > 0; generation--) {
      const from = generation === 1 ? this.#path : `${this.#path}.${generation - 1}`;
      try {
        renameSync(from, `${this.#path}.${generation}`);
      } catch {
        // That generation does not exist yet.
      }
    }
    ({ fd: this.#fd, bytes: this.#bytes } = open(this.#path));
  }
}

/** The files of a log, oldest first. */
export function logGenerations(path: string): string[] {
  return [...Array.from({ length: GENERATIONS - 1 }, (_, index) => `${path}.${GENERATIONS - 1 - index}`), path];
}

function open(path: string): { fd: number; bytes: number } {
  const fd = openSync(path, 'a', 0o600);
  fchmodSync(fd, 0o600);
  return { fd, bytes: fstatSync(fd).size };
}
