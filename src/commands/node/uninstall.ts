import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { shortPath } from '../../lib/cli/service/service-story.js';

export default class NodeUninstall extends ServiceCommand<typeof NodeUninstall> {
  static override summary = 'Stop the service of the node and remove all its files, its log included';
  static override description =
    'The pairing stays: palyra node run and palyra node install still work. To give the pairing up too: palyra node leave.';
  static override examples = ['<%= config.bin %> node uninstall', '<%= config.bin %> node uninstall --json'];

  async run() {
    const removed = await this.nodeService().uninstall({ withLog: true });
    for (const path of removed) this.output.done(`Removed ${shortPath(path)}`);
    this.output.done(removed.length > 0 ? 'Uninstalled. The pairing stays' : 'Already uninstalled');
    return { schema: 'palyra.node.uninstall/v1', action: 'uninstall', changed: removed.length > 0, removed };
  }
}
