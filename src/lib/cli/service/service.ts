/**
 * One service of this machine and what can be done with it. Every verb may be repeated: what is already so is told as `changed: false`, never as an error.
 *
 *   (nothing) ──install──► installed, running ⇄ stop/start ──uninstall──► (nothing)
 *
 * An install that fails puts back every file it wrote and takes its registration back. One that starts but is not ready in time stays: it goes on trying.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { ensurePrivateDirectory } from '../../base/files.js';
import { logGenerations } from '../log-file.js';
import { FileChanges, isWritten, removeFile } from './file-changes.js';
import type { RunProgram } from './programs.js';
import { awaitReady, type Probe } from './readiness.js';
import type { ServiceSpec } from './service-spec.js';
import type { ServiceFile, Supervisor, SupervisorState } from './supervisor.js';
import { bestSupervisor, installedSupervisor, type ServicePlace } from './supervisors.js';

export interface ServiceDeps {
  readonly run: RunProgram;
  readonly clock: Clock;
  readonly probe: Probe;
  readonly place: ServicePlace;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface InstallOptions extends WaitOptions {
  /** The wrapper as a file; its text decides whether anything changed. The supervisor it is for is told because of exit code 78. */
  readonly wrapper: (supervisor: Supervisor) => ServiceFile;
  readonly startNow: boolean;
  /** Told once the files are there, before the service is started. */
  readonly onWritten?: (supervisor: Supervisor, files: readonly string[]) => void;
}

export interface Installed {
  readonly supervisor: Supervisor;
  readonly changed: boolean;
  readonly pid: number | null;
  /** From the start until it was ready; null when nothing was started. */
  readonly readyMs: number | null;
}

export class Service {
  readonly spec: ServiceSpec;
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps, spec: ServiceSpec) {
    this.#deps = deps;
    this.spec = spec;
  }

  /** The supervisor it is installed with, or null. */
  installed(): Supervisor | null {
    return installedSupervisor(this.spec, this.#deps.place, this.#deps.run);
  }

  /** Files of its supervisor that are not as an install would write them now: from another version, edited, or made for a machine that has changed. */
  async differing(): Promise<readonly string[]> {
    const files = (await this.installed()?.files()) ?? [];
    return files.filter((file) => !isWritten(file)).map(({ path }) => path);
  }

  /** Throws SERVICE_FAILED, SERVICE_START_FAILED, SERVICE_NOT_READY, SERVICE_NEEDS_ROOT, STORAGE_*, CANCELLED. */
  async install(options: InstallOptions): Promise<Installed> {
    const before = this.installed();
    const supervisor = before ?? (await bestSupervisor(this.spec, this.#deps.place, this.#deps.run));
    const state = before === null ? null : await supervisor.state();
    await this.#assertNoOther(state);
    // A supervisor opens the log before palyra runs.
    mkdirSync(dirname(this.spec.log), { recursive: true, mode: 0o700 });
    const changes = new FileChanges();
    try {
      for (const file of [options.wrapper(supervisor), ...(await supervisor.files())]) changes.write(file);
      // Whoever could write there could put another program in the place of the wrapper.
      await ensurePrivateDirectory(dirname(this.spec.wrapper));
      const changed = before === null || changes.written.length > 0;
      if (changed) {
        options.onWritten?.(supervisor, changes.written);
        await supervisor.register();
      }
      if (!options.startNow) return { supervisor, changed, pid: state?.pid ?? null, readyMs: null };
      if (changed && state?.running === true) await supervisor.stop();
      const begun = await this.#begin(supervisor, options);
      return { supervisor, changed: changed || begun.changed, pid: begun.pid, readyMs: begun.readyMs };
    } catch (error) {
      if (PalyraError.from(error).reason !== 'SERVICE_NOT_READY')
        await this.#rollBack(supervisor, before, state, changes);
      throw error;
    }
  }

  /** Throws SERVICE_NOT_INSTALLED and what `install` throws. */
  async start(options: WaitOptions): Promise<Installed> {
    const supervisor = this.#expected();
    await this.#assertNoOther(await supervisor.state());
    return { supervisor, ...(await this.#begin(supervisor, options)) };
  }

  async restart(options: WaitOptions): Promise<Installed> {
    const supervisor = this.#expected();
    await this.#assertNoOther(await supervisor.state());
    const { pid } = await supervisor.state();
    await supervisor.stop();
    return { supervisor, ...(await this.#begin(supervisor, options, pid)), changed: true };
  }

  /** False when it did not run. A service that is not installed does not run. */
  async stop(): Promise<boolean> {
    const supervisor = this.installed();
    if (supervisor === null || !(await supervisor.state()).running) return false;
    await supervisor.stop();
    return true;
  }

  /** The files that were removed, none when nothing was installed. `logs` are the service's own and go with it. */
  async uninstall(options: { readonly withLog: boolean }): Promise<readonly string[]> {
    const supervisor = this.installed();
    const { wrapper, directory, log } = this.spec;
    if (supervisor === null && !existsSync(wrapper)) return [];
    await supervisor?.unregister();
    const files = [
      ...(supervisor === null ? [] : [supervisor.place]),
      join(directory, `${this.spec.name}.service`),
      wrapper,
    ];
    const logs = options.withLog ? logGenerations(log) : [];
    const removed = [...files, ...logs].filter((path) => existsSync(path));
    for (const path of files) removeFile(path, this.#directoriesOf(path));
    for (const path of logs) removeFile(path, [dirname(path)]);
    // systemd forgets a unit only when it is told to look again.
    if (supervisor?.name === 'systemd-user') await this.#deps.run('systemctl', ['--user', 'daemon-reload']);
    return removed;
  }

  async #begin(
    supervisor: Supervisor,
    options: WaitOptions,
    notPid: number | null = null,
  ): Promise<{ changed: boolean; pid: number | null; readyMs: number | null }> {
    const before = await supervisor.state();
    const startedAt = this.#deps.clock.monotonic();
    if (!before.running) await supervisor.start();
    const { pid } = await awaitReady(this.#deps.probe, supervisor, this.#deps.clock, {
      ...options,
      notPid,
      log: this.spec.log,
    });
    const readyMs = Math.round(this.#deps.clock.monotonic() - startedAt);
    return { changed: !before.running, pid, readyMs: before.running ? null : readyMs };
  }

  #expected(): Supervisor {
    const supervisor = this.installed();
    if (supervisor === null) {
      throw new PalyraError('SERVICE_NOT_INSTALLED', { hint: `Install it: palyra ${this.spec.role} install` });
    }
    return supervisor;
  }

  /** One that was started by hand holds the state; a service beside it could only fail. */
  async #assertNoOther(state: SupervisorState | null): Promise<void> {
    if (state?.running === true) return;
    const other = await this.#deps.probe();
    if (other === null) return;
    const detail = `process ${other.pid}, which is no service`;
    if (this.spec.role === 'node') {
      throw new PalyraError('NODE_ALREADY_RUNNING', { detail, hint: 'End it where it runs (Ctrl-C), then try again' });
    }
    throw new PalyraError('STATE_LOCKED', { detail, hint: 'Stop it first: palyra daemon stop' });
  }

  async #rollBack(
    supervisor: Supervisor,
    before: Supervisor | null,
    state: SupervisorState | null,
    changes: FileChanges,
  ): Promise<void> {
    const attempt = (work: () => Promise<unknown>) => work().catch(() => undefined);
    if (before !== null) {
      changes.undo();
      await attempt(() => supervisor.register());
      if (state?.running === true) await attempt(() => supervisor.start());
      return;
    }
    await attempt(() => supervisor.unregister());
    changes.undo();
    removeFile(supervisor.place, this.#directoriesOf(supervisor.place));
    if (supervisor.name === 'systemd-user') await this.#deps.run('systemctl', ['--user', 'daemon-reload']);
  }

  /** Those that exist only for services of palyra, outermost first; a directory of somebody else's is never removed. */
  #directoriesOf(path: string): string[] {
    const data = dirname(dirname(this.spec.wrapper));
    return dirname(dirname(path)) === data ? [data, dirname(path)] : [];
  }
}
