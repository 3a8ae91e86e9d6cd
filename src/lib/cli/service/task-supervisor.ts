/** The Task Scheduler of Windows as the supervisor, through `schtasks`. Its answers are in the language of the system, so only CSV without headers and exit codes are read. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SLOW_PROGRAM_MS, type RunProgram } from './programs.js';
import { scheduledTask } from './scheduled-task.js';
import type { ServiceSpec } from './service-spec.js';
import { assertDone, type ServiceFile, type Supervisor, type SupervisorState } from './supervisor.js';

/** SCHED_S_TASK_RUNNING as `schtasks` prints it: the result of a task that runs now. */
const RUNNING_RESULT = '267009';

export class TaskSupervisor implements Supervisor {
  readonly name = 'task-scheduler';
  /** The definition as it was given to the scheduler, which keeps its own copy. */
  readonly place: string;
  readonly #run: RunProgram;
  readonly #spec: ServiceSpec;
  readonly #account: string;

  constructor(run: RunProgram, options: { spec: ServiceSpec; account: string }) {
    this.#run = run;
    this.#spec = options.spec;
    this.#account = options.account;
    this.place = join(options.spec.directory, `${options.spec.name}.xml`);
  }

  isInstalled(): boolean {
    return existsSync(this.place);
  }

  /** UTF-16 with a byte order mark: what its XML declaration says, and the only form every version of `schtasks` reads. */
  async files(): Promise<readonly ServiceFile[]> {
    const text = Buffer.from(`\ufeff${scheduledTask(this.#spec, this.#account).replaceAll('\n', '\r\n')}`, 'utf16le');
    return [{ path: this.place, text, mode: 0o600 }];
  }

  async state(): Promise<SupervisorState> {
    const { code, stdout } = await this.#run('schtasks', ['/Query', '/TN', this.#spec.name, '/FO', 'CSV', '/NH', '/V']);
    const running = code === 0 && stdout.includes(`"${RUNNING_RESULT}"`);
    return { enabled: code === 0, running, pid: null, startedAt: null, restarts: null };
  }

  async register(): Promise<void> {
    await this.#do('/Create', '/TN', this.#spec.name, '/XML', this.place, '/F');
  }

  async start(): Promise<void> {
    await this.#do('/Run', '/TN', this.#spec.name);
  }

  async stop(): Promise<void> {
    if ((await this.state()).running) await this.#do('/End', '/TN', this.#spec.name);
  }

  async unregister(): Promise<void> {
    await this.stop();
    if ((await this.state()).enabled) await this.#do('/Delete', '/TN', this.#spec.name, '/F');
  }

  async survivesLogout(): Promise<boolean | null> {
    return false;
  }

  async #do(...words: string[]): Promise<void> {
    assertDone(`schtasks ${words[0] ?? ''} ${this.#spec.name}`, await this.#run('schtasks', words, SLOW_PROGRAM_MS));
  }
}
