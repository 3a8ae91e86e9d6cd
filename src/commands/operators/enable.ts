import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsEnable extends BaseCommand<typeof OperatorsEnable> {
  static override summary = 'Let an operator in again that was disabled';
  static override examples = [
    '<%= config.bin %> operators enable max',
    '<%= config.bin %> operators enable max --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'The operator' }) };

  async run() {
    const { operator, changed } = await this.client().updateOperator(this.args.name, { state: 'active' });
    this.output.done(printable(`${operator.name} is ${changed ? 'now' : 'already'} ${operator.state}`));
    return { schema: 'palyra.operators.enable/v1', action: 'enable', changed, operator };
  }
}
