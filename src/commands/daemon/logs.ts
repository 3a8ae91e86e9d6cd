import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { logFlags, showLogs } from '../../lib/cli/show-logs.js';

export default class DaemonLogs extends BaseCommand<typeof DaemonLogs> {
  static override summary = 'Show the log of the daemon';
  static override description =
    'With --follow --json each record is one line of JSON; without --follow there is one document.';
  static override examples = [
    '<%= config.bin %> daemon logs --tail 20',
    '<%= config.bin %> daemon logs -f --level warn',
  ];
  static override flags = {
    ...logFlags,
    node: Flags.string({ helpValue: '<node>', description: 'Only records about this node' }),
  };

  async run() {
    const { node } = this.flags;
    const path = join(this.directories.logs, 'daemon.log');
    return showLogs(path, 'palyra.daemon.logs/v1', this.flags, this.output, (record) => {
      return node === undefined || [record['node'], record['nodeId'], record['name']].includes(node);
    });
  }
}
