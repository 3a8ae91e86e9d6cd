import { contextColumns } from '../../lib/cli/access-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { contextViews, warnAboutOverride } from '../../lib/cli/context-report.js';
import { Contexts } from '../../lib/cli/contexts.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class ContextList extends BaseCommand<typeof ContextList> {
  static override summary = 'List the daemons this machine has logged in to';
  static override aliases = ['context'];
  static override examples = ['<%= config.bin %> context list', '<%= config.bin %> context list --json'];

  async run() {
    const contexts = await contextViews(await Contexts.read(this.directories.config), this.directories);
    if (this.flags.quiet) for (const { name } of contexts) this.output.result(name);
    else {
      const lines = (this.flags.plain ? formatTsv : formatTable)(contexts, contextColumns());
      for (const line of lines) this.output.result(line);
    }
    warnAboutOverride(this.output);
    return { schema: 'palyra.context.list/v1', contexts };
  }
}
