/**
 * Where no service manager is (containers, minimal systems): a process of its own session that outlives the shell. Nothing starts it again after a crash
 * or a reboot, and palyra says so.
 *
 * The pid file names the process and when that process was started, so that a later process with the same number is never taken for it, let alone
 * ended. The file stays while the service is installed; without a process in it the service is stopped.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { sleep, systemClock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../../base/files.js';
import { backgroundEnvironment } from '../background-environment.js';
import { identityOfProcess } from './process-identity.js';
import type { RunProgram } from './programs.js';
import type { ServiceSpec } from './service-spec.js';
import { NOT_RUNNING, type ServiceFile, type Supervisor, type SupervisorState } from './supervisor.js';

/** The service ends by itself well before; then it is killed. */
const STOP_WITHIN_MS = 45_000;
const KILL_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

interface PidFile {
  readonly format: 1;
  /** Null when it was stopped. */
  readonly process: { readonly pid: number; readonly identity: string; readonly startedAt: number } | null;
}

const STOPPED: PidFile = { format: 1, process: null };

export class DetachedSupervisor implements Supervisor {
  readonly name = 'detached';
  readonly place: string;
  readonly #run: RunProgram;
  readonly #spec: ServiceSpec;

  constructor(run: RunProgram, spec: ServiceSpec) {
    this.#run = run;
    this.#spec = spec;
    this.place = join(spec.directory, `${spec.name}.pid`);
  }

  isInstalled(): boolean {
    return existsSync(this.place);
  }

  /** None: the pid file is written when it is registered, and must not be written over while a process is in it. */
  async files(): Promise<readonly ServiceFile[]> {
    return [];
  }

  async state(): Promise<SupervisorState> {
    const known = (await this.#read()).process;
    if (known === null || !(await this.#isAlive(known))) return NOT_RUNNING;
    return { enabled: false, running: true, pid: known.pid, startedAt: known.startedAt, restarts: null };
  }

  async register(): Promise<void> {
    if (!this.isInstalled()) await this.#write(STOPPED);
  }

  async start(): Promise<void> {
    if ((await this.state()).running) return;
    mkdirSync(dirname(this.#spec.log), { recursive: true, mode: 0o700 });
    const crashes = openSync(this.#spec.log, 'a', 0o600);
    const env = backgroundEnvironment(process.env, { platform: process.platform, cwd: process.cwd() });
    const child = spawn(this.#spec.wrapper, [], {
      detached: true,
      cwd: homedir(),
      env,
      stdio: ['ignore', 'ignore', crashes],
    });
    closeSync(crashes);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(
          new PalyraError('SERVICE_FAILED', { detail: `${this.#spec.wrapper} could not be started`, cause: error }),
        ),
      );
    });
    child.unref();
    const pid = child.pid ?? 0;
    const identity = await identityOfProcess(pid, this.#run);
    // Gone already: its log says why.
    await this.#write(identity === null ? STOPPED : { format: 1, process: { pid, identity, startedAt: Date.now() } });
  }

  async stop(): Promise<void> {
    const known = (await this.#read()).process;
    if (known === null) return;
    for (const [signal, withinMs] of [
      ['SIGTERM', STOP_WITHIN_MS],
      ['SIGKILL', KILL_WITHIN_MS],
    ] as const) {
      if (await this.#signal(known, signal, withinMs)) return this.#write(STOPPED);
    }
    throw new PalyraError('SERVICE_FAILED', { detail: `process ${known.pid} does not end` });
  }

  async unregister(): Promise<void> {
    await this.stop();
  }

  async survivesLogout(): Promise<boolean | null> {
    // A session of its own; a system that ends every process of a user at logout (KillUserProcesses) has a user manager, which is preferred.
    return true;
  }

  /** True when it is gone. */
  async #signal(known: NonNullable<PidFile['process']>, signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
    if (!(await this.#isAlive(known))) return true;
    try {
      process.kill(known.pid, signal);
    } catch {
      return !(await this.#isAlive(known));
    }
    const until = systemClock.monotonic() + withinMs;
    while (await this.#isAlive(known)) {
      if (systemClock.monotonic() >= until) return false;
      await sleep(systemClock, LOOK_EVERY_MS);
    }
    return true;
  }

  async #isAlive({ pid, identity }: NonNullable<PidFile['process']>): Promise<boolean> {
    return (await identityOfProcess(pid, this.#run)) === identity;
  }

  /** A file that cannot be read as ours counts as a stopped service: it is written anew at the next start. */
  async #read(): Promise<PidFile> {
    const bytes = await readPrivateFile(this.place);
    try {
      const { process: known } = JSON.parse(bytes?.toString('utf8') ?? '') as Partial<PidFile>;
      const whole = Number.isSafeInteger(known?.pid) && typeof known?.identity === 'string';
      return whole ? { format: 1, process: known } : STOPPED;
    } catch {
      return STOPPED;
    }
  }

  async #write(file: PidFile): Promise<void> {
    mkdirSync(dirname(this.place), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.place, `${JSON.stringify(file)}\n`);
  }
}
