import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { fullInviteId, shortInviteId } from '../../lib/cli/invite-report.js';

export default class InvitesRevoke extends BaseCommand<typeof InvitesRevoke> {
  static override summary = 'End an invite: nobody can join with it any more';
  static override description = 'Machines that already joined stay. Revoking twice is no error.';
  static override examples = [
    '<%= config.bin %> invites revoke 7H2K9Q',
    '<%= config.bin %> invites revoke inv_7H2K9Q --json',
  ];
  static override args = {
    invite: Args.string({ required: true, description: 'Id as in the list, with or without inv_' }),
  };

  async run() {
    const { invite, changed } = await this.client().revokeInvite(fullInviteId(this.args.invite));
    const id = shortInviteId(invite.id);
    this.output.done(changed ? `Invite ${id} revoked` : `Invite ${id} was already over (${invite.state})`);
    return { schema: 'palyra.invites.revoke/v1', action: 'revoke', changed, invite };
  }
}
