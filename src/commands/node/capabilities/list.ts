import { LOCAL_CAPABILITY_COLUMNS } from '../../../lib/cli/local-settings-report.js';
import { LocalSettingsCommand } from '../../../lib/cli/local-settings-command.js';
import { formatTable, formatTsv } from '../../../lib/cli/table.js';
import { enableCommand } from '../../../lib/cli/waiting-words.js';
import type { SourcedRegistration } from '../../../lib/node/capabilities/catalog.js';

export default class NodeCapabilitiesList extends LocalSettingsCommand<typeof NodeCapabilitiesList> {
  static override summary = 'List what this machine can do, what is on, and what is allowed without asking';
  static override description =
    'This machine has the last word: what is off here is not offered, whatever the daemon granted.';
  static override aliases = ['node:capabilities'];
  static override examples = [
    '<%= config.bin %> node capabilities list',
    '<%= config.bin %> node capabilities list --json',
  ];

  async run() {
    const [{ readLocalSettings }, { loadCapabilityModules }] = await Promise.all([
      import('../../../lib/node/local-settings.js'),
      import('../../../lib/node/capabilities/modules.js'),
    ]);
    const settings = await readLocalSettings(this.localParts<SourcedRegistration>(loadCapabilityModules));
    const { capabilities, running } = settings;
    const format = this.flags.plain ? formatTsv : formatTable;
    if (this.flags.quiet) for (const { name } of capabilities) this.output.result(name);
    else for (const line of format(capabilities, LOCAL_CAPABILITY_COLUMNS)) this.output.result(line);
    const waiting = capabilities.filter((capability) => capability.waiting).map(({ name }) => name);
    if (waiting.length > 0)
      this.output.warn(`Off until you allow them on this machine:  ${enableCommand(waiting.slice(0, 1))}`);
    if (!running) this.output.say('No node runs on this machine; this holds when one does.');
    return { schema: 'palyra.node.capabilities/v1', ...settings };
  }
}
