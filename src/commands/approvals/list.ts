import { Flags } from '@oclif/core';
import { approvalColumns, PLAIN_APPROVAL_COLUMNS } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class ApprovalsList extends BaseCommand<typeof ApprovalsList> {
  static override summary =
    'List what waits for an answer: machines that ask to join, programs that log in, questions at machines; oldest first';
  static override description =
    'What a person at a machine is being asked before a run is in the list too; it is answered at that machine only.';
  static override aliases = ['approvals'];
  static override examples = ['<%= config.bin %> approvals list', '<%= config.bin %> approvals list --all --json'];
  static override flags = { all: Flags.boolean({ description: 'Those that were answered in the last day too' }) };

  async run() {
    const requests = await this.client().listApprovals({ all: this.flags.all });
    if (this.flags.quiet) for (const request of requests) this.output.result(request.id);
    else if (this.flags.plain) {
      for (const line of formatTsv(requests, [...PLAIN_APPROVAL_COLUMNS])) this.output.result(line);
    } else if (requests.length > 0) {
      for (const line of formatTable(requests, approvalColumns(Date.now()))) this.output.result(line);
    }
    const there = requests.filter(({ answerableHere }) => !answerableHere).length;
    const elsewhere = there === 0 ? '' : `, ${there} of them asked at a machine`;
    const count = `${plural(requests.length, 'request')}${elsewhere}`;
    this.output.say(requests.length === 0 ? 'Nothing waits for an answer.' : count);
    return { schema: 'palyra.approvals.list/v1', requests };
  }
}
