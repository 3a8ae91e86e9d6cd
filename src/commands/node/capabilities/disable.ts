import { Args } from '@oclif/core';
import { changeLine } from '../../../lib/cli/local-settings-report.js';
import { LocalSettingsCommand } from '../../../lib/cli/local-settings-command.js';
import type { SourcedRegistration } from '../../../lib/node/capabilities/catalog.js';

export default class NodeCapabilitiesDisable extends LocalSettingsCommand<typeof NodeCapabilitiesDisable> {
  static override summary = 'Keep the node of this machine from offering a capability';
  static override description = 'It is withdrawn at once and stays so, whatever the daemon granted. What runs goes on.';
  static override examples = [
    '<%= config.bin %> node capabilities disable desktop.open_url',
    '<%= config.bin %> node capabilities disable process.run --json',
  ];
  static override args = { capability: Args.string({ required: true, description: 'Such as fs.list' }) };

  async run() {
    const [{ changeLocalSettings }, { loadCapabilityModules }] = await Promise.all([
      import('../../../lib/node/local-settings.js'),
      import('../../../lib/node/capabilities/modules.js'),
    ]);
    const parts = this.localParts<SourcedRegistration>(loadCapabilityModules);
    const change = { action: 'disable', capability: this.args.capability } as const;
    const answer = await changeLocalSettings(parts, change);
    this.output.done(changeLine(answer, `${answer.capability.name} is off`));
    return { schema: 'palyra.node.capability/v1', action: change.action, ...answer };
  }
}
