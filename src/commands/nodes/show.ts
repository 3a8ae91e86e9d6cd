import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { nodeReport } from '../../lib/cli/node-report.js';

export default class NodesShow extends BaseCommand<typeof NodesShow> {
  static override summary = 'Show one node: its state and why, when it was away, what it can do, its last runs';
  static override examples = ['<%= config.bin %> nodes show pi-lab', '<%= config.bin %> nodes show pi-lab --json'];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
  };

  async run() {
    const details = await this.client().showNode(this.args.node);
    const { node, capabilities, recentDispatches, absences = [], pluginFailures = [] } = details;
    for (const line of nodeReport(details, Date.now())) this.output.result(line);
    if (node.presence === 'online') this.output.say(`  try         palyra nodes invoke ${node.name} system.health`);
    return {
      schema: 'palyra.nodes.show/v1',
      node: { ...node, capabilityDetails: capabilities, recentDispatches, absences, pluginFailures },
    };
  }
}
