import { operatorColumns } from '../../lib/cli/access-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class OperatorsList extends BaseCommand<typeof OperatorsList> {
  static override summary = 'List everybody with an account';
  static override aliases = ['operators'];
  static override examples = ['<%= config.bin %> operators list', '<%= config.bin %> operators list --json'];

  async run() {
    const operators = await this.client().listOperators();
    if (this.flags.quiet) for (const { name } of operators) this.output.result(name);
    else {
      const lines = (this.flags.plain ? formatTsv : formatTable)(operators, operatorColumns());
      for (const line of lines) this.output.result(line);
    }
    this.output.say(plural(operators.length, 'operator'));
    return { schema: 'palyra.operators.list/v1', operators };
  }
}
