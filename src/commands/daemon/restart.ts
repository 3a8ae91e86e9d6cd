import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { resolveListen } from '../../lib/base/listen-words.js';
import {
  flagsOfRunning,
  NO_LAST_SNAPSHOT,
  runningDaemon,
  startFlags,
  stopDaemon,
} from '../../lib/cli/daemon-control.js';
import { startDaemonProcess } from '../../lib/cli/daemon-process.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { durationFlag, listenFlags } from '../../lib/cli/flags.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { listenForStop } from '../../lib/cli/signals.js';

const READY_WITHIN_MS = 15_000;
const DEFAULT_DRAIN_MS = 30_000;

export default class DaemonRestart extends ServiceCommand<typeof DaemonRestart> {
  static override summary = 'Restart the daemon where it listens now';
  static override description =
    'Addresses and ports stay as they are unless a flag changes them. Nodes reconnect by themselves. It is started when it did not run. It warns as daemon stop does.';
  static override examples = [
    '<%= config.bin %> daemon restart',
    '<%= config.bin %> daemon restart --now --listen lan',
  ];
  static override flags = {
    ...listenFlags,
    drain: durationFlag({ description: 'How long to wait for running dispatches (default 30s)', exclusive: ['now'] }),
    now: Flags.boolean({ description: 'Do not wait for running dispatches' }),
  };

  async run() {
    const client = this.client();
    const before = await runningDaemon(client);
    const kept = before === null ? { listen: [] } : flagsOfRunning(before);
    const wanted = Object.fromEntries(
      Object.entries(this.flags).filter(([name, value]) => name in listenFlags && value !== undefined),
    );
    const flags = {
      ...kept,
      ...wanted,
      listen: this.flags.listen === undefined ? kept.listen : resolveListen(this.flags.listen),
    };
    const stop = listenForStop();
    try {
      if (before !== null) {
        const { watchLastSnapshot } = await import('../../lib/daemon/last-snapshot.js');
        const lastSnapshot = await watchLastSnapshot(before.stateDirectory);
        await stopDaemon(client, before.pid, {
          drainMs: this.flags.now ? 0 : (this.flags.drain ?? DEFAULT_DRAIN_MS),
          signal: stop.signal,
          onWaiting: (count) => this.output.say(`  waiting for ${plural(count, 'dispatch', 'dispatches')} …`),
        });
        if ((await lastSnapshot()) === false) this.warn(NO_LAST_SNAPSHOT);
      }
      const service = this.daemonService();
      if (service.installed() !== null) {
        if (Object.keys(wanted).length > 0)
          this.output.warn(
            'The service listens where it was installed to; to change that: palyra daemon install --listen <address>',
          );
        await service.start({ timeoutMs: READY_WITHIN_MS, signal: stop.signal });
      } else {
        await startDaemonProcess({
          root: this.config.root,
          args: startFlags(flags),
          logFile: join(this.directories.logs, 'daemon.log'),
          timeoutMs: READY_WITHIN_MS,
          signal: stop.signal,
        });
      }
    } finally {
      stop.dispose();
    }
    const status = await client.daemonStatus();
    this.output.done(`Daemon ${before === null ? 'started' : 'restarted'} (pid ${status.pid})`);
    return {
      schema: 'palyra.daemon.restart/v1',
      action: 'restart',
      changed: true,
      state: 'running',
      pid: status.pid,
      listen: status.listen,
    };
  }
}
