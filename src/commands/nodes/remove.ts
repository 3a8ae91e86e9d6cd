import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { confirmByName } from '../../lib/cli/prompts.js';
import { printable } from '../../lib/cli/text.js';

export default class NodesRemove extends BaseCommand<typeof NodesRemove> {
  static override summary = 'Forget a node: withdraw trust, close its connections, free its name';
  static override description =
    'The node stops with exit code 78 and says why. Within a day: palyra nodes restore; after that, pair it again. To keep its record: palyra nodes revoke.';
  static override examples = [
    '<%= config.bin %> nodes remove pi-lab',
    '<%= config.bin %> nodes remove pi-lab --yes --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
  };
  static override flags = { yes: yesFlag };

  async run() {
    const { node: found } = await this.client().showNode(this.args.node);
    if (!this.flags.yes) {
      if (!this.canAsk) throw new PalyraError('CONFIRMATION_REQUIRED', { detail: `removing ${found.name}` });
      const about = `${printable(found.name)} (${found.platform}/${found.arch}, ${found.id}) loses its pairing; within a day it can be had back: palyra nodes restore.`;
      await confirmByName(about, found.name);
    }
    // By id: the name could have been given to another node between the question and the answer.
    const { node, changed } = await this.client().removeNode(found.id);
    this.output.done(
      changed ? `Removed ${node.name}; its certificate is no longer accepted` : `${node.name} was already removed`,
    );
    return { schema: 'palyra.nodes.remove/v1', action: 'remove', changed, node };
  }
}
