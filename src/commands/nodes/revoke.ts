import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { confirmByName } from '../../lib/cli/prompts.js';
import { printable } from '../../lib/cli/text.js';

export default class NodesRevoke extends BaseCommand<typeof NodesRevoke> {
  static override summary = 'Withdraw trust from a node and keep its record, shown as revoked';
  static override description = `Its connections are closed at once and the machine stops with exit code 78. Within a day nodes restore gives the trust back; nodes remove
forgets the node and frees its name.`;
  static override examples = [
    '<%= config.bin %> nodes revoke pi-lab',
    '<%= config.bin %> nodes revoke pi-lab --yes --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
  };
  static override flags = { yes: yesFlag };

  async run() {
    const { node: found } = await this.client().showNode(this.args.node);
    if (!this.flags.yes && found.trust === 'paired') {
      if (!this.canAsk) throw new PalyraError('CONFIRMATION_REQUIRED', { detail: `revoking ${found.name}` });
      const about = `${printable(found.name)} (${found.platform}/${found.arch}, ${found.id}) is refused from now on; what runs there is lost.`;
      await confirmByName(about, found.name);
    }
    // By id: the name could have been given to another node between the question and the answer.
    const { node, changed } = await this.client().revokeNode(found.id);
    this.output.done(
      changed
        ? `Revoked ${node.name}; within a day: palyra nodes restore ${node.name}`
        : `${node.name} was already revoked`,
    );
    return { schema: 'palyra.nodes.revoke/v1', action: 'revoke', changed, node };
  }
}
