import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { readPassword } from '../../lib/cli/password-input.js';
import { printable } from '../../lib/cli/text.js';

export default class OperatorsPassword extends BaseCommand<typeof OperatorsPassword> {
  static override summary = 'Set the password of an operator, or take it away';
  static override examples = [
    '<%= config.bin %> operators password max',
    '<%= config.bin %> operators password max --password-stdin --json < password.txt',
    '<%= config.bin %> operators password max --remove',
  ];
  static override args = { name: Args.string({ required: true, description: 'The operator' }) };
  static override flags = {
    'password-stdin': Flags.boolean({ description: 'Read it from stdin' }),
    remove: Flags.boolean({
      description: 'From now on this operator logs in by approval only',
      exclusive: ['password-stdin'],
    }),
  };

  async run() {
    const question = `New password for ${this.args.name}`;
    const fromStdin = this.flags['password-stdin'];
    const password = this.flags.remove
      ? null
      : await readPassword({ fromStdin, canAsk: this.canAsk, question, isNew: true });
    const { operator, changed } = await this.client().updateOperator(this.args.name, { password });
    this.output.done(printable(`${operator.name} ${operator.hasPassword ? 'has a new password' : 'has no password'}`));
    return { schema: 'palyra.operators.password/v1', action: 'password', changed, operator };
  }
}
