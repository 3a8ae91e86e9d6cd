/** A real terminal: a tmux server of its own for each test, asked what is on its screen. */
import { execFileSync, spawnSync } from 'node:child_process';
import { eventually } from './eventually.js';

export const hasTmux = spawnSync('tmux', ['-V']).status === 0;

export class Terminal {
  readonly #socket: string;

  /** Runs the command in a window of 100 by 40. `env` is all it gets. */
  constructor(name: string, command: readonly string[], env: Readonly<Record<string, string>>) {
    this.#socket = `palyra-${process.pid}-${name}`;
    const words = ['env', '-i', ...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...command];
    const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '40', `${quoted}; sleep 600`);
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p', '-S', '-200');
  }

  type(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  shows(pattern: RegExp, timeoutMs = 20_000): Promise<void> {
    const look = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return pattern.test(this.screen()) || undefined;
    };
    return eventually(look, `${String(pattern)} on the screen`, timeoutMs).then(
      () => undefined,
      (error: Error) => {
        throw new Error(`${error.message}\n${this.screen()}`);
      },
    );
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server']);
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#socket, ...args], { encoding: 'utf8' });
  }
}
