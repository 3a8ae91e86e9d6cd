import { Help as OclifHelp } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class Help extends BaseCommand<typeof Help> {
  static override summary = 'Show help for a command or a topic';
  static override strict = false;
  static readsCommands = true;
  static override usage = 'help [command…]';
  static override examples = ['<%= config.bin %> help nodes invoke', '<%= config.bin %> help exit-codes'];

  async run(): Promise<undefined> {
    await new OclifHelp(this.config, { all: false }).showHelp([...this.words]);
    return undefined;
  }
}
