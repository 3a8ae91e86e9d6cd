/** Processes of a sandbox as the kernel shows them to any observer: command line and environment of everything whose home is below a directory. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';

export interface SeenProcess {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export const CAN_SEE_PROCESSES = process.platform === 'linux';

/** Every living process with a `PALYRA_HOME` below `directory`. A process that ends meanwhile is left out. */
export function processesBelow(directory: string): SeenProcess[] {
  if (!CAN_SEE_PROCESSES) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => look(Number(name)))
    .filter(({ environment }) => `${environment['PALYRA_HOME'] ?? ''}${sep}`.startsWith(directory + sep));
}

function look(pid: number): SeenProcess[] {
  try {
    const words = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);
    const argv = words('cmdline');
    // A process that has ended and waits for its parent has no memory left, so no words.
    if (argv.length === 0) return [];
    const pairs = words('environ').map((entry): [string, string] => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    });
    return [{ pid, argv, environment: Object.fromEntries(pairs) }];
  } catch {
    return [];
  }
}
