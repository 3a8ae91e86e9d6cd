import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { LOG_LEVELS } from '../../lib/base/log.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { formatLogRecord, type LogRecord } from '../../lib/cli/log-format.js';
import { followLog, logSize, readLog } from '../../lib/cli/log-reader.js';
import { listenForStop } from '../../lib/cli/signals.js';

const DEFAULT_TAIL = 200;

export default class DaemonLogs extends BaseCommand<typeof DaemonLogs> {
  static override summary = 'Show the log of the daemon';
  static override description =
    'With --follow --json each record is one line of JSON; without --follow there is one document.';
  static override examples = [
    '<%= config.bin %> daemon logs --tail 20',
    '<%= config.bin %> daemon logs -f --level warn',
  ];
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'Go on with what is added, until Ctrl-C' }),
    since: durationFlag({ description: 'Only what is younger, such as 1h' }),
    tail: Flags.integer({ min: 0, default: DEFAULT_TAIL, helpValue: '<n>', description: 'Only the last lines' }),
    level: Flags.option({ options: LOG_LEVELS, default: 'debug' as const })({
      description: 'Only this level and worse',
    }),
    node: Flags.string({ helpValue: '<node>', description: 'Only records about this node' }),
  };

  async run() {
    const path = join(this.directories.logs, 'daemon.log');
    const { follow, since, tail, level } = this.flags;
    const query = { since: since === undefined ? null : Date.now() - since, level, tail };
    // Taken first: what is written in between is shown twice rather than not at all.
    const from = await logSize(path);
    const entries = (await readLog(path, query)).filter((record) => this.#isWanted(record));
    if (!follow) {
      for (const record of entries) this.output.result(formatLogRecord(record));
      if (entries.length === 0) this.output.say('The log has nothing to show.');
      return { schema: 'palyra.daemon.logs/v1', entries };
    }
    const stop = listenForStop();
    try {
      for (const record of entries) this.#show(record);
      for await (const record of followLog(path, { ...query, tail: null }, from, stop.signal)) {
        if (this.#isWanted(record)) this.#show(record);
      }
    } finally {
      stop.dispose();
    }
    process.exitCode = stop.exitCode() ?? 0;
    return undefined;
  }

  #isWanted(record: LogRecord): boolean {
    return (
      this.flags.node === undefined || [record['node'], record['nodeId'], record['name']].includes(this.flags.node)
    );
  }

  #show(record: LogRecord): void {
    if (this.output.json) this.output.line(record);
    else this.output.result(formatLogRecord(record));
  }
}
