import { Args, Flags } from '@oclif/core';
import { OPERATOR_ROLES } from '../../lib/base/access.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { readPassword } from '../../lib/cli/password-input.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsCreate extends BaseCommand<typeof OperatorsCreate> {
  static override summary = 'Add an operator';
  static override description = `Roles, each with everything of those before it: viewer looks; operator runs capabilities; approver lets machines and people in; owner does all.
Without a password an operator logs in with the approval of a person only.`;
  static override examples = [
    '<%= config.bin %> operators create max --role approver',
    '<%= config.bin %> operators create max --role viewer --password-stdin --json < password.txt',
  ];
  static override args = { name: Args.string({ required: true, description: 'Name to log in with' }) };
  static override flags = {
    role: Flags.option({ options: OPERATOR_ROLES })({ description: 'What the operator may do (default viewer)' }),
    password: Flags.boolean({ description: 'Ask for a password' }),
    'password-stdin': Flags.boolean({ description: 'Read a password from stdin', exclusive: ['password'] }),
  };

  async run() {
    const { role, password: asked, 'password-stdin': fromStdin } = this.flags;
    const question = `Password for ${this.args.name}`;
    const password =
      asked || fromStdin ? await readPassword({ fromStdin, canAsk: this.canAsk, question, isNew: true }) : undefined;
    const operator = await this.client().createOperator({
      name: this.args.name,
      ...(role === undefined ? {} : { role }),
      ...(password === undefined ? {} : { password }),
    });
    this.output.done(printable(`${operator.name} is ${operator.role}`));
    return { schema: 'palyra.operators.create/v1', action: 'create', operator };
  }
}
