import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { capabilityReport } from '../../lib/cli/capability-report.js';

export default class CapabilitiesShow extends BaseCommand<typeof CapabilitiesShow> {
  static override summary = 'Show one capability: what it does, what it takes and gives, and where';
  static override description = 'Nodes that do not offer the same thing under the name are shown apart.';
  static override examples = [
    '<%= config.bin %> capabilities show system.health',
    '<%= config.bin %> capabilities show echo --json',
  ];
  static override args = { capability: Args.string({ required: true, description: 'Such as system.health' }) };

  async run() {
    const { capability: name } = this.args;
    const offers = await this.client().showCapability(name);
    for (const line of offers.flatMap((offer) => capabilityReport(offer))) this.output.result(line);
    return { schema: 'palyra.capabilities.show/v1', name, offers };
  }
}
