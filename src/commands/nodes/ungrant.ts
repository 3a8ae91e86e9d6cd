import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class NodesUngrant extends BaseCommand<typeof NodesUngrant> {
  static override summary = 'Take capabilities away from a node, until they are granted again';
  static override description =
    'It stays taken away whatever the machine announces. What waits in its queue for them is cancelled; what runs goes on.';
  static override strict = false;
  static override usage = ['nodes ungrant <node> <capability>…'];
  static override examples = [
    '<%= config.bin %> nodes ungrant pi-lab fs.list',
    '<%= config.bin %> nodes ungrant pi-lab process.run fs.read_text --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
    capability: Args.string({ required: true, description: 'Such as fs.list; more may follow' }),
  };

  async run() {
    const capabilities = this.words.slice(1);
    const { node, changed } = await this.client().changeGrants(this.args.node, { withhold: capabilities });
    const names = capabilities.join(', ');
    this.output.done(changed ? `${node.name} may no longer run ${names}` : `${node.name}: it was so already`);
    return { schema: 'palyra.nodes.ungrant/v1', action: 'ungrant', changed, capabilities, node };
  }
}
