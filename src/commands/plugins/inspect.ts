import { Args } from '@oclif/core';
import { checkPlugins } from '../../lib/node/capabilities/check-plugins.js';
import { loadCapabilities } from '../../lib/cli/plugins/load-capabilities.js';
import { readIndex } from '../../lib/cli/plugins/plugin-index.js';
import { PluginsCommand, pluginView } from '../../lib/cli/plugins/plugins-command.js';
import { findPlugin } from '../../lib/cli/plugins/plugin-store.js';
import { printable } from '../../lib/cli/text.js';

export default class PluginsInspect extends PluginsCommand<typeof PluginsInspect> {
  static override summary = 'Load one plugin, apart from everything, and show what it adds and from where';
  static override examples = [
    '<%= config.bin %> plugins inspect palyra-plugin-gpio',
    '<%= config.bin %> plugins inspect palyra-plugin-gpio --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'As palyra plugins list shows it' }) };

  async run() {
    const record = findPlugin(await readIndex(this.folder), this.args.name);
    const found = await loadCapabilities<object>([record], this.loadOptions);
    await found.close();
    const { names, failures } = checkPlugins(found.registrations);
    const problems = [...found.failures, ...failures].map(({ message }) => message);
    const view = pluginView(this.folder, record);
    const add = (label: string, text: string) => {
      if (text !== '') this.output.result(printable(`  ${label.padEnd(14)}${text}`));
    };
    const state = problems.length === 0 && record.problem === null ? 'ok' : 'failed';
    this.output.result(printable(`${view.name} ${view.version} · ${state}`));
    add('about', view.description);
    add('from', `${view.source} ${view.spec} · ${view.installedAt.slice(0, 10)} · ${view.root}`);
    add('capabilities', names.join(' · '));
    add('commands', view.commands.map((command) => `palyra ${command}`).join(' · '));
    add('not run', view.ignoredHooks.map((event) => `hook ${event}`).join(' · '));
    for (const problem of problems.length > 0 ? problems : [record.problem ?? '']) add('problem', problem);
    return { schema: 'palyra.plugins.inspect/v1', plugin: { ...view, state, capabilities: names }, problems };
  }
}
