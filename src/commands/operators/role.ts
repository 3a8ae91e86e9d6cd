import { Args } from '@oclif/core';
import { OPERATOR_ROLES } from '../../lib/base/access.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsRole extends BaseCommand<typeof OperatorsRole> {
  static override summary = 'Change what an operator may do';
  static override examples = [
    '<%= config.bin %> operators role max approver',
    '<%= config.bin %> operators role max viewer --json',
  ];
  static override args = {
    name: Args.string({ required: true, description: 'The operator' }),
    role: Args.string({ required: true, options: OPERATOR_ROLES, description: 'The new role' }),
  };

  async run() {
    const role = OPERATOR_ROLES.find((candidate) => candidate === this.args.role) ?? 'viewer';
    const { operator, changed } = await this.client().updateOperator(this.args.name, { role });
    this.output.done(printable(`${operator.name} is ${changed ? 'now' : 'already'} ${operator.role}`));
    return { schema: 'palyra.operators.role/v1', action: 'role', changed, operator };
  }
}
