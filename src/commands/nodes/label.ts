import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { parseLabelChange } from '../../lib/cli/label-words.js';
import { labelsOf } from '../../lib/cli/node-columns.js';

export default class NodesLabel extends BaseCommand<typeof NodesLabel> {
  static override summary = 'Set labels of a node (k=v) and take others away (k-)';
  static override description = 'Labels select nodes: palyra nodes list -l site=lab. A node has at most 32 of them.';
  static override examples = [
    '<%= config.bin %> nodes label pi-lab site=lab room=2',
    '<%= config.bin %> nodes label pi-lab room- --json',
  ];
  static override strict = false;
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
    label: Args.string({ required: true, description: 'k=v sets a label, k- takes it away; any number of them' }),
  };

  async run() {
    const change = parseLabelChange(this.words.slice(1));
    const { node, changed } = await this.client().labelNode(this.args.node, change);
    const labels = labelsOf(node.labels) || 'no labels';
    this.output.done(changed ? `${node.name}: ${labels}` : `${node.name} had it so already: ${labels}`);
    return { schema: 'palyra.nodes.label/v1', action: 'label', changed, node };
  }
}
