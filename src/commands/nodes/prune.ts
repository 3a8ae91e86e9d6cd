import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { longDuration } from '../../lib/cli/durations.js';
import { durationFlag, yesFlag } from '../../lib/cli/flags.js';
import { statusOf } from '../../lib/cli/node-columns.js';
import { confirmByName } from '../../lib/cli/prompts.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';
import type { PruneCandidate } from '../../lib/client/control-plane-client.js';

const COLUMNS = [
  { header: 'NAME', value: ({ node }: PruneCandidate) => node.name },
  { header: 'STATUS', value: ({ node }: PruneCandidate) => statusOf(node) },
  { header: 'NOT SEEN FOR', value: ({ unseenMs }: PruneCandidate) => longDuration(unseenMs) },
  { header: 'ID', value: ({ node }: PruneCandidate) => node.id },
];
const PLAIN = [
  { header: 'name', value: ({ node }: PruneCandidate) => node.name },
  { header: 'unseenMs', value: ({ unseenMs }: PruneCandidate) => String(unseenMs) },
  { header: 'id', value: ({ node }: PruneCandidate) => node.id },
];

export default class NodesPrune extends BaseCommand<typeof NodesPrune> {
  static override summary = 'Tell which nodes were not seen for long; with --apply, remove them';
  static override description = `Without --apply nothing is changed. Time during which the daemon itself was away does not count, as far as it is known; a node that never
connected counts from its pairing. With --apply exactly the nodes that were listed are removed, and only those that still qualify; on a terminal it asks
first. Within a day each can be had back: palyra nodes restore.`;
  static override examples = [
    '<%= config.bin %> nodes prune --not-seen-for 90d',
    '<%= config.bin %> nodes prune --not-seen-for 90d --apply --yes --json',
  ];
  static override flags = {
    'not-seen-for': durationFlag({ required: true, description: 'At least so long; an hour or more, such as 90d' }),
    apply: Flags.boolean({ description: 'Remove them' }),
    yes: yesFlag,
  };

  async run() {
    const notSeenForMs = this.flags['not-seen-for'];
    const client = this.client();
    let { candidates } = await client.pruneNodes({ notSeenForMs });
    this.#show(candidates);
    let removed = false;
    if (this.flags.apply && candidates.length > 0) {
      if (!this.flags.yes && this.canAsk) {
        await confirmByName(`${plural(candidates.length, 'node')} will be removed.`, 'prune');
      }
      const only = candidates.map(({ node }) => node.id);
      ({ candidates, removed } = await client.pruneNodes({ notSeenForMs, apply: true, only }));
    }
    this.#tell(candidates, removed);
    return { schema: 'palyra.nodes.prune/v1', action: 'prune', changed: removed, candidates };
  }

  #show(candidates: readonly PruneCandidate[]): void {
    if (this.flags.quiet) for (const { node } of candidates) this.output.result(node.name);
    else if (this.flags.plain) for (const line of formatTsv(candidates, PLAIN)) this.output.result(line);
    else if (candidates.length > 0) for (const line of formatTable(candidates, COLUMNS)) this.output.result(line);
  }

  #tell(candidates: readonly PruneCandidate[], removed: boolean): void {
    if (removed) this.output.done(`Removed ${plural(candidates.length, 'node')}`);
    else if (candidates.length === 0) this.output.say('Every node was seen since then.');
    else this.output.say(`${plural(candidates.length, 'node')} would be removed. Nothing was changed: add --apply`);
  }
}
