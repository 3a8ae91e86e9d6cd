import { plural } from '../../lib/cli/daemon-report.js';
import { readIndex, type PluginRecord } from '../../lib/cli/plugins/plugin-index.js';
import { bringsLine, PluginsCommand, pluginView } from '../../lib/cli/plugins/plugins-command.js';
import { formatTable, formatTsv, type Column } from '../../lib/cli/table.js';

const COLUMNS: readonly Column<PluginRecord>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'VERSION', value: ({ version }) => version },
  { header: 'FROM', value: ({ source }) => source },
  { header: 'STATE', value: ({ problem }) => (problem === null ? 'ok' : 'failed') },
  { header: 'BRINGS', value: (plugin) => plugin.problem ?? bringsLine(plugin) },
];

export default class PluginsList extends PluginsCommand<typeof PluginsList> {
  static override summary = 'List installed plugins, as they were when they were installed; nothing of them is loaded';
  static override aliases = ['plugins'];
  static override examples = ['<%= config.bin %> plugins list', '<%= config.bin %> plugins list --json'];

  async run() {
    const plugins = [...(await readIndex(this.folder))].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (this.flags.quiet) for (const { name } of plugins) this.output.result(name);
    else if (this.flags.plain) for (const line of formatTsv(plugins, COLUMNS)) this.output.result(line);
    else if (plugins.length > 0) for (const line of formatTable(plugins, COLUMNS)) this.output.result(line);
    this.output.say(
      plugins.length === 0
        ? 'No plugins. Install one: palyra plugins install <package>'
        : plural(plugins.length, 'plugin'),
    );
    return { schema: 'palyra.plugins.list/v1', plugins: plugins.map((plugin) => pluginView(this.folder, plugin)) };
  }
}
