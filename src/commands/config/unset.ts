import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingsFiles } from '../../lib/cli/settings.js';
import { editSettings } from '../../lib/cli/settings-file.js';
import { originText, valueText } from '../../lib/cli/settings-report.js';
import { SETTING_KEYS } from '../../lib/cli/settings-keys.js';

export default class ConfigUnset extends BaseCommand<typeof ConfigUnset> {
  static override summary = 'Take a setting out of your config.toml';
  static override description = 'Also one that this version does not know. What holds then is told.';
  static override examples = [
    '<%= config.bin %> config unset daemon.listen',
    '<%= config.bin %> config unset log.level --json',
  ];
  static override args = { key: Args.string({ required: true, description: 'Such as daemon.listen' }) };

  async run() {
    const { key } = this.args;
    const file = settingsFiles(this.directories).user;
    const changed = await editSettings(file, key, undefined);
    const known = SETTING_KEYS.some((row) => row.key === key);
    const setting = known ? (await this.settings()).get(key) : null;
    const now = setting === null ? '' : `; it is ${valueText(setting)} now (${originText(setting)})`;
    this.output.done(changed ? `${key} is gone from ${file}${now}` : `${key} was not in ${file}${now}`);
    return { schema: 'palyra.config.unset/v1', action: 'unset', changed, key, file, setting };
  }
}
