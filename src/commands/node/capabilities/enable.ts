import { Args } from '@oclif/core';
import { changeLine } from '../../../lib/cli/local-settings-report.js';
import { LocalSettingsCommand } from '../../../lib/cli/local-settings-command.js';
import type { SourcedRegistration } from '../../../lib/node/capabilities/catalog.js';

export default class NodeCapabilitiesEnable extends LocalSettingsCommand<typeof NodeCapabilitiesEnable> {
  static override summary = 'Let the node of this machine offer a capability';
  static override description =
    'It is announced at once; an operator of the daemon may have to grant it: palyra approvals list';
  static override examples = [
    '<%= config.bin %> node capabilities enable fs.list',
    '<%= config.bin %> node capabilities enable process.run --json',
  ];
  static override args = { capability: Args.string({ required: true, description: 'Such as fs.list' }) };

  async run() {
    const [{ changeLocalSettings }, { loadCapabilityModules }] = await Promise.all([
      import('../../../lib/node/local-settings.js'),
      import('../../../lib/node/capabilities/modules.js'),
    ]);
    const parts = this.localParts<SourcedRegistration>(loadCapabilityModules);
    const change = { action: 'enable', capability: this.args.capability } as const;
    const answer = await changeLocalSettings(parts, change);
    this.output.done(changeLine(answer, `${answer.capability.name} is on`));
    return { schema: 'palyra.node.capability/v1', action: change.action, ...answer };
  }
}
