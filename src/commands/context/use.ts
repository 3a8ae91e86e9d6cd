import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { warnAboutOverride } from '../../lib/cli/context-report.js';
import { Contexts } from '../../lib/cli/contexts.js';

export default class ContextUse extends BaseCommand<typeof ContextUse> {
  static override summary = 'Choose the daemon that commands speak to; "local" is the one of this machine';
  static override examples = ['<%= config.bin %> context use nas', '<%= config.bin %> context use local --json'];
  static override args = { name: Args.string({ required: true, description: 'A name of palyra context list' }) };

  async run() {
    const contexts = await Contexts.read(this.directories.config);
    const before = contexts.current;
    contexts.use(this.args.name);
    const changed = contexts.current !== before;
    if (changed) await contexts.save();
    const context = contexts.current ?? 'local';
    this.output.done(changed ? `Context "${context}" is now current` : `Context "${context}" was current already`);
    warnAboutOverride(this.output);
    return { schema: 'palyra.context.use/v1', action: 'use', changed, context };
  }
}
