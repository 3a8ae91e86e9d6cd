/** `node install` and `daemon install` from the files to the last sentence; the commands add what only they know. */
import { PalyraError } from '../../base/errors.js';
import type { Output } from '../output.js';
import { listenForStop } from '../signals.js';
import { FileChanges } from './file-changes.js';
import { READY_WITHIN_MS } from './service-command.js';
import { settleLogout, shortPath, systemRecipe, tellFailure, tellReady, tellWritten } from './service-story.js';
import { viewService, type ServiceView } from './service-view.js';
import type { Service } from './service.js';
import { systemSupervisor } from './supervisors.js';
import { runProgram } from './programs.js';
import { bootedAt, thisPlace, wrapperOf } from './this-machine.js';

export interface InstallContext {
  readonly service: Service;
  /** Directory of package.json. */
  readonly root: string;
  /** Of `daemon run` or `node run`, beside the log file. */
  readonly words: readonly string[];
  readonly output: Output;
}

export interface InstallStory extends InstallContext {
  readonly startNow: boolean;
  readonly timeoutMs: number | undefined;
  readonly readyLine: string;
}

export interface InstallReport {
  readonly action: 'install';
  readonly changed: boolean;
  readonly state: 'running' | 'stopped' | 'printed';
  readonly pid: number | null;
  readonly service: (ServiceView & { readonly wrapper: string }) | null;
  readonly [field: string]: unknown;
}

/** Throws what `Service.install` throws, after it said what was taken back. */
export async function installService(story: InstallStory): Promise<InstallReport> {
  const { service, output, startNow } = story;
  const stop = listenForStop();
  let wrote = false;
  if (/[\\/]_npx[\\/]/.test(story.root))
    output.warn(
      'palyra runs from the cache of npx, which may be cleared. To keep it: npm i -g palyra, then install again',
    );
  try {
    const installed = await service.install({
      wrapper: wrapperOf(service.spec, story.root, story.words),
      startNow,
      timeoutMs: story.timeoutMs ?? READY_WITHIN_MS,
      signal: stop.signal,
      onWritten: (supervisor) => {
        wrote = true;
        tellWritten(output, service.spec, supervisor);
      },
    });
    if (!installed.changed) output.done('Already installed and running');
    else if (startNow) tellReady(installed, story.readyLine, output);
    else output.done(`Installed; start it: palyra ${service.spec.role} start`);
    const survivesLogout = await settleLogout(installed.supervisor, output);
    const view = await viewService(installed.supervisor, bootedAt());
    return {
      action: 'install',
      changed: installed.changed,
      state: view?.running === true ? 'running' : 'stopped',
      pid: installed.pid,
      service: view === null ? null : { ...view, survivesLogout, wrapper: service.spec.wrapper },
    };
  } catch (error) {
    tellFailure(output, error, wrote);
    throw error;
  } finally {
    stop.dispose();
  }
}

/** For `--system`: writes the wrapper, prints the unit on stdout and says what to run with sudo. Nothing of the system is touched. Throws CONFIG_INVALID off Linux. */
export async function printSystemUnit({ service, root, words, output }: InstallContext): Promise<InstallReport> {
  const place = thisPlace();
  if (place.platform !== 'linux')
    throw new PalyraError('CONFIG_INVALID', {
      detail: '--system is for systemd; on this system use the service of the user',
    });
  const changes = new FileChanges();
  changes.write(wrapperOf(service.spec, root, words)(systemSupervisor(service.spec, place, runProgram)));
  const { unit, text, commands } = await systemRecipe(service.spec);
  output.result(text.trimEnd());
  if (changes.written.length > 0) output.done(`Wrote ${shortPath(service.spec.wrapper)}, which this unit starts`);
  output.say('  Nothing was installed. To install it for the whole system:');
  for (const command of commands) output.say(`    ${command}`);
  return {
    action: 'install',
    changed: false,
    state: 'printed',
    pid: null,
    service: null,
    unit: { path: unit, text, commands },
  };
}
