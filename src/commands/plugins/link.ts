import { Args, Flags } from '@oclif/core';
import { checkPlugins } from '../../lib/node/capabilities/check-plugins.js';
import { PluginsCommand } from '../../lib/cli/plugins/plugins-command.js';

export default class PluginsLink extends PluginsCommand<typeof PluginsLink> {
  static override summary = 'Use the plugin in a directory as it is, while it is being written';
  static override description = `Changed code is used at the next start. After a change of its package.json or of the flags of its commands link it again: palyra knows the commands
of plugins without loading them.`;
  static override examples = ['<%= config.bin %> plugins link .', '<%= config.bin %> plugins link ../acme --json'];
  static override args = { directory: Args.string({ required: true, description: 'Where its package.json is' }) };
  static override flags = {
    force: Flags.boolean({ description: 'Link it although it does not work; it is switched off where it fails' }),
  };

  async run() {
    const added = await this.store(checkPlugins).link(this.args.directory, process.cwd(), this.flags.force);
    return this.tellAdded(added, 'link');
  }
}
