import { tokenColumns } from '../../lib/cli/access-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class TokensList extends BaseCommand<typeof TokensList> {
  static override summary = 'List tokens, without their secrets: one’s own, the owner sees everybody’s';
  static override aliases = ['tokens'];
  static override examples = ['<%= config.bin %> tokens list', '<%= config.bin %> tokens list --json'];

  async run() {
    const tokens = await this.client().listTokens();
    const columns = tokenColumns(Date.now());
    if (this.flags.quiet) for (const { id } of tokens) this.output.result(id);
    else if (this.flags.plain) for (const line of formatTsv(tokens, columns)) this.output.result(line);
    else if (tokens.length > 0) for (const line of formatTable(tokens, columns)) this.output.result(line);
    this.output.say(tokens.length === 0 ? 'No tokens.' : plural(tokens.length, 'token'));
    return { schema: 'palyra.tokens.list/v1', tokens };
  }
}
