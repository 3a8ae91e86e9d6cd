/**
 * A process that can be held at named steps: it says `at <step>` on stdout and stands still, timers and all, until the file of its gate is there. So a test does
 * something to the world at a moment of its choice.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync, writeSync } from 'node:fs';
import { eventually } from './eventually.js';

const LOOK_EVERY_MS = 5;

/** In the process that is held. */
export function standAt(step: string, gateFile: string): void {
  writeSync(1, `at ${step}\n`);
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(gateFile)) Atomics.wait(never, 0, 0, LOOK_EVERY_MS);
}

export class GatedProcess {
  readonly child: ChildProcess;
  readonly #gateFile: string;
  readonly #finished: Promise<string>;
  #output = '';

  constructor(script: string, words: readonly string[], gateFile: string) {
    this.#gateFile = gateFile;
    this.child = spawn(process.execPath, ['--import', 'tsx', script, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#finished = new Promise((resolve) => this.child.once('close', () => resolve(this.#lastLine())));
  }

  /** Stands there now. */
  async at(step: string): Promise<void> {
    await eventually(
      () => this.#output.includes(`at ${step}\n`) || this.child.exitCode !== null,
      `it is at ${step}`,
      30_000,
    );
    if (this.child.exitCode !== null) throw new Error(`it ended before ${step}: ${this.#output}`);
  }

  go(): void {
    writeFileSync(this.#gateFile, '');
  }

  /** Its last word, or null when it has not ended by then. */
  async ended(withinMs: number): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), withinMs)));
    return Promise.race([this.#finished, late]).finally(() => clearTimeout(timer));
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#finished;
  }

  #lastLine(): string {
    return this.#output.trimEnd().split('\n').at(-1) ?? '';
  }
}
