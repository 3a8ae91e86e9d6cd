import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingsFiles } from '../../lib/cli/settings.js';

export default class ConfigPath extends BaseCommand<typeof ConfigPath> {
  static override summary = 'Show where your config.toml is, or with --all where everything is';
  static override examples = ['<%= config.bin %> config path', '<%= config.bin %> config path --all --json'];
  static override flags = { all: Flags.boolean({ description: 'State, logs and sockets too' }) };

  async run() {
    const { user, system } = settingsFiles(this.directories);
    const { config, ...others } = this.directories;
    const paths: Record<string, string> = this.flags.all ? { user, system, config, ...others } : { user };
    for (const [name, path] of Object.entries(paths)) {
      this.output.result(this.flags.all ? (this.flags.plain ? `${name}\t${path}` : `${name.padEnd(16)}${path}`) : path);
    }
    return { schema: 'palyra.config.path/v1', paths };
  }
}
