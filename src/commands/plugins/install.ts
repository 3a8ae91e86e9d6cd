import { Args, Flags } from '@oclif/core';
import { checkPlugins } from '../../lib/node/capabilities/check-plugins.js';
import { PluginsCommand } from '../../lib/cli/plugins/plugins-command.js';

export default class PluginsInstall extends PluginsCommand<typeof PluginsInstall> {
  static override summary = 'Install a plugin: a package that adds capabilities, commands or both';
  static override description = `npm fetches it; no script of a package is run. It is loaded once, in a thread of its own, before it takes the place of a previous version: when it
does not work, nothing is changed. Its capabilities then run on this machine with the rights of the node, so install only what you trust.`;
  static override examples = [
    '<%= config.bin %> plugins install palyra-plugin-gpio',
    '<%= config.bin %> plugins install ./palyra-plugin-acme-1.0.0.tgz --json',
  ];
  static override args = {
    package: Args.string({ required: true, description: 'A name, a tarball, a directory or anything else npm takes' }),
  };
  static override flags = {
    force: Flags.boolean({ description: 'Keep it although it does not work; it is switched off where it fails' }),
  };

  async run() {
    this.output.say(`Installing ${this.args.package} …`);
    const added = await this.store(checkPlugins).install(this.args.package, process.cwd(), this.flags.force);
    return this.tellAdded(added, 'install');
  }
}
