import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { installedPlugins } from '../../lib/cli/capability-hook.js';
import { alarmsOf, daemonDocument, daemonReport } from '../../lib/cli/daemon-report.js';
import { thisService } from '../../lib/cli/service/service-command.js';
import { serviceSentence } from '../../lib/cli/service/service-view.js';
import { humanFingerprintOf } from '../../lib/cli/fingerprint.js';

/** Not an error of this command: that it does not run is the answer. */
const EXIT_NOT_RUNNING = 5;

export default class DaemonStatusCommand extends BaseCommand<typeof DaemonStatusCommand> {
  static override summary = 'Show whether the daemon runs, where it listens and how many nodes it has';
  static override description = 'Exit code 0 when it runs, 5 when it does not.';
  static override examples = ['<%= config.bin %> daemon status', '<%= config.bin %> daemon status --json'];

  /** Installed here and without a known problem; the daemon itself loads none. */
  async #plugins(): Promise<number> {
    const plugins = await installedPlugins(this.directories.data).catch(() => []);
    return plugins.filter(({ problem }) => problem === null).length;
  }

  async run() {
    const service = await thisService('daemon', this.directories);
    try {
      const client = this.client();
      const [status, ca] = [await client.daemonStatus(), await client.caCertificate()];
      if (this.output.json) for (const { message, fix } of alarmsOf(status)) this.warn(`${message}: ${fix}`);
      for (const line of daemonReport(status, humanFingerprintOf(ca), Date.now())) this.output.result(line);
      if (service !== null) this.output.result(`${'  service'.padEnd(15)}${serviceSentence(service, Date.now())}`);
      return { ...daemonDocument(status, await this.#plugins()), service };
    } catch (error) {
      if (PalyraError.from(error).reason !== 'DAEMON_NOT_RUNNING') throw error;
      process.exitCode = EXIT_NOT_RUNNING;
      this.output.result('○ not running');
      this.output.say('  Start it: palyra daemon start');
      return { schema: 'palyra.daemon.status/v1', running: false, service };
    }
  }
}
