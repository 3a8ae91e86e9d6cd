import { Args } from '@oclif/core';
import { approvalLines } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class ApprovalsShow extends BaseCommand<typeof ApprovalsShow> {
  static override summary = 'Show one request: who asks, from where, with which key, and what became of it';
  static override examples = [
    '<%= config.bin %> approvals show M4XT',
    '<%= config.bin %> approvals show req_M4XT9Q --json',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id as in the list, or its first characters (3 or more)' }),
  };

  async run() {
    const request = await this.client().showApproval(this.args.request);
    for (const line of approvalLines(request, Date.now())) this.output.result(line);
    return { schema: 'palyra.approvals.show/v1', request };
  }
}
