import { approvalColumns } from '../../lib/cli/approval-report.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { eventLine, resyncText } from '../../lib/cli/event-lines.js';
import { followEvents, followFlags } from '../../lib/cli/follow-events.js';
import { ApprovalsWatch as Watch, type ApprovalsLine } from '../../lib/cli/queue-watch.js';
import { formatTable } from '../../lib/cli/table.js';

export default class ApprovalsWatch extends BaseCommand<typeof ApprovalsWatch> {
  static override summary = 'Tell what waits for an answer, then every request and every answer';
  static override description = `With --json each line is one document: a snapshot of the queue, then changes; see docs/schemas. It goes on across restarts of the
daemon: a line of type "resync" brings the queue as it is then. It ends with Ctrl-C (130), or when going on is pointless (4, 5).`;
  static override examples = [
    '<%= config.bin %> approvals watch',
    '<%= config.bin %> approvals watch --json | jq -c \'select(.change == "requested") | .request\'',
  ];
  static override flags = followFlags;

  async run() {
    const client = this.client();
    const watch = new Watch(client);
    await followEvents(client, this.output, this.flags, async (item, read) => {
      const line = await watch.take(item, read);
      if (line === null) return;
      if (this.output.json) this.output.line(line);
      else this.#show(line);
    });
    return undefined;
  }

  #show(line: ApprovalsLine): void {
    if (line.type === 'snapshot' || line.type === 'resync') {
      if (line.type === 'resync') this.output.say(`The queue again: ${resyncText(line.reason)}`);
      if (line.requests.length === 0) this.output.say('Nothing waits for an answer.');
      else for (const row of formatTable(line.requests, approvalColumns(Date.now()))) this.output.result(row);
      return;
    }
    const text = eventLine(line);
    if (text !== null) this.output.result(text);
  }
}
