/** launchd as the supervisor, through `launchctl`, in the domain of the user's desktop session. Source: launchctl(1). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { launchAgent, launchLabel } from './launch-agent.js';
import { SLOW_PROGRAM_MS, type RunProgram } from './programs.js';
import type { ServiceSpec } from './service-spec.js';
import { NOT_RUNNING, assertDone, type ServiceFile, type Supervisor, type SupervisorState } from './supervisor.js';

export class LaunchdSupervisor implements Supervisor {
  readonly name = 'launchd';
  readonly place: string;
  readonly #run: RunProgram;
  readonly #spec: ServiceSpec;
  readonly #domain: string;
  readonly #target: string;

  constructor(run: RunProgram, options: { spec: ServiceSpec; home: string; uid: number }) {
    this.#run = run;
    this.#spec = options.spec;
    this.#domain = `gui/${options.uid}`;
    this.#target = `${this.#domain}/${launchLabel(options.spec)}`;
    this.place = join(options.home, 'Library', 'LaunchAgents', `${launchLabel(options.spec)}.plist`);
  }

  isInstalled(): boolean {
    return existsSync(this.place);
  }

  async files(): Promise<readonly ServiceFile[]> {
    return [{ path: this.place, text: launchAgent(this.#spec), mode: 0o644 }];
  }

  async state(): Promise<SupervisorState> {
    const { code, stdout } = await this.#run('launchctl', ['print', this.#target]);
    if (code !== 0) return { ...NOT_RUNNING, enabled: this.isInstalled() };
    const pid = Number(/^\s*pid = (\d+)$/m.exec(stdout)?.[1] ?? 0);
    const runs = /^\s*runs = (\d+)$/m.exec(stdout)?.[1];
    return {
      enabled: true,
      running: pid > 0,
      pid: pid > 0 ? pid : null,
      startedAt: null,
      restarts: runs === undefined ? null : Math.max(0, Number(runs) - 1),
    };
  }

  /** Loading it would start it: that is `start`. */
  async register(): Promise<void> {
    await this.#run('launchctl', ['enable', this.#target]);
  }

  async start(): Promise<void> {
    if ((await this.#run('launchctl', ['print', this.#target])).code !== 0) {
      assertDone(
        `launchctl bootstrap ${this.#domain}`,
        await this.#run('launchctl', ['bootstrap', this.#domain, this.place], SLOW_PROGRAM_MS),
      );
    }
    assertDone(
      `launchctl kickstart ${this.#target}`,
      await this.#run('launchctl', ['kickstart', this.#target], SLOW_PROGRAM_MS),
    );
  }

  /** Unloaded, not only ended: launchd would start it again. It is loaded again at the next login, as it was before. */
  async stop(): Promise<void> {
    if ((await this.#run('launchctl', ['print', this.#target])).code !== 0) return;
    assertDone(
      `launchctl bootout ${this.#target}`,
      await this.#run('launchctl', ['bootout', this.#target], SLOW_PROGRAM_MS),
    );
  }

  unregister(): Promise<void> {
    return this.stop();
  }

  /** An agent belongs to the desktop session. */
  async survivesLogout(): Promise<boolean | null> {
    return false;
  }
}
