import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class NodesGrant extends BaseCommand<typeof NodesGrant> {
  static override summary = 'Let a node run capabilities that it announces';
  static override description =
    'What it may do is what it announces and what was granted; the machine itself may still have it switched off.';
  static override strict = false;
  static override usage = ['nodes grant <node> <capability>…'];
  static override examples = [
    '<%= config.bin %> nodes grant pi-lab fs.list',
    '<%= config.bin %> nodes grant pi-lab process.run fs.read_text --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
    capability: Args.string({ required: true, description: 'Such as fs.list; more may follow' }),
  };

  async run() {
    const capabilities = this.words.slice(1);
    const { node, changed } = await this.client().changeGrants(this.args.node, { grant: capabilities });
    const names = capabilities.join(', ');
    this.output.done(changed ? `${node.name} may run ${names}` : `${node.name}: it was so already`);
    return { schema: 'palyra.nodes.grant/v1', action: 'grant', changed, capabilities, node };
  }
}
