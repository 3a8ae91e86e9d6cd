/**
 * The terminal of this process, for programs that fill it. It is the only part that touches raw mode, the size, job control and the signals of a window;
 * what is drawn is decided elsewhere. What `restore` puts right is put right once, whatever ends the process: an exception, a signal, the end of the line.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readVariable } from './environment.js';
import { holdForeignOutput, type ForeignOutput } from './foreign-output.js';

export interface TerminalListener {
  /** UTF-8, whole characters. */
  readonly input: (text: string) => void;
  readonly resized: () => void;
  /** The process goes on after it was stopped: nothing on the screen can be relied on. */
  readonly resumed: () => void;
  /** The line is gone: nobody reads, nobody types. */
  readonly gone: () => void;
}

export interface Terminal {
  readonly size: { readonly columns: number; readonly rows: number };
  write(text: string): void;
  /** Takes the keys one by one, without echo. The returned function gives them back. */
  listen(listener: TerminalListener): () => void;
  /** Stops the process group, as ^Z does; `listener.resumed` is called when it goes on. */
  suspend(): void;
  /** The text after the operator has edited it in $EDITOR; null when the editor failed. The keys belong to the editor meanwhile. */
  edit(text: string): Promise<string | null>;
  /** Keeps what others of this process write until the returned function is called: it is written then. */
  holdOthers(): () => void;
  /** `restore` is called when the process ends without having been asked to. The returned function takes it back. */
  onSuddenEnd(restore: () => void): () => void;
}

const DEFAULT_SIZE = { columns: 80, rows: 24 };
/** The stop arrives at once; where nothing stops the process (no job control) it goes on after this. */
const RESUME_MS = 50;

export class ProcessTerminal implements Terminal {
  #others: ForeignOutput | null = null;
  #listening: { readonly listener: TerminalListener; readonly data: (chunk: string) => void } | null = null;

  get size(): { columns: number; rows: number } {
    const { columns, rows } = process.stdout;
    // Some serial lines report 0.
    return { columns: columns || DEFAULT_SIZE.columns, rows: rows || DEFAULT_SIZE.rows };
  }

  write(text: string): void {
    if (process.stdout.destroyed) return;
    if (this.#others === null) process.stdout.write(text);
    else this.#others.write(text);
  }

  holdOthers(): () => void {
    const held = holdForeignOutput();
    this.#others = held;
    return () => {
      held.release();
      if (this.#others === held) this.#others = null;
    };
  }

  listen(listener: TerminalListener): () => void {
    const data = (chunk: string) => listener.input(chunk);
    this.#listening = { listener, data };
    process.stdin.setEncoding('utf8');
    process.stdin.on('end', listener.gone).on('error', listener.gone);
    process.stdout.on('error', listener.gone).on('resize', listener.resized);
    const resumed = () => {
      this.#take();
      listener.resumed();
    };
    process.on('SIGCONT', resumed);
    this.#take();
    return () => {
      this.#give();
      this.#listening = null;
      process.stdin.off('end', listener.gone).off('error', listener.gone);
      process.stdout.off('error', listener.gone).off('resize', listener.resized);
      process.off('SIGCONT', resumed);
    };
  }

  suspend(): void {
    this.#give();
    const listening = this.#listening;
    process.kill(0, 'SIGTSTP');
    setTimeout(() => {
      if (listening === null || this.#listening !== listening) return;
      this.#take();
      listening.listener.resumed();
    }, RESUME_MS);
  }

  async edit(text: string): Promise<string | null> {
    const editor = readVariable('VISUAL') ?? readVariable('EDITOR') ?? 'vi';
    const directory = await mkdtemp(join(tmpdir(), 'palyra-edit-'));
    const file = join(directory, 'input.json');
    this.#give();
    try {
      await writeFile(file, text, { mode: 0o600 });
      const code = await new Promise<number | null>((resolve, reject) => {
        // $EDITOR may have arguments: `code --wait`.
        const [command = 'vi', ...words] = editor.split(/\s+/).filter(Boolean);
        const child = spawn(command, [...words, file], { stdio: 'inherit' });
        child.once('error', (cause) =>
          reject(new PalyraError('USAGE_INVALID', { detail: `cannot start ${editor}`, cause })),
        );
        child.once('close', resolve);
      });
      return code === 0 ? await readFile(file, 'utf8') : null;
    } finally {
      this.#take();
      await rm(directory, { recursive: true, force: true });
    }
  }

  onSuddenEnd(restore: () => void): () => void {
    // Before the listener that tells what happened: it would tell it to a screen that is about to vanish.
    process.prependListener('uncaughtException', restore);
    process.prependListener('unhandledRejection', restore);
    process.on('exit', restore);
    return () => {
      process.off('uncaughtException', restore).off('unhandledRejection', restore).off('exit', restore);
    };
  }

  #take(): void {
    if (this.#listening === null) return;
    setRawMode(true);
    process.stdin.off('data', this.#listening.data).on('data', this.#listening.data).resume();
  }

  #give(): void {
    if (this.#listening === null) return;
    process.stdin.off('data', this.#listening.data).pause();
    setRawMode(false);
  }
}

/** On a line that is gone there is no mode to set. */
function setRawMode(raw: boolean): void {
  try {
    process.stdin.setRawMode(raw);
  } catch {
    // EIO: the terminal was closed.
  }
}
