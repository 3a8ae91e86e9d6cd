import { Args, Flags } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { approvalLines, endOf, pinQuestion } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { parseLabels } from '../../lib/cli/flags.js';
import { ask } from '../../lib/cli/prompts.js';
import { printable } from '../../lib/cli/text.js';
import type { ApprovalView } from '../../lib/base/requests.js';

export default class ApprovalsApprove extends BaseCommand<typeof ApprovalsApprove> {
  static override summary = 'Let a machine join, a program log in, or a node do more, that asks to';
  static override description = `The PIN on the screen of whoever asks is the confirmation: it is typed here, and five wrong ones close the request. A machine that came with
an invite has proven its code and needs none. A node that announces more than
it was granted needs none either: --only grants some of it and declines the rest. A program is logged in as you, or as the one it names; the owner may say as whom. Approving twice is no error; a
request that was answered otherwise ends with exit code 7.`;
  static override examples = [
    '<%= config.bin %> approvals approve M4XT',
    '<%= config.bin %> approvals approve M4XT --pin 482913 --name win-pc --label site=lab --json',
    '<%= config.bin %> approvals approve M4XT --replace pi-lab',
    '<%= config.bin %> approvals approve BDWP --as ci-bot',
    '<%= config.bin %> approvals approve 9DM4 --only camera.snap',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id as in the list, or its first characters (3 or more)' }),
  };
  static override flags = {
    pin: Flags.string({
      helpValue: '<PIN>',
      description: 'The six digits that the machine or palyra login shows',
      exclusive: ['no-pin'],
    }),
    'no-pin': Flags.boolean({ description: 'Owner only, when its screen cannot be seen: approve whoever it is' }),
    name: Flags.string({ helpValue: '<name>', description: 'Name of the node, in place of the one it asks for' }),
    label: Flags.string({ multiple: true, helpValue: '<k=v>', description: 'Label of the node; repeat it for more' }),
    purpose: Flags.string({ helpValue: '<text>', description: 'What the node is for' }),
    replace: Flags.string({
      helpValue: '<node>',
      description: 'It takes the place of this node, with its name, labels and grants; the old key is revoked',
    }),
    as: Flags.string({ helpValue: '<operator>', description: 'Owner only: whom a program is logged in as' }),
    only: Flags.string({ helpValue: '<name,…>', description: 'Grant only these capabilities' }),
  };

  async run() {
    const client = this.client();
    const request = await client.showApproval(this.args.request);
    const { name, label, only, purpose, replace, as } = this.flags;
    if (request.state === 'pending') {
      const replaces = replace === undefined ? null : (await client.showNode(replace)).node;
      for (const line of approvalLines(request, Date.now(), { as, replaces })) this.output.say(line);
    }
    const pin = await this.#pin(request);
    // By the whole id: another request may have come that begins alike.
    const answer = await client.approve(request.id, {
      ...(pin === null ? {} : { pin }),
      noPin: this.flags['no-pin'],
      ...(name === undefined ? {} : { name }),
      ...(label === undefined ? {} : { labels: parseLabels(label) }),
      ...(purpose === undefined ? {} : { purpose }),
      ...(replace === undefined ? {} : { replace }),
      ...(as === undefined ? {} : { as }),
      ...(only === undefined ? {} : { only: only.split(',').map((word) => word.trim()) }),
    });
    const { subject, operator, kind } = answer.request;
    const who = printable(answer.node?.name ?? subject.name);
    const granted = answer.request.wants.join(', ') || 'nothing';
    const done =
      kind === 'capabilities'
        ? printable(`${who} may now do ${granted}`)
        : kind === 'join'
          ? `${who} joined`
          : `palyra on ${who} is logged in as ${printable(operator ?? '')}`;
    this.output.done(answer.changed ? done : `${who}: already ${printable(endOf(answer.request))}`);
    return { schema: 'palyra.approvals.approve/v1', ...answer };
  }

  async #pin(request: ApprovalView): Promise<string | null> {
    if (this.flags.pin !== undefined) return this.flags.pin;
    if (!request.pinRequired || request.state !== 'pending' || this.flags['no-pin']) return null;
    if (!this.canAsk) throw new PalyraError('PIN_REQUIRED');
    return ask(pinQuestion(request));
  }
}
