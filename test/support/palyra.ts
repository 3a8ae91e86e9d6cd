/**
 * The real command line, as processes: every test has a directory of its own with one home for each machine it plays, and leaves nothing running.
 * Nothing here sleeps: a line, an exit or a deadline is awaited.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from './free-ports.js';
import { processesBelow } from './processes.js';

export const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
export const PROBE_MODULE = fileURLToPath(new URL('../fixtures/plugin-probe/capabilities.js', import.meta.url));
const COMMAND_TIMEOUT_MS = 30_000;
const READY_TIMEOUT_MS = 20_000;

export interface RunOptions {
  /** Which machine; a directory below the sandbox. */
  readonly home?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Documents are checked against their schemas elsewhere; tests read them freely. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is what a test is about to assert
export type Document = any;

export class Sandbox {
  readonly directory = mkdtempSync(join(tmpdir(), 'palyra-cli-'));
  readonly #running = new Set<RunningProcess>();
  readonly #through: readonly string[];
  readonly #daemons = new Set<string>();

  /** `through`: a command in front of every command line, such as `ip netns exec <name>`. */
  constructor(through: readonly string[] = []) {
    this.#through = through;
  }

  home(name: string): string {
    return join(this.directory, name);
  }

  /** One command from start to end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const running = this.spawn(args, options);
    return running.finished;
  }

  /** One command with `--json`: its exit code and its document, which must be the whole of stdout; stderr must be silent. */
  async json(args: readonly string[], options: RunOptions = {}): Promise<{ code: number | null; document: Document }> {
    const { code, stdout, stderr } = await this.run([...args, '--json'], options);
    if (stderr !== '') throw new Error(`stderr is not silent under --json: ${stderr}`);
    return { code, document: JSON.parse(stdout) };
  }

  /** A command that goes on; ended with the sandbox. */
  spawn(args: readonly string[], options: RunOptions = {}): RunningProcess {
    const [program = process.execPath, ...words] = [...this.#through, process.execPath, BIN, ...args];
    const child = spawn(program, words, {
      env: { ...cleanEnvironment(), PALYRA_HOME: this.home(options.home ?? 'daemon'), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const running = new RunningProcess(child, args, options.timeoutMs ?? COMMAND_TIMEOUT_MS);
    this.#running.add(running);
    void running.finished.catch(() => undefined).finally(() => this.#running.delete(running));
    return running;
  }

  /** In the background, on loopback ports that are still free when it is started again. */
  async startDaemon(options: { home?: string; args?: readonly string[] } = {}): Promise<Document> {
    const home = options.home ?? 'daemon';
    this.manage(home);
    const [port, nodePort, consolePort] = (await freePorts(3)).map(String);
    const ports = ['--port', port!, '--node-port', nodePort!, '--console-port', consolePort!];
    const { code, document } = await this.json(['daemon', 'start', ...ports, ...(options.args ?? [])], { home });
    if (code !== 0) throw new Error(`the daemon did not start: ${JSON.stringify(document)}`);
    return document;
  }

  /** A home whose daemon is stopped at the end, however it was started. */
  manage(home: string): void {
    this.#daemons.add(home);
  }

  /** A new invite of the daemon. */
  async invite(args: readonly string[] = []): Promise<Document> {
    const { code, document } = await this.json(['node', 'pair', ...args]);
    if (code !== 0) throw new Error(`no invite: ${JSON.stringify(document)}`);
    return document.invite;
  }

  /** A node that is online; pairs first when it gets a link. */
  async startNode(home: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunningProcess> {
    const node = this.spawn(['node', 'run', ...args], { ...options, home, timeoutMs: Infinity });
    await node.line(/^● Online/m);
    return node;
  }

  /** Pairs a machine under a name and leaves it online. */
  async joinNode(name: string, options: RunOptions = {}): Promise<RunningProcess> {
    const { link } = await this.invite(['--name', name]);
    return this.startNode(name, [link], options);
  }

  /** Ends everything that was started and removes the directory. */
  async dispose(): Promise<void> {
    for (const running of [...this.#running]) running.child.kill('SIGKILL');
    await Promise.allSettled([...this.#running].map((running) => running.finished));
    for (const home of this.#daemons) await this.run(['daemon', 'stop', '--now'], { home }).catch(() => undefined);
    // What a failed test lost sight of.
    for (const { pid } of processesBelow(this.directory)) process.kill(pid, 'SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Everything the daemon of a home logged, one record a line. */
  daemonLog(home = 'daemon'): string {
    return readFileSync(join(this.home(home), 'state', 'logs', 'daemon.log'), 'utf8');
  }
}

export class RunningProcess {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';
  readonly #args: readonly string[];
  readonly #waiting = new Set<() => void>();

  constructor(child: ChildProcess, args: readonly string[], timeoutMs: number) {
    this.child = child;
    this.#args = args;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.finished = new Promise((resolve, reject) => {
      const timer = Number.isFinite(timeoutMs)
        ? setTimeout(() => {
            child.kill('SIGKILL');
            reject(new Error(`${this.#told()} took longer than ${timeoutMs} ms`));
          }, timeoutMs)
        : undefined;
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        this.#wake();
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Resolves once stderr has a line that matches. */
  line(pattern: RegExp, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        action();
      };
      const look = () => {
        if (pattern.test(this.stderr)) settle(resolve);
        else if (this.child.exitCode !== null || this.child.signalCode !== null) {
          settle(() => reject(new Error(`${this.#told()} ended before ${String(pattern)}`)));
        }
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${this.#told()}: no ${String(pattern)}`))),
        timeoutMs,
      );
      this.#waiting.add(look);
      look();
    });
  }

  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Finished> {
    this.child.kill(signal);
    return this.finished;
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #told(): string {
    return `palyra ${this.#args.join(' ')}\n${this.stdout}${this.stderr}`;
  }
}

/** Nothing of the caller's own palyra, nor of the test runner. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const dropped = ['NO_COLOR', 'FORCE_COLOR', 'NODE_OPTIONS', 'CI'];
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('PALYRA_') && !dropped.includes(name)),
  );
}
