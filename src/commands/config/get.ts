import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { originText, valueText } from '../../lib/cli/settings-report.js';

export default class ConfigGet extends BaseCommand<typeof ConfigGet> {
  static override summary = 'Show the value of a setting that holds, and where it comes from';
  static override examples = [
    '<%= config.bin %> config get daemon.listen',
    '<%= config.bin %> config get log.level --json',
  ];
  static override args = { key: Args.string({ required: true, description: 'Such as daemon.listen' }) };

  async run() {
    const setting = (await this.settings()).get(this.args.key);
    if (setting.value !== null) this.output.result(valueText(setting));
    this.output.say(`from: ${originText(setting)}`);
    return { schema: 'palyra.config.get/v1', setting };
  }
}
