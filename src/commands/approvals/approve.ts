import { Args, Flags } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { approvalLines, endOf } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { parseLabels } from '../../lib/cli/flags.js';
import { ask } from '../../lib/cli/prompts.js';
import { printable } from '../../lib/cli/text.js';
import type { ApprovalView } from '../../lib/base/model.js';

export default class ApprovalsApprove extends BaseCommand<typeof ApprovalsApprove> {
  static override summary = 'Let a machine join that asks to';
  static override description = `The PIN on the machine's screen is the confirmation: it is typed here, and five wrong ones close the request. A machine that came with an
invite has proven its code and needs none. Approving twice is no error; a request that was answered otherwise ends with exit code 7.`;
  static override examples = [
    '<%= config.bin %> approvals approve M4XT',
    '<%= config.bin %> approvals approve M4XT --pin 482913 --name win-pc --label site=lab --json',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id as in the list, or its first characters (3 or more)' }),
  };
  static override flags = {
    pin: Flags.string({
      helpValue: '<PIN>',
      description: 'The six digits that the machine shows',
      exclusive: ['no-pin'],
    }),
    'no-pin': Flags.boolean({ description: 'Owner only, when its screen cannot be seen: approve whoever it is' }),
    name: Flags.string({ helpValue: '<name>', description: 'Name of the node, in place of the one it asks for' }),
    label: Flags.string({ multiple: true, helpValue: '<k=v>', description: 'Label of the node; repeat it for more' }),
    only: Flags.string({ helpValue: '<name,…>', description: 'Grant only these capabilities' }),
  };

  async run() {
    const request = await this.client().showApproval(this.args.request);
    if (request.state === 'pending') for (const line of approvalLines(request, Date.now())) this.output.say(line);
    const pin = await this.#pin(request);
    const { name, label, only } = this.flags;
    // By the whole id: another request may have come that begins alike.
    const answer = await this.client().approve(request.id, {
      ...(pin === null ? {} : { pin }),
      noPin: this.flags['no-pin'],
      ...(name === undefined ? {} : { name }),
      ...(label === undefined ? {} : { labels: parseLabels(label) }),
      ...(only === undefined ? {} : { only: only.split(',').map((word) => word.trim()) }),
    });
    const joined = printable(answer.node?.name ?? answer.request.subject.name);
    this.output.done(answer.changed ? `${joined} joined` : `${joined}: already ${printable(endOf(answer.request))}`);
    return { schema: 'palyra.approvals.approve/v1', ...answer };
  }

  async #pin(request: ApprovalView): Promise<string | null> {
    if (this.flags.pin !== undefined) return this.flags.pin;
    if (!request.pinRequired || request.state !== 'pending' || this.flags['no-pin']) return null;
    if (!this.canAsk) throw new PalyraError('PIN_REQUIRED');
    return ask(`? PIN shown on ${printable(request.subject.name)}: `);
  }
}
