/**
 * A terminal window with a shell in it, by tmux: keys go in, the screen comes out, and every byte that a program wrote to the terminal is recorded. Each
 * window has a server of its own, with no configuration; nothing of the caller's tmux is touched.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { BIN, type Sandbox } from './palyra.js';

export const HAS_TMUX = spawnSync('tmux', ['-V']).status === 0;
const PROMPT = 'ready$ ';
const WAIT_MS = 30_000;
const ESCAPE_PAUSE_MS = 200;

export interface TmuxOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Tmux {
  readonly #directory = mkdtempSync(join(tmpdir(), 'palyra-tmux-'));
  readonly #socket = join(this.#directory, 'server');
  readonly #recorded = join(this.#directory, 'bytes');

  /** A shell that waits for a command. */
  static async open({ columns, rows, env = {} }: TmuxOptions): Promise<Tmux> {
    const window = new Tmux();
    const dropped = ['NO_COLOR', 'FORCE_COLOR', 'NODE_OPTIONS', 'CI', 'TMUX', 'COLORTERM', 'EDITOR', 'VISUAL'];
    const kept = Object.entries(process.env).filter(
      ([name]) => !name.startsWith('PALYRA_') && !dropped.includes(name) && name !== 'ENV',
    );
    const own = { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8' };
    const size = ['-x', String(columns), '-y', String(rows)];
    const settings = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    window.#tmux(['new-session', '-d', ...size, ...settings, `PS1='${PROMPT}' exec sh`], own);
    window.#tmux(['pipe-pane', '-o', `cat >> '${window.#recorded}'`]);
    await window.until(/ready\$/);
    return window;
  }

  /** One that runs palyra in a sandbox. */
  static palyra(
    sandbox: Sandbox,
    size: { columns: number; rows: number },
    env: Record<string, string> = {},
  ): Promise<Tmux> {
    return Tmux.open({
      ...size,
      env: { PALYRA_HOME: sandbox.home('daemon'), P: `${process.execPath} ${BIN}`, ...env },
    });
  }

  /** Text as it is, each character a key. */
  type(text: string): void {
    this.#tmux(['send-keys', '-l', '--', text]);
  }

  /** Named keys: Enter, Escape, Up, C-c. After an Escape it waits as a person does: at once, the next key would belong to it. */
  press(...names: readonly string[]): void {
    for (const name of names) {
      this.#tmux(['send-keys', name]);
      if (name === 'Escape') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ESCAPE_PAUSE_MS);
    }
  }

  /** A command line of the shell. */
  run(command: string): void {
    this.type(command);
    this.press('Enter');
  }

  resize(columns: number, rows: number): void {
    this.#tmux(['resize-window', '-x', String(columns), '-y', String(rows)]);
  }

  /** What is to be seen, without spaces at the ends of lines. */
  get screen(): string {
    return this.#tmux(['capture-pane', '-p']).trimEnd();
  }

  /** Lines that scrolled away belong to it too. */
  get history(): string {
    return this.#tmux(['capture-pane', '-p', '-S', '-']).trimEnd();
  }

  /** A tmux format such as `#{alternate_on}`. */
  ask(format: string): string {
    return this.#tmux(['display-message', '-p', format]).trim();
  }

  /** Everything that was written to the terminal so far. */
  get bytes(): string {
    return existsSync(this.#recorded) ? readFileSync(this.#recorded, 'utf8') : '';
  }

  /** The screen once it matches and is the same at two looks: a frame may be seen while it is drawn. */
  async until(pattern: RegExp, timeoutMs = WAIT_MS): Promise<string> {
    let seen = '';
    const look = () => {
      const before = seen;
      seen = this.screen;
      return seen === before && pattern.test(seen) ? seen : undefined;
    };
    try {
      return await eventually(look, `${pattern}`, timeoutMs);
    } catch {
      throw new Error(`not within ${timeoutMs} ms: ${String(pattern)} in\n${seen}`);
    }
  }

  dispose(): void {
    spawnSync('tmux', ['-S', this.#socket, 'kill-server']);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #tmux(args: readonly string[], env?: NodeJS.ProcessEnv): string {
    return execFileSync('tmux', ['-f', '/dev/null', '-u', '-S', this.#socket, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
    });
  }
}
