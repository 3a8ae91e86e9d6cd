import { Flags } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { readNodeSummary } from '../../lib/cli/host-socket.js';
import { ask } from '../../lib/cli/prompts.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';

export default class NodeReset extends ServiceCommand<typeof NodeReset> {
  static override summary = 'Forget the pairing of this machine, so that it can pair again';
  static override description = `Results that wait for the daemon are deleted with it. What was configured here stays, and so does the key of this machine unless
--new-identity is given: after copying a disk image, give every copy a new identity. The daemon is not told; to leave it for good: palyra node leave.`;
  static override examples = ['<%= config.bin %> node reset', '<%= config.bin %> node reset --new-identity --yes'];
  static override flags = {
    'new-identity': Flags.boolean({
      default: false,
      description: 'Delete the private key too: the next pairing is of another machine',
    }),
    yes: yesFlag,
  };

  async run() {
    const [{ readPairing }, { forgetPairing }] = await Promise.all([
      import('../../lib/node/join.js'),
      import('../../lib/node/forget.js'),
    ]);
    const pairing = await readPairing(this.directories.nodeState);
    if (pairing !== null && !this.flags.yes) {
      if (!this.canAsk) throw new PalyraError('CONFIRMATION_REQUIRED', { detail: 'forgetting the pairing' });
      const answer = await ask(`? Forget the pairing "${pairing.name}" with ${pairing.daemonName}? [y/N] `);
      if (!/^y(es)?$/i.test(answer)) throw new PalyraError('CANCELLED');
    }
    const stopped = await this.nodeService().stop();
    const other = await readNodeSummary(this.directories.nodeSocketPath);
    if (other !== null)
      throw new PalyraError('NODE_ALREADY_RUNNING', {
        detail: `process ${other.pid}`,
        hint: 'End it where it runs (Ctrl-C), then try again',
      });
    const changed = await forgetPairing(this.directories.nodeState, { key: this.flags['new-identity'] });
    if (stopped) this.output.say('  The service was stopped; it stays installed.');
    this.output.done(changed ? 'Forgotten. Pair again: palyra node install <link>' : 'There was nothing to forget');
    return {
      schema: 'palyra.node.reset/v1',
      action: 'reset',
      changed,
      newIdentity: this.flags['new-identity'],
      node: pairing === null ? null : { id: pairing.id, name: pairing.name },
    };
  }
}
