import { readNodeSummary } from '../../lib/cli/host-socket.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';

export default class NodeStop extends ServiceCommand<typeof NodeStop> {
  static override summary = 'Stop the service of the node; it stays installed and paired';
  static override description =
    'The daemon is told goodbye. An enabled service starts again at the next boot or login; to end that: palyra node uninstall.';
  static override examples = ['<%= config.bin %> node stop', '<%= config.bin %> node stop --json'];

  async run() {
    const service = this.nodeService();
    const changed = await service.stop();
    this.output.done(changed ? 'Stopped. Start it again: palyra node start' : 'Already stopped');
    const other = changed ? null : await readNodeSummary(this.directories.nodeSocketPath);
    if (other !== null)
      this.output.warn(`A node that is no service runs here (pid ${other.pid}); end it where it was started`);
    return this.serviceDocument('node', 'stop', changed, service.installed());
  }
}
