import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { ORIGIN_COLUMN, SETTING_COLUMNS } from '../../lib/cli/settings-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class ConfigList extends BaseCommand<typeof ConfigList> {
  static override summary = 'List every setting with the value that holds';
  static override description = `In this order, first wins: flags of a command, environment, the user's config.toml, the machine's (/etc/palyra/config.toml), built in.
Where the daemon listens is decided by palyra daemon expose before any file.`;
  static override aliases = ['config'];
  static override examples = ['<%= config.bin %> config list --origin', '<%= config.bin %> config list --json'];
  static override flags = { origin: Flags.boolean({ description: 'Where each value comes from' }) };

  async run() {
    const settings = await this.settings();
    const values = settings.list();
    const columns = this.flags.origin ? [...SETTING_COLUMNS, ORIGIN_COLUMN] : [...SETTING_COLUMNS];
    for (const line of this.flags.plain ? formatTsv(values, columns) : formatTable(values, columns)) {
      this.output.result(line);
    }
    return { schema: 'palyra.config.list/v1', values, unknown: settings.unknown };
  }
}
