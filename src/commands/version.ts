import { NODE_PROTOCOL } from '../lib/base/model.js';
import { BaseCommand } from '../lib/cli/base-command.js';

export default class Version extends BaseCommand<typeof Version> {
  static override summary = 'Show the version';
  static override examples = ['<%= config.bin %> version', '<%= config.bin %> version --json'];

  async run() {
    const { version } = this.config;
    this.output.result(`palyra ${version} · Node ${process.version} · ${process.platform}/${process.arch}`);
    return {
      schema: 'palyra.version/v1',
      version,
      node: process.version,
      platform: process.platform,
      arch: process.arch,
      protocol: NODE_PROTOCOL,
    };
  }
}
