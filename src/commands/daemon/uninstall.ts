import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { shortPath } from '../../lib/cli/service/service-story.js';

export default class DaemonUninstall extends ServiceCommand<typeof DaemonUninstall> {
  static override summary = 'Stop the service of the daemon and remove its files';
  static override description =
    'The state of the daemon stays: its authority, its nodes, its audit log and its log. Nodes reconnect after: palyra daemon start.';
  static override examples = ['<%= config.bin %> daemon uninstall', '<%= config.bin %> daemon uninstall --json'];

  async run() {
    const removed = await this.daemonService().uninstall({ withLog: false });
    for (const path of removed) this.output.done(`Removed ${shortPath(path)}`);
    this.output.done(removed.length > 0 ? 'Uninstalled. The state of the daemon stays' : 'Already uninstalled');
    return { schema: 'palyra.daemon.uninstall/v1', action: 'uninstall', changed: removed.length > 0, removed };
  }
}
