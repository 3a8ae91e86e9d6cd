import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../../lib/cli/base-command.js';
import { answerQuestion } from '../../../lib/cli/node-approvals.js';

export default class NodeApprovalsDeny extends BaseCommand<typeof NodeApprovalsDeny> {
  static override summary = 'Say no to a question of the node on this machine';
  static override description =
    'The first answer counts, wherever it is given. One that is over is not found: exit code 3.';
  static override examples = [
    '<%= config.bin %> node approvals deny 5T7W4K',
    '<%= config.bin %> node approvals deny 5T7W4K --mute --json',
  ];
  static override args = {
    question: Args.string({ required: true, description: 'Id as in the list, or the end of it' }),
  };
  static override flags = { mute: Flags.boolean({ description: 'And do not ask again for this caller for an hour' }) };

  async run() {
    const { askHost } = await import('../../../lib/node/control.js');
    const answer = this.flags.mute ? 'mute' : 'deny';
    return answerQuestion(askHost, this.directories.nodeSocketPath, this.output, this.args.question, answer);
  }
}
