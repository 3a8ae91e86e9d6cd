import { join } from 'node:path';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { logFlags, showLogs } from '../../lib/cli/show-logs.js';

export default class NodeLogs extends BaseCommand<typeof NodeLogs> {
  static override summary = 'Show the log of the node that runs here as a service';
  static override description = `The same log whatever starts the service: systemd, launchd, the Task Scheduler or palyra itself.
With --follow --json each record is one line of JSON; without --follow there is one document.`;
  static override examples = ['<%= config.bin %> node logs --tail 20', '<%= config.bin %> node logs -f --level warn'];
  static override flags = logFlags;

  async run() {
    return showLogs(join(this.directories.logs, 'node.log'), 'palyra.node.logs/v1', this.flags, this.output);
  }
}
