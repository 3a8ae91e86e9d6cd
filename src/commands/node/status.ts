import { BaseCommand } from '../../lib/cli/base-command.js';
import { thisService } from '../../lib/cli/service/service-command.js';
import { nodeStatusDocument, nodeStatusReport } from '../../lib/cli/node-status.js';

export default class NodeStatus extends BaseCommand<typeof NodeStatus> {
  static override summary = 'Show whether this machine is a node, of which daemon, and whether it is connected';
  static override description = 'This machine only; for the fleet see palyra nodes list.';
  static override examples = ['<%= config.bin %> node status', '<%= config.bin %> node status --json'];

  async run() {
    const [{ readHostStatus }, { readPairing }] = await Promise.all([
      import('../../lib/node/control.js'),
      import('../../lib/node/join.js'),
    ]);
    const pairing = await readPairing(this.directories.nodeState);
    const service = await thisService('node', this.directories);
    const host = await readHostStatus(this.directories.nodeSocketPath);
    if (pairing === null) {
      this.output.result('○ not paired');
      this.output.say('  Join a daemon: palyra node run <link or host>');
    } else {
      for (const line of nodeStatusReport(pairing, host, Date.now(), service)) this.output.result(line);
    }
    return nodeStatusDocument(pairing, host, Date.now(), service);
  }
}
