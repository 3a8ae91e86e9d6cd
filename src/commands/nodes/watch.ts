import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { followFlags } from '../../lib/cli/follow-events.js';
import { selectionFlags } from '../../lib/cli/node-flags.js';
import { watchNodes } from '../../lib/cli/watch-nodes.js';

export default class NodesWatch extends BaseCommand<typeof NodesWatch> {
  static override summary = 'List the machines, then tell every change';
  static override description =
    'The same as nodes list --watch. With --json each line is one document: a snapshot, then changes; see docs/schemas.';
  static override examples = [
    '<%= config.bin %> nodes watch -l site=lab',
    '<%= config.bin %> nodes watch --json | while read -r event; do …; done',
  ];
  static override flags = { ...selectionFlags, wide: Flags.boolean({ description: 'More columns' }), ...followFlags };

  async run() {
    const { status, label, capability, sort, wide } = this.flags;
    const selection = { status, labels: label, capability };
    return watchNodes(this.client(), this.output, { ...this.flags, selection, sort, wide });
  }
}
