import { Flags } from '@oclif/core';
import { exportToFile } from '../../lib/cli/audit-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';

export default class AuditExport extends BaseCommand<typeof AuditExport> {
  static override summary = 'Write out the whole audit log: one entry a line, oldest first';
  static override description = `The lines are those of the log itself, so that a copy can be checked anywhere:
  palyra audit verify --file audit.ndjson
  sed -n 1p audit.ndjson | jq -cSj 'del(.hash)' | sha256sum     prints the hash of entry 1
Without --output they go to stdout, with or without --json.`;
  static override examples = [
    '<%= config.bin %> audit export > audit.ndjson',
    '<%= config.bin %> audit export --output audit.ndjson --json',
  ];
  static override flags = {
    output: Flags.string({ char: 'o', helpValue: '<file>', description: 'A new file, readable by you only' }),
  };

  async run() {
    const lines = this.client({ requestTimeoutMs: this.flags.timeout ?? 60_000 }).exportAudit();
    const { output: file } = this.flags;
    if (file === undefined) {
      for await (const line of lines) this.output.raw(line);
      return undefined;
    }
    const entries = await exportToFile(file, lines);
    this.output.done(`${plural(entries, 'entry', 'entries')} written to ${file}`);
    return { schema: 'palyra.audit.export/v1', file, entries };
  }
}
