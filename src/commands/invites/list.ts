import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { inviteColumns } from '../../lib/cli/invite-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class InvitesList extends BaseCommand<typeof InvitesList> {
  static override summary = 'List invites: open, used, expired and revoked; never their codes';
  static override examples = ['<%= config.bin %> invites list', '<%= config.bin %> invites list --open --json'];
  static override flags = { open: Flags.boolean({ description: 'Only those that can still be used' }) };

  async run() {
    const all = await this.client().listInvites();
    const invites = this.flags.open ? all.filter((invite) => invite.state === 'open') : all;
    const columns = inviteColumns(Date.now());
    if (this.flags.quiet) for (const invite of invites) this.output.result(invite.id);
    else if (this.flags.plain) for (const line of formatTsv(invites, columns)) this.output.result(line);
    else if (invites.length > 0) for (const line of formatTable(invites, columns)) this.output.result(line);
    this.output.say(invites.length === 0 ? 'No invites. Make one: palyra node pair' : plural(invites.length, 'invite'));
    return { schema: 'palyra.invites.list/v1', invites };
  }
}
