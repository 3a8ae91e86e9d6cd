import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { resolveListen } from '../../lib/base/listen-words.js';
import { flagsOfRunning, runningDaemon, startFlags, stopDaemon } from '../../lib/cli/daemon-control.js';
import { startDaemonProcess } from '../../lib/cli/daemon-process.js';
import { assertSocketPath } from '../../lib/cli/directories.js';
import { listenFlags } from '../../lib/cli/flags.js';
import type { CommandDocument } from '../../lib/cli/output.js';
import { FileChanges } from '../../lib/cli/service/file-changes.js';
import { installService, printSystemUnit } from '../../lib/cli/service/install-story.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import type { Service } from '../../lib/cli/service/service.js';
import { wrapperOf } from '../../lib/cli/service/this-machine.js';

const DRAIN_MS = 30_000;

export default class DaemonInstall extends ServiceCommand<typeof DaemonInstall> {
  static override summary = 'Keep the daemon running: install it as a service of this user';
  static override description = `A daemon that runs already goes on where it listens now, as a service. Without one, addresses are those of palyra daemon start.
Where no service manager answers, as in a container, it runs as a background process. When a step fails, what was written is taken back.`;
  static override examples = [
    '<%= config.bin %> daemon install',
    '<%= config.bin %> daemon install --listen lan',
    '<%= config.bin %> daemon install --system',
  ];
  static override flags = {
    ...listenFlags,
    system: Flags.boolean({
      description: 'Print a unit for the whole system, and the commands that install it with sudo',
    }),
    now: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'Start it now, not only at the next login or boot',
    }),
  };

  async run(): Promise<CommandDocument> {
    assertSocketPath(this.directories.socketPath);
    const service = this.daemonService();
    const running = await runningDaemon(this.client());
    const kept = running === null ? { listen: ['127.0.0.1'] } : flagsOfRunning(running);
    const wanted = Object.fromEntries(
      Object.entries(this.flags).filter(([name, value]) => name in listenFlags && value !== undefined),
    );
    const listen = this.flags.listen === undefined ? kept.listen : resolveListen(this.flags.listen);
    const words = startFlags({ ...kept, ...wanted, listen });
    const context = { service, root: this.config.root, words, output: this.output };
    const schema = 'palyra.daemon.install/v1';
    if (this.flags.system) return { schema, ...(await printSystemUnit(context)) };
    const isService = running !== null && (await service.installed()?.state())?.running === true;
    const takesOver = running !== null && !isService && this.flags.now;
    if (takesOver) await this.#stop(running.pid);
    const { timeout: timeoutMs } = this.flags;
    const story = { ...context, startNow: this.flags.now, timeoutMs, readyLine: 'Ready' };
    const installed = await installService(story).catch(async (error: unknown) => {
      if (takesOver && service.installed() === null) await this.#startAgain(startFlags(kept));
      throw error;
    });
    if (installed.state === 'running' && words.includes('0')) await this.#keepPorts(service);
    return { schema, ...installed };
  }

  async #stop(pid: number): Promise<void> {
    this.output.say('  The daemon that runs in the background stops and comes back as a service.');
    await this.waiting(({ signal }) =>
      stopDaemon(this.client(), pid, { drainMs: DRAIN_MS, signal, onWaiting: () => undefined }),
    );
  }

  /** As it ran before: what failed is told by the error that led here. */
  async #startAgain(args: readonly string[]): Promise<void> {
    const logFile = join(this.directories.logs, 'daemon.log');
    await this.waiting((options) => startDaemonProcess({ ...options, root: this.config.root, args, logFile })).then(
      (pid) => this.output.say(`  The daemon runs in the background again (pid ${pid}).`),
      () => this.output.warn('The daemon does not run now; start it: palyra daemon start'),
    );
  }

  /** Any free port was asked for: the nodes know the one it is now, so the next start takes it again. */
  async #keepPorts(service: Service): Promise<void> {
    const supervisor = service.installed();
    const status = await this.client().daemonStatus();
    const words = startFlags(flagsOfRunning(status));
    if (supervisor !== null) new FileChanges().write(wrapperOf(service.spec, this.config.root, words)(supervisor));
  }
}
