import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { Contexts } from '../../lib/cli/contexts.js';
import { removeCredential } from '../../lib/cli/stored-credentials.js';

export default class ContextRemove extends BaseCommand<typeof ContextRemove> {
  static override summary = 'Forget a daemon: its address, its identity and the credential for it';
  static override description = `Nothing is asked of the daemon; a session that is not logged out ends by itself when it is not used. At the next login the identity of the
daemon is new to this machine again.`;
  static override examples = ['<%= config.bin %> context remove nas', '<%= config.bin %> context remove nas --json'];
  static override args = { name: Args.string({ required: true, description: 'The context' }) };

  async run() {
    const contexts = await Contexts.read(this.directories.config);
    const name = this.args.name.toLowerCase();
    contexts.get(name);
    contexts.remove(name);
    await contexts.save();
    const loggedIn = await removeCredential(this.directories.credentials, name);
    if (loggedIn) this.output.warn('its credential was removed here; at the daemon it ends when it is not used');
    this.output.done(`Context "${name}" removed. Current is "${contexts.current ?? 'local'}".`);
    return {
      schema: 'palyra.context.remove/v1',
      action: 'remove',
      changed: true,
      context: name,
      current: contexts.current ?? 'local',
    };
  }
}
