import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { dispatchColumns, parseStates } from '../../lib/cli/dispatch-columns.js';
import { eventLine, resyncText } from '../../lib/cli/event-lines.js';
import { followEvents, followFlags } from '../../lib/cli/follow-events.js';
import { DispatchWatch, type DispatchesLine } from '../../lib/cli/queue-watch.js';
import { formatTable } from '../../lib/cli/table.js';

export default class DispatchesWatch extends BaseCommand<typeof DispatchesWatch> {
  static override summary = 'List the dispatches that are open, then tell every change';
  static override description = `With --json each line is one document: a snapshot of what is open, then changes; see docs/schemas. It goes on across restarts of the
daemon: a line of type "resync" brings what is open then. It ends with Ctrl-C (130), or when going on is pointless (4, 5).`;
  static override examples = [
    '<%= config.bin %> dispatches watch --node pi-lab',
    '<%= config.bin %> dispatches watch --state failed,unknown --json',
  ];
  static override flags = {
    node: Flags.string({ helpValue: '<node>', description: 'Only on this node' }),
    capability: Flags.string({ helpValue: '<name>', description: 'Only of this capability' }),
    state: Flags.string({ helpValue: '<running,failed,…>', description: 'Only in one of these states' }),
    ...followFlags,
  };

  async run() {
    const client = this.client();
    const { node, capability, state } = this.flags;
    const states = state === undefined ? undefined : parseStates(state);
    const nodeId = node === undefined ? undefined : (await client.showNode(node)).node.id;
    const watch = new DispatchWatch(client, { nodeId, capability, states });
    await followEvents(client, this.output, this.flags, async (item, read) => {
      const line = await watch.take(item, read);
      if (line === null) return;
      if (this.output.json) this.output.line(line);
      else this.#show(line);
    });
    return undefined;
  }

  #show(line: DispatchesLine): void {
    if (line.type === 'snapshot' || line.type === 'resync') {
      if (line.type === 'resync') this.output.say(`What is open now: ${resyncText(line.reason)}`);
      if (line.dispatches.length === 0) this.output.say('Nothing is open.');
      else for (const row of formatTable(line.dispatches, dispatchColumns(Date.now()))) this.output.result(row);
      return;
    }
    const text = eventLine(line);
    if (text !== null) this.output.result(text);
  }
}
