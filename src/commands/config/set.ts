import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingsFiles } from '../../lib/cli/settings.js';
import { editSettings } from '../../lib/cli/settings-file.js';
import { settingKey, type SettingValue } from '../../lib/cli/settings-keys.js';
import { valueText } from '../../lib/cli/settings-report.js';

export default class ConfigSet extends BaseCommand<typeof ConfigSet> {
  static override summary = 'Set a setting in your config.toml';
  static override description =
    'Comments, order and keys that this version does not know stay as they are. A service reads its settings when it starts.';
  static override strict = false;
  static override usage = 'config set <key> <value>…';
  static override examples = [
    '<%= config.bin %> config set daemon.listen lan',
    '<%= config.bin %> config set presence.heartbeat 5s --json',
  ];
  static override args = {
    key: Args.string({ required: true, description: 'Such as daemon.listen' }),
    value: Args.string({ required: true, description: 'Its value; of a list any number of words' }),
  };

  async run() {
    const { key, parse, variable, shown = (held: SettingValue) => held } = settingKey(this.args.key);
    const set = this.#value(key, parse);
    const value = shown(set);
    const file = settingsFiles(this.directories).user;
    const changed = await editSettings(file, key, set);
    const held = (await this.settings()).get(key);
    this.output.done(`${key} is ${valueText({ value })}${changed ? '' : ' already'} in ${file}`);
    if (held.origin === 'env') this.warn(`${variable ?? 'the environment'} says otherwise and wins`);
    return { schema: 'palyra.config.set/v1', action: 'set', changed, key, value, file };
  }

  #value(key: string, parse: ReturnType<typeof settingKey>['parse']) {
    try {
      return parse(this.words.slice(1));
    } catch (error) {
      const { detail } = PalyraError.from(error);
      throw new PalyraError('USAGE_INVALID', { detail: `${key}: ${detail ?? 'not valid'}`, cause: error });
    }
  }
}
