/** systemd as the supervisor, through `systemctl`: the user's own manager. A unit of the system is only looked at; changing it takes root, and palyra never runs sudo. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../../base/errors.js';
import { lingeringOf } from './lingering.js';
import { canTellReady } from './notify-program.js';
import { SLOW_PROGRAM_MS, TIMED_OUT, type RunProgram } from './programs.js';
import type { ServiceSpec } from './service-spec.js';
import { NOT_RUNNING, assertDone, type ServiceFile, type Supervisor, type SupervisorState } from './supervisor.js';
import { systemdUnit } from './systemd-unit.js';

export const SYSTEM_UNITS = '/etc/systemd/system';

/** Exit codes of systemd itself, for a program that it could not start. Source: systemd.exec(5), process exit codes. */
const NEVER_RAN = { first: 200, last: 245 };

export interface SystemdOptions {
  readonly spec: ServiceSpec;
  readonly scope: 'user' | 'system';
  /** Where units are written: `~/.config/systemd/user` or `/etc/systemd/system`. */
  readonly units: string;
  readonly user: string;
}

/** Whether the user's manager answers. In a container, in cron jobs and under `su` there is often none. */
export async function hasUserManager(run: RunProgram): Promise<boolean> {
  return (await run('systemctl', ['--user', 'show', '--property=Version'])).code === 0;
}

export class SystemdSupervisor implements Supervisor {
  readonly name: 'systemd-user' | 'systemd-system';
  readonly place: string;
  readonly #run: RunProgram;
  readonly #options: SystemdOptions;
  readonly #unit: string;

  constructor(run: RunProgram, options: SystemdOptions) {
    this.#run = run;
    this.#options = options;
    this.#unit = `${options.spec.name}.service`;
    this.name = options.scope === 'user' ? 'systemd-user' : 'systemd-system';
    this.place = join(options.units, this.#unit);
  }

  isInstalled(): boolean {
    return existsSync(this.place);
  }

  async files(): Promise<readonly ServiceFile[]> {
    const { spec, scope, user } = this.#options;
    const tellsReady = await canTellReady(this.#run);
    const text = systemdUnit(spec, { user: scope === 'user' ? null : user, tellsReady });
    return [{ path: this.place, text, mode: 0o644 }];
  }

  async state(): Promise<SupervisorState> {
    const wanted = 'ActiveState,MainPID,UnitFileState,ActiveEnterTimestamp,NRestarts';
    const shown = await this.#run('systemctl', [...this.#scope(), 'show', this.#unit, `--property=${wanted}`]);
    if (shown.code !== 0) return NOT_RUNNING;
    const facts = new Map(
      shown.stdout.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const pid = Number(facts.get('MainPID') ?? 0);
    const active = facts.get('ActiveState') ?? '';
    const running = ['active', 'activating', 'reloading', 'deactivating'].includes(active);
    const restarts = Number(facts.get('NRestarts'));
    return {
      enabled: facts.get('UnitFileState') === 'enabled',
      running,
      pid: running && pid > 0 ? pid : null,
      // While it starts this is still the time of its last life.
      startedAt: running && active !== 'activating' ? timeOf(facts.get('ActiveEnterTimestamp') ?? '') : null,
      restarts: Number.isFinite(restarts) ? restarts : null,
    };
  }

  async register(): Promise<void> {
    this.#assertOwn(`enable --now ${this.#unit}`);
    await this.#do('daemon-reload');
    await this.#do('enable', this.#unit);
  }

  /** A service that ran and ended is no error here: whoever waits for it sees that, and reads in its log why. */
  async start(): Promise<void> {
    this.#assertOwn(`start ${this.#unit}`);
    // A unit that failed too often would be refused.
    await this.#run('systemctl', [...this.#scope(), 'reset-failed', this.#unit]);
    const words = [...this.#scope(), 'start', this.#unit];
    // A unit that tells when it is ready is waited for.
    const result = await this.#run('systemctl', words, SLOW_PROGRAM_MS);
    if (result.code === TIMED_OUT || (result.code !== 0 && (await this.#ranAndEnded()))) return;
    assertDone(`systemctl ${words.join(' ')}`, result);
  }

  async stop(): Promise<void> {
    this.#assertOwn(`stop ${this.#unit}`);
    await this.#do('stop', this.#unit);
  }

  async unregister(): Promise<void> {
    this.#assertOwn(`disable --now ${this.#unit} && sudo rm ${this.place}`);
    const { code, stderr } = await this.#run(
      'systemctl',
      [...this.#scope(), 'disable', '--now', this.#unit],
      SLOW_PROGRAM_MS,
    );
    if (code !== 0 && !/does not exist|not loaded|No such file/i.test(stderr)) {
      assertDone(`systemctl --user disable ${this.#unit}`, { code, stdout: '', stderr });
    }
  }

  async survivesLogout(): Promise<boolean | null> {
    if (this.name === 'systemd-system') return true;
    const lingering = await lingeringOf(this.#options.user, this.#run);
    return lingering === 'unknown' ? null : lingering === 'on';
  }

  async #ranAndEnded(): Promise<boolean> {
    const words = [...this.#scope(), 'show', this.#unit, '--property=ExecMainCode,ExecMainStatus'];
    const { stdout } = await this.#run('systemctl', words);
    const status = Number(/^ExecMainStatus=(\d+)$/m.exec(stdout)?.[1]);
    return /^ExecMainCode=[1-9]/m.test(stdout) && !(status >= NEVER_RAN.first && status <= NEVER_RAN.last);
  }

  #scope(): string[] {
    return this.name === 'systemd-user' ? ['--user'] : [];
  }

  async #do(...words: string[]): Promise<void> {
    const all = [...this.#scope(), ...words];
    assertDone(`systemctl ${all.join(' ')}`, await this.#run('systemctl', all, SLOW_PROGRAM_MS));
  }

  #assertOwn(command: string): void {
    if (this.name === 'systemd-user') return;
    throw new PalyraError('SERVICE_NEEDS_ROOT', { hint: `Run: sudo systemctl ${command}` });
  }
}

/** `Sun 2026-11-22 14:36:11 UTC`; the day of the week is not understood by every parser. */
function timeOf(text: string): number | null {
  const time = Date.parse(text.replace(/^[A-Za-z]{3} /, ''));
  return Number.isNaN(time) ? null : time;
}
