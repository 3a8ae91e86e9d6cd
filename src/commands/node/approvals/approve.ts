import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../../lib/cli/base-command.js';
import { answerQuestion } from '../../../lib/cli/node-approvals.js';

export default class NodeApprovalsApprove extends BaseCommand<typeof NodeApprovalsApprove> {
  static override summary = 'Say yes to a question of the node on this machine';
  static override description =
    'The first answer counts, wherever it is given. One that is over is not found: exit code 3.';
  static override examples = [
    '<%= config.bin %> node approvals approve 5T7W4K',
    '<%= config.bin %> node approvals approve 5T7W4K --always --json',
  ];
  static override args = {
    question: Args.string({ required: true, description: 'Id as in the list, or the end of it' }),
  };
  static override flags = {
    always: Flags.boolean({ description: 'And everything of the kind from now on, such as this site' }),
  };

  async run() {
    const { askHost } = await import('../../../lib/node/control.js');
    const answer = this.flags.always ? 'always' : 'once';
    return answerQuestion(askHost, this.directories.nodeSocketPath, this.output, this.args.question, answer);
  }
}
