import { Args } from '@oclif/core';
import { checkPlugins } from '../../lib/node/capabilities/check-plugins.js';
import { PluginsCommand } from '../../lib/cli/plugins/plugins-command.js';

export default class PluginsUninstall extends PluginsCommand<typeof PluginsUninstall> {
  static override summary = 'Remove a plugin; a linked directory stays as it is';
  static override aliases = ['plugins:unlink', 'plugins:remove'];
  static override examples = [
    '<%= config.bin %> plugins uninstall palyra-plugin-gpio',
    '<%= config.bin %> plugins uninstall palyra-plugin-gpio --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'As palyra plugins list shows it' }) };

  async run() {
    const { name, version, capabilities } = await this.store(checkPlugins).uninstall(this.args.name);
    this.output.done(`${name} ${version} removed`);
    if (capabilities.length > 0) this.output.say('  A running node offers its capabilities until: palyra node restart');
    return { schema: 'palyra.plugins.uninstall/v1', action: 'uninstall', changed: true, plugin: { name, version } };
  }
}
