import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class NodesRename extends BaseCommand<typeof NodesRename> {
  static override summary = 'Give a node another name';
  static override description = `Its id, its labels and what it may do stay. The old name is free at once; what was queued for the node stays with it.
A name has 1 to 63 letters, digits, dots, dashes and underscores and begins with a letter or a digit.`;
  static override examples = [
    '<%= config.bin %> nodes rename raspberrypi pi-lab',
    '<%= config.bin %> nodes rename 01JDA5M8 pi-lab --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
    name: Args.string({ required: true, description: 'The new name' }),
  };

  async run() {
    const { node, changed } = await this.client().renameNode(this.args.node, this.args.name);
    this.output.done(changed ? `${this.args.node} is now ${node.name}` : `It is already called ${node.name}`);
    return { schema: 'palyra.nodes.rename/v1', action: 'rename', changed, node };
  }
}
