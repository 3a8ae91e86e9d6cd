import { Flags } from '@oclif/core';
import { parseHead, verifyFile } from '../../lib/cli/audit-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';

export default class AuditVerify extends BaseCommand<typeof AuditVerify> {
  static override summary = 'Check that no entry of the audit log was changed, removed, added or moved';
  static override description = `Exit code 0: whole and unchanged; 1: it is not, and the first bad entry is named.
The daemon knows its last entry. A file alone cannot show that its end is missing: note the head that verify prints,
keep it elsewhere, and give it to --head later.`;
  static override examples = [
    '<%= config.bin %> audit verify',
    '<%= config.bin %> audit verify --file audit.ndjson --json',
  ];
  static override flags = {
    file: Flags.string({ char: 'f', helpValue: '<file>', description: 'An exported file; needs no daemon' }),
    head: Flags.string({
      helpValue: '<n:hash>',
      dependsOn: ['file'],
      description: 'A head that was noted earlier and must be in the file',
    }),
  };

  async run() {
    const { file = null, head } = this.flags;
    const report =
      file === null
        ? await this.client().verifyAudit()
        : await verifyFile(file, head === undefined ? null : parseHead(head));
    const { entries, firstBad } = report;
    if (firstBad === null) {
      this.output.done(`${plural(entries, 'entry', 'entries')}, whole and unchanged`);
      this.output.say(`  head ${report.head.seq}:${report.head.hash}`);
    } else {
      const seq = firstBad.seq === null ? '' : ` (entry ${firstBad.seq})`;
      this.output.result(`✗ line ${firstBad.line}${seq}: ${firstBad.problem}`);
      this.output.say(`  ${plural(entries, 'entry', 'entries')} before it ${entries === 1 ? 'is' : 'are'} good`);
      process.exitCode = 1;
    }
    return { schema: 'palyra.audit.verify/v1', file, ...report };
  }
}
