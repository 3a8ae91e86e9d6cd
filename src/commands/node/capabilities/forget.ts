import { Args } from '@oclif/core';
import { changeLine } from '../../../lib/cli/local-settings-report.js';
import { LocalSettingsCommand } from '../../../lib/cli/local-settings-command.js';
import { printable } from '../../../lib/cli/text.js';
import type { SourcedRegistration } from '../../../lib/node/capabilities/catalog.js';

export default class NodeCapabilitiesForget extends LocalSettingsCommand<typeof NodeCapabilitiesForget> {
  static override summary = 'Take back what was allowed on this machine';
  static override description =
    'Without a pattern: everything that was allowed for the capability, and who was muted for it. What config.toml allows stays.';
  static override examples = [
    "<%= config.bin %> node capabilities forget desktop.open_url 'https://*.corp.example/*'",
    '<%= config.bin %> node capabilities forget desktop.open_url --json',
  ];
  static override args = {
    capability: Args.string({ required: true, description: 'Such as desktop.open_url' }),
    pattern: Args.string({ description: 'As in the list; without it, all of them' }),
  };

  async run() {
    const [{ changeLocalSettings }, { loadCapabilityModules }] = await Promise.all([
      import('../../../lib/node/local-settings.js'),
      import('../../../lib/node/capabilities/modules.js'),
    ]);
    const parts = this.localParts<SourcedRegistration>(loadCapabilityModules);
    const { capability, pattern = null } = this.args;
    const answer = await changeLocalSettings(parts, { action: 'forget', capability, pattern });
    this.output.done(
      changeLine(answer, printable(`${answer.capability.name}: ${pattern ?? 'everything'} is forgotten`)),
    );
    return { schema: 'palyra.node.capability/v1', action: 'forget', ...answer };
  }
}
