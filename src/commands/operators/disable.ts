import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsDisable extends BaseCommand<typeof OperatorsDisable> {
  static override summary = 'Keep an operator out: sessions end, tokens stop working, nothing is deleted';
  static override examples = [
    '<%= config.bin %> operators disable max',
    '<%= config.bin %> operators disable max --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'The operator' }) };

  async run() {
    const { operator, changed } = await this.client().updateOperator(this.args.name, { state: 'disabled' });
    this.output.done(printable(`${operator.name} is ${changed ? 'now' : 'already'} ${operator.state}`));
    return { schema: 'palyra.operators.disable/v1', action: 'disable', changed, operator };
  }
}
