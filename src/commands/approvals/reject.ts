import { Args, Flags } from '@oclif/core';
import { endOf, shortRequestId } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { printable } from '../../lib/cli/text.js';

export default class ApprovalsReject extends BaseCommand<typeof ApprovalsReject> {
  static override summary = 'Turn a machine or a program away that asks to be let in';
  static override description =
    'Whoever asks is told who said no and why; a machine stops with exit code 78. Rejecting twice is no error.';
  static override examples = [
    '<%= config.bin %> approvals reject M4XT --reason "not ours"',
    '<%= config.bin %> approvals reject req_M4XT9Q --json',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id as in the list, or its first characters (3 or more)' }),
  };
  static override flags = {
    reason: Flags.string({ helpValue: '<text>', description: 'What the person over there is told' }),
  };

  async run() {
    const { reason } = this.flags;
    const answer = await this.client().reject(this.args.request, reason === undefined ? {} : { reason });
    const id = shortRequestId(answer.request.id);
    const told = printable(endOf(answer.request));
    this.output.done(answer.changed ? `Request ${id} rejected` : `Request ${id}: already ${told}`);
    return { schema: 'palyra.approvals.reject/v1', ...answer };
  }
}
