/** Names that lead where a test says, for processes that are started through it: they see another `/etc/hosts`. Takes root on Linux. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const SCRIPT = 'mount --bind "$0" /etc/hosts && exec "$@"';

export class OtherNames {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Null where a process cannot be given one of its own. */
  static make(file: string): OtherNames | null {
    if (process.platform !== 'linux' || process.geteuid?.() !== 0) return null;
    const names = new OtherNames(file);
    names.lead('localhost', '127.0.0.1');
    const [program = '', ...words] = [...names.through, 'true'];
    return spawnSync(program, words, { stdio: 'ignore' }).status === 0 ? names : null;
  }

  /** Stands before a command line. */
  get through(): readonly string[] {
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, this.#file];
  }

  /** From now on, also for processes that run already. */
  lead(name: string, address: string): void {
    writeFileSync(this.#file, `127.0.0.1 localhost\n${address} ${name}\n`);
  }
}
