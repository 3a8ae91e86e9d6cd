import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { fullInviteId, inviteLines } from '../../lib/cli/invite-report.js';

export default class InvitesShow extends BaseCommand<typeof InvitesShow> {
  static override summary = 'Show one invite: whom it lets in as what, and who has used it; never its code';
  static override examples = [
    '<%= config.bin %> invites show 7H2K9Q',
    '<%= config.bin %> invites show inv_7H2K9Q --json',
  ];
  static override args = {
    invite: Args.string({ required: true, description: 'Id as in the list, with or without inv_' }),
  };

  async run() {
    const invite = await this.client().showInvite(fullInviteId(this.args.invite));
    for (const line of inviteLines(invite, Date.now())) this.output.result(line);
    return { schema: 'palyra.invites.show/v1', invite };
  }
}
