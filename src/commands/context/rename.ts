import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { Contexts } from '../../lib/cli/contexts.js';
import { LOCAL, parseContextName } from '../../lib/cli/daemon-address.js';
import { renameCredential } from '../../lib/cli/stored-credentials.js';

export default class ContextRename extends BaseCommand<typeof ContextRename> {
  static override summary = 'Give a context another name';
  static override examples = [
    '<%= config.bin %> context rename 192.168.1.20 nas',
    '<%= config.bin %> context rename nas home --json',
  ];
  static override args = {
    name: Args.string({ required: true, description: 'The context' }),
    to: Args.string({ required: true, description: 'Its new name' }),
  };

  async run() {
    const contexts = await Contexts.read(this.directories.config);
    const [from, to] = [this.args.name.toLowerCase(), parseContextName(this.args.to)];
    contexts.get(from);
    if (to !== from && (to === LOCAL || contexts.has(to))) {
      throw new PalyraError('USAGE_INVALID', { detail: `there is a context "${to}" already` });
    }
    if (to !== from) {
      await renameCredential(this.directories.credentials, from, to);
      contexts.rename(from, to);
      await contexts.save();
    }
    this.output.done(`Context "${from}" is now "${to}"`);
    return { schema: 'palyra.context.rename/v1', action: 'rename', changed: to !== from, from, context: to };
  }
}
