import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { resolveListen } from '../../lib/base/listen-words.js';
import { urlsOf, type DaemonStatus } from '../../lib/cli/daemon-report.js';
import { awaitRunningDaemon, runningDaemon, startFlags } from '../../lib/cli/daemon-control.js';
import { startDaemonProcess } from '../../lib/cli/daemon-process.js';
import { assertSocketPath } from '../../lib/cli/directories.js';
import { makeOwnNode, type OwnNode } from '../../lib/cli/own-node.js';
import { ask } from '../../lib/cli/prompts.js';
import { humanFingerprintOf } from '../../lib/cli/fingerprint.js';
import { listenFlags } from '../../lib/cli/flags.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { listenForStop } from '../../lib/cli/signals.js';

const READY_WITHIN_MS = 15_000;

export default class DaemonStart extends ServiceCommand<typeof DaemonStart> {
  static override summary = 'Start the daemon in the background';
  static override description = `Waits until it is ready and prints where it listens. When it already runs, that is said and the exit code is 0.
By default it listens on loopback only; to let other machines join use --listen lan. An installed service is started where it was installed to listen.
With --with-node this machine becomes a node of it as well, as by palyra node install; on a terminal a new daemon asks.`;
  static override examples = [
    '<%= config.bin %> daemon start',
    '<%= config.bin %> daemon start --listen lan',
    '<%= config.bin %> daemon start --with-node',
    '<%= config.bin %> daemon start --port 0 --node-port 0 --console-port 0 --json',
  ];
  static override flags = {
    ...listenFlags,
    'with-node': Flags.boolean({
      description: 'Make this machine a node of this daemon too, and keep it connected',
      exclusive: ['no-node'],
    }),
    'no-node': Flags.boolean({ description: 'Do not, and do not ask' }),
  };
  #unit: string | null = null;

  async run() {
    assertSocketPath(this.directories.socketPath);
    const running = await runningDaemon(this.client());
    if (running !== null) {
      this.output.done(`Daemon already running (pid ${running.pid})`);
      return this.#document(running, false, await this.#node(false));
    }
    const isNew = !existsSync(join(this.directories.daemonState, 'identity', 'ca.crt'));
    const winner = await this.#start();
    if (winner !== null) {
      this.output.done(`Daemon already running (pid ${winner.pid})`);
      return this.#document(winner, false, await this.#node(false));
    }
    const status = await this.client().daemonStatus();
    this.#unit = this.daemonService().installed()?.place ?? null;
    const fingerprint = humanFingerprintOf(await this.client().caCertificate());
    this.#tell(status, fingerprint, isNew);
    const node = await this.#node(isNew);
    if (node === null) this.output.say('  Next:  palyra node pair --qr');
    return this.#document(status, true, node);
  }

  /** The daemon runs whatever becomes of this. */
  async #node(mayAsk: boolean): Promise<OwnNode | null> {
    const wanted = this.flags['with-node'] || (mayAsk && !this.flags['no-node'] && (await this.#wantsNode()));
    if (!wanted) return null;
    const stop = listenForStop();
    try {
      const node = await makeOwnNode(this.client(), this.config.root, stop.signal);
      this.output.done(`Node "${node.name}" ${node.changed ? 'paired and online' : 'is one already, and online'}`);
      this.output.say(`  Try it:  palyra nodes invoke ${node.name} echo text=hello`);
      return node;
    } finally {
      stop.dispose();
    }
  }

  async #wantsNode(): Promise<boolean> {
    if (!this.canAsk) return false;
    return /^(y|yes)?$/i.test(await ask('? Also make this machine a node? [Y/n] '));
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
  }

  #document(status: DaemonStatus, changed: boolean, node: OwnNode | null) {
    return {
      schema: 'palyra.daemon.start/v1',
      action: 'start',
      changed,
      state: 'running',
      pid: status.pid,
      unit: this.#unit,
      urls: Object.fromEntries(status.listen.map(({ purpose, url }) => [purpose, url])),
      listen: status.listen,
      node,
    };
  }
}
