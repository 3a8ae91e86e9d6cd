import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { capabilityColumns, plainCapabilityColumns } from '../../lib/cli/capability-report.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class CapabilitiesList extends BaseCommand<typeof CapabilitiesList> {
  static override summary = 'List what the fleet can do, and which nodes offer it';
  static override description =
    'A name stands on more than one line when nodes do not offer the same thing under it. Only what is granted can be run.';
  static override examples = [
    '<%= config.bin %> capabilities list',
    '<%= config.bin %> capabilities list --node pi-lab --json',
  ];
  static override flags = {
    node: Flags.string({ helpValue: '<node>', description: 'Only what this node offers (name or id)' }),
    granted: Flags.boolean({ description: 'Only what can be run on some node' }),
  };

  async run() {
    const all = await this.client().listCapabilities();
    const { node, granted, plain, quiet } = this.flags;
    const capabilities = all.filter(({ nodes }) =>
      nodes.some((one) => (node === undefined || one.name === node || one.id === node) && (!granted || one.granted)),
    );
    const names = new Set(capabilities.map(({ name }) => name));
    if (quiet) for (const name of names) this.output.result(name);
    else if (plain) for (const line of formatTsv(capabilities, plainCapabilityColumns)) this.output.result(line);
    else if (capabilities.length > 0)
      for (const line of formatTable(capabilities, capabilityColumns)) this.output.result(line);
    this.output.say(
      names.size === 0
        ? 'No capabilities: no node offers any. Pair one: palyra node pair'
        : plural(names.size, 'capability', 'capabilities'),
    );
    return { schema: 'palyra.capabilities.list/v1', capabilities };
  }
}
