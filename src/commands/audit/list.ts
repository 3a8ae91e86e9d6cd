import { Flags } from '@oclif/core';
import { auditColumns } from '../../lib/cli/audit-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class AuditList extends BaseCommand<typeof AuditList> {
  static override summary = 'Show who did what, from where and with what outcome; newest first';
  static override description = `Every request that changes something has one entry, refused or not; decisions of the daemon have their own.
OUTCOME is ok, the reason of the refusal, or interrupted: the daemon ended before it knew.`;
  static override examples = [
    '<%= config.bin %> audit list --since 24h',
    '<%= config.bin %> audit list --node pi-lab --action nodes.',
    '<%= config.bin %> audit list --json --limit 1000',
  ];
  static override flags = {
    since: durationFlag({ description: 'Only what is younger, such as 24h' }),
    actor: Flags.string({ helpValue: '<name>', description: 'Only what this person or machine did' }),
    action: Flags.string({ helpValue: '<action>', description: 'Only this action; nodes. stands for all of nodes' }),
    node: Flags.string({ helpValue: '<node>', description: 'Only what was done to this node, by name or id' }),
    limit: Flags.integer({ min: 1, max: 1000, default: 50, helpValue: '<n>', description: 'At most so many' }),
    cursor: Flags.integer({ min: 1, helpValue: '<n>', description: 'Go on before this entry' }),
  };

  async run() {
    const { since, actor, action, node, limit, cursor, plain, quiet } = this.flags;
    const { entries, nextCursor } = await this.client().listAudit({
      limit,
      ...(since === undefined ? {} : { since: new Date(Date.now() - since).toISOString() }),
      ...(actor === undefined ? {} : { actor }),
      ...(action === undefined ? {} : { action }),
      ...(node === undefined ? {} : { node }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    if (quiet) for (const { seq } of entries) this.output.result(String(seq));
    else if (plain) for (const line of formatTsv(entries, auditColumns())) this.output.result(line);
    else if (entries.length > 0) for (const line of formatTable(entries, auditColumns())) this.output.result(line);
    if (entries.length === 0) this.output.say('No entries.');
    if (nextCursor !== null) this.output.say(`More: palyra audit list --cursor ${nextCursor}`);
    return { schema: 'palyra.audit.list/v1', entries, nextCursor };
  }
}
