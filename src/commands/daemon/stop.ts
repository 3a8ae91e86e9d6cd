import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { NO_LAST_SNAPSHOT, runningDaemon, stopDaemon } from '../../lib/cli/daemon-control.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { listenForStop } from '../../lib/cli/signals.js';

const DEFAULT_DRAIN_MS = 30_000;

export default class DaemonStop extends BaseCommand<typeof DaemonStop> {
  static override summary = 'Stop the daemon, after running dispatches have ended';
  static override description =
    'Nothing that was accepted is lost: what is queued or running is known again after the next start. It warns when the daemon could not write its last snapshot.';
  static override examples = ['<%= config.bin %> daemon stop', '<%= config.bin %> daemon stop --now'];
  static override flags = {
    drain: durationFlag({ description: 'How long to wait for running dispatches (default 30s)', exclusive: ['now'] }),
    now: Flags.boolean({ description: 'Do not wait for running dispatches' }),
  };

  async run() {
    const client = this.client();
    const status = await runningDaemon(client);
    if (status === null) {
      this.output.done('Already stopped');
      return this.#document(false, null);
    }
    const { watchLastSnapshot } = await import('../../lib/daemon/last-snapshot.js');
    const lastSnapshot = await watchLastSnapshot(status.stateDirectory);
    const stop = listenForStop(() => this.output.say('The daemon goes on stopping.'));
    try {
      await stopDaemon(client, status.pid, {
        drainMs: this.flags.now ? 0 : (this.flags.drain ?? DEFAULT_DRAIN_MS),
        signal: stop.signal,
        onWaiting: (count) => this.output.say(`  waiting for ${plural(count, 'dispatch', 'dispatches')} …`),
      });
    } catch (error) {
      const code = stop.exitCode();
      if (code === null) throw error;
      process.exitCode = code;
      return this.#document(true, status.pid, 'stopping');
    } finally {
      stop.dispose();
    }
    const online = status.nodes.online + status.nodes.late;
    this.output.done(`Stopped.${online > 0 ? ` ${plural(online, 'node')} will reconnect when it is back.` : ''}`);
    if ((await lastSnapshot()) === false) this.warn(NO_LAST_SNAPSHOT);
    return this.#document(true, status.pid);
  }

  #document(changed: boolean, pid: number | null, state = 'stopped') {
    return { schema: 'palyra.daemon.stop/v1', action: 'stop', changed, state, pid };
  }
}
