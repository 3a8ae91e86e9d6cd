import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../../lib/base/errors.js';
import { resolveListen } from '../../lib/base/listen-words.js';
import { urlsOf, type DaemonStatus } from '../../lib/cli/daemon-report.js';
import { awaitRunningDaemon, runningDaemon, startFlags } from '../../lib/cli/daemon-control.js';
import { startDaemonProcess } from '../../lib/cli/daemon-process.js';
import { assertSocketPath } from '../../lib/cli/directories.js';
import { humanFingerprintOf } from '../../lib/cli/fingerprint.js';
import { listenFlags } from '../../lib/cli/flags.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { listenForStop } from '../../lib/cli/signals.js';

const READY_WITHIN_MS = 15_000;

export default class DaemonStart extends ServiceCommand<typeof DaemonStart> {
  static override summary = 'Start the daemon in the background';
  static override description = `Waits until it is ready and prints where it listens. When it already runs, that is said and the exit code is 0.
By default it listens on loopback only; to let other machines join use --listen lan. An installed service is started where it was installed to listen.`;
  static override examples = [
    '<%= config.bin %> daemon start',
    '<%= config.bin %> daemon start --listen lan',
    '<%= config.bin %> daemon start --port 0 --node-port 0 --console-port 0 --json',
  ];
  static override flags = listenFlags;
  #unit: string | null = null;

  async run() {
    assertSocketPath(this.directories.socketPath);
    const running = await runningDaemon(this.client());
    if (running !== null) {
      this.output.done(`Daemon already running (pid ${running.pid})`);
      return this.#document(running, false);
    }
    const isNew = !existsSync(join(this.directories.daemonState, 'identity', 'ca.crt'));
    const winner = await this.#start();
    if (winner !== null) {
      this.output.done(`Daemon already running (pid ${winner.pid})`);
      return this.#document(winner, false);
    }
    const status = await this.client().daemonStatus();
    this.#unit = this.daemonService().installed()?.place ?? null;
    const fingerprint = humanFingerprintOf(await this.client().caCertificate());
    this.#tell(status, fingerprint, isNew);
    return this.#document(status, true);
  }

  /** Null when this call started it; the other one's status when two calls raced and this one lost. */
  async #start(): Promise<DaemonStatus | null> {
    const service = this.daemonService();
    if (service.installed() !== null) {
      if (Object.keys(this.flags).some((name) => name in listenFlags))
        this.output.warn(
          'The service listens where it was installed to; to change that: palyra daemon install --listen <address>',
        );
      await this.waiting((options) => service.start(options));
      return null;
    }
    const stop = listenForStop();
    try {
      await startDaemonProcess({
        root: this.config.root,
        args: startFlags({
          ...this.flags,
          listen: this.flags.listen === undefined ? [] : resolveListen(this.flags.listen),
        }),
        logFile: join(this.directories.logs, 'daemon.log'),
        timeoutMs: READY_WITHIN_MS,
        signal: stop.signal,
      });
      return null;
    } catch (error) {
      if (PalyraError.from(error).reason === 'STATE_LOCKED') {
        const winner = await awaitRunningDaemon(this.client(), READY_WITHIN_MS, stop.signal);
        if (winner !== null) return winner;
      }
      const { log } = PalyraError.from(error).details as { log?: string[] };
      for (const line of log ?? []) this.output.say(`  ${line}`);
      throw error;
    } finally {
      stop.dispose();
    }
  }

  #tell(status: DaemonStatus, fingerprint: string, isNew: boolean): void {
    this.output.done(`${`Daemon running (pid ${status.pid})`.padEnd(46)}${urlsOf(status, 'public').join(', ')}`);
    this.output.done(
      `${(isNew ? 'Certificate authority created' : 'Certificate authority').padEnd(46)}fingerprint ${fingerprint}`,
    );
    this.output.done(`${`You (${status.owner}) are the owner of this daemon`.padEnd(46)}logs: palyra daemon logs -f`);
    this.output.say('  Next:  palyra node pair --qr');
  }

  #document(status: DaemonStatus, changed: boolean) {
    return {
      schema: 'palyra.daemon.start/v1',
      action: 'start',
      changed,
      state: 'running',
      pid: status.pid,
      unit: this.#unit,
      urls: Object.fromEntries(status.listen.map(({ purpose, url }) => [purpose, url])),
      listen: status.listen,
    };
  }
}
