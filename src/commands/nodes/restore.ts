import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class NodesRestore extends BaseCommand<typeof NodesRestore> {
  static override summary = 'Give trust back to a node that was revoked or removed less than a day ago';
  static override description = `It is the same node again: id, certificates, labels and what was granted. What had failed stays failed, and the machine, which has
stopped, must be started: palyra node run. After a day, or when the machine was paired again, it takes a new invite.`;
  static override examples = [
    '<%= config.bin %> nodes restore pi-lab',
    '<%= config.bin %> nodes restore nod_01JDA5M8T2 --name pi-lab-2 --json',
  ];
  static override args = { node: Args.string({ required: true, description: 'Name or id it had' }) };
  static override flags = {
    name: Flags.string({ helpValue: '<name>', description: 'Another name, when its own was given away meanwhile' }),
  };

  async run() {
    const { name } = this.flags;
    const { node, changed } = await this.client().restoreNode(this.args.node, name === undefined ? {} : { name });
    this.output.done(
      changed
        ? `${node.name} is trusted again; start it on that machine: palyra node run`
        : `${node.name} is trusted already`,
    );
    return { schema: 'palyra.nodes.restore/v1', action: 'restore', changed, node };
  }
}
