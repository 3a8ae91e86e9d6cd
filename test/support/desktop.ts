/**
 * A desktop without a screen: programs on a PATH of their own that write down what they were given. `xdg-open` opens nothing; `zenity` gives the answer that
 * the test has put into its file, or stays until it is killed.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export class FakeDesktop {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(join(directory, 'bin'), { recursive: true });
    this.#program('xdg-open', `printf '%s\\n' "$#" "$@" >> '${this.#file('opened')}'`);
  }

  /** For the node; without a dialog there is only something to open with. */
  env(options: { readonly dialog: boolean }): Record<string, string> {
    if (options.dialog) {
      const answer = this.#file('answer');
      const lines = [
        `printf '%s\\n' "$@" >> '${this.#file('asked')}'`,
        `[ -s '${answer}' ] || exec sleep 600`,
        `[ "$(cat '${answer}')" = closed ] && exit 1`,
        `[ "$(cat '${answer}')" = broken ] && exit 255`,
        `cat '${answer}'`,
      ];
      this.#program('zenity', lines.join('\n'));
    }
    const system = [dirname(process.execPath), '/usr/bin', '/bin'].join(':');
    return { DISPLAY: ':99', PATH: `${join(this.#directory, 'bin')}:${system}` };
  }

  /** What the person will choose from now on: the label of a button, `closed`, `broken`, or nothing. */
  answer(label: string): void {
    writeFileSync(this.#file('answer'), label);
  }

  /** The arguments of each call of the opener. */
  opened(): string[] {
    const lines = this.#lines('opened');
    const calls: string[] = [];
    while (lines.length > 0)
      calls.push(
        lines
          .splice(0, 1 + Number(lines[0]))
          .slice(1)
          .join(' | '),
      );
    return calls;
  }

  /** Everything the dialog was started with. */
  asked(): string {
    return this.#lines('asked').join('\n');
  }

  #program(name: string, body: string): void {
    const path = join(this.#directory, 'bin', name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  #lines(name: string): string[] {
    const path = this.#file(name);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  }
}
