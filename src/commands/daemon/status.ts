import { Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import { systemRandom } from '../../lib/base/random.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { installedPlugins } from '../../lib/cli/capability-hook.js';
import { alarmsOf, daemonDocument, daemonReport, type DaemonStatus } from '../../lib/cli/daemon-report.js';
import type { DaemonVitals } from '../../lib/cli/deep/vitals-checks.js';
import type { CheckResult } from '../../lib/cli/doctor/check.js';
import { thisService } from '../../lib/cli/service/service-command.js';
import { serviceSentence } from '../../lib/cli/service/service-view.js';
import { humanFingerprintOf } from '../../lib/cli/fingerprint.js';

/** Not an error of this command: that it does not run is the answer. */
const EXIT_NOT_RUNNING = 5;

export default class DaemonStatusCommand extends BaseCommand<typeof DaemonStatusCommand> {
  static override summary = 'Show whether the daemon runs, where it listens and how many nodes it has';
  static override description = `Exit code 0 when it runs, 5 when it does not. --deep looks closer, for a person or for monitoring: whether the state on its disk
and the audit log are whole, whether every port answers, whether there is space, how busy and how large it is. The exit code is 1 then when a check
fails; warnings alone are 0.`;
  static override examples = [
    '<%= config.bin %> daemon status',
    '<%= config.bin %> daemon status --deep',
    '<%= config.bin %> daemon status --json',
  ];
  static override flags = {
    deep: Flags.boolean({ description: 'Look whether it is really well; takes a few seconds' }),
  };

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
      const document = { ...daemonDocument(status, await this.#plugins()), service };
      return this.flags.deep ? { ...document, ...(await this.#deep(status, ca)) } : document;
    } catch (error) {
      if (PalyraError.from(error).reason !== 'DAEMON_NOT_RUNNING') throw error;
      process.exitCode = EXIT_NOT_RUNNING;
      this.output.result('○ not running');
      this.output.say('  Start it: palyra daemon start');
      return { schema: 'palyra.daemon.status/v1', running: false, service };
    }
  }

  /** Loaded only when it was asked for: it reads the state as the daemon does. */
  async #deep(status: DaemonStatus, ca: string): Promise<{ checks: CheckResult[]; vitals: DaemonVitals | null }> {
    const [{ examineDeeply }, { inspectState }, { systemFs }, { doctorLines }] = await Promise.all([
      import('../../lib/cli/deep/deep-checks.js'),
      import('../../lib/daemon/state-inspection.js'),
      import('../../lib/base/system-fs.js'),
      import('../../lib/cli/doctor/doctor-report.js'),
    ]);
    const client = this.client();
    const confirmed = async () => (await client.daemonStatus()).storage.journalRecords;
    const clock = systemClock;
    const inspect = () => inspectState(status.stateDirectory, { fs: systemFs, clock, confirmed });
    let measured: Promise<DaemonVitals> | null = null;
    const vitals = () => (measured ??= client.daemonVitals());
    const checks = await examineDeeply({ client, status, ca, clock, random: systemRandom, inspect, vitals });
    for (const line of doctorLines(checks, this.flags.verbose)) this.output.result(line);
    if (checks.some((check) => check.status === 'fail')) process.exitCode = 1;
    return { checks, vitals: await vitals().catch(() => null) };
  }
}
