import { BaseCommand } from '../../lib/cli/base-command.js';
import { EXIT_CODES } from '../../lib/cli/exit-codes.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

const COLUMNS = [
  { header: 'CODE', value: (row: (typeof EXIT_CODES)[number]) => String(row.code) },
  { header: 'MEANING', value: (row: (typeof EXIT_CODES)[number]) => row.meaning },
  { header: 'AGAIN?', value: (row: (typeof EXIT_CODES)[number]) => row.retry },
];

export default class HelpExitCodes extends BaseCommand<typeof HelpExitCodes> {
  static override summary = 'What the exit codes mean';
  static override examples = ['<%= config.bin %> help exit-codes', '<%= config.bin %> help exit-codes --json'];

  async run() {
    const lines = this.flags.plain ? formatTsv(EXIT_CODES, COLUMNS) : formatTable(EXIT_CODES, COLUMNS);
    for (const line of lines) this.output.result(line);
    return { schema: 'palyra.exit-codes/v1', exitCodes: EXIT_CODES };
  }
}
