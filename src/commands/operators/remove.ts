import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { confirmByName } from '../../lib/cli/prompts.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsRemove extends BaseCommand<typeof OperatorsRemove> {
  static override summary = 'Remove an operator with every session and token';
  static override examples = [
    '<%= config.bin %> operators remove max',
    '<%= config.bin %> operators remove max --yes --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'The operator' }) };
  static override flags = { yes: yesFlag };

  async run() {
    const { name } = this.args;
    if (!this.flags.yes) {
      if (!this.canAsk) throw new PalyraError('CONFIRMATION_REQUIRED');
      await confirmByName(`${name} loses every session and token.`, name);
    }
    const { operator, changed } = await this.client().removeOperator(name);
    this.output.done(printable(`${operator.name} ${changed ? 'is removed' : 'was removed already'}`));
    return { schema: 'palyra.operators.remove/v1', action: 'remove', changed, operator };
  }
}
