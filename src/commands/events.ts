import { BaseCommand } from '../lib/cli/base-command.js';
import { eventLine } from '../lib/cli/event-lines.js';
import { followEvents, followFlags } from '../lib/cli/follow-events.js';

export default class Events extends BaseCommand<typeof Events> {
  static override summary = 'Follow everything that happens: nodes, dispatches, invites, requests';
  static override description = `With --json each event is one line of JSON; the first is a snapshot of the nodes. It goes on across restarts of the daemon: a line of
type "resync" with the present nodes takes the place of events that were lost. It ends with Ctrl-C (130), or when going on is pointless (4, 5).`;
  static override examples = [
    '<%= config.bin %> events',
    '<%= config.bin %> events --json | jq -c \'select(.type == "dispatch")\'',
    '<%= config.bin %> events --json --from 3-812',
  ];
  static override flags = followFlags;

  async run() {
    await followEvents(this.client(), this.output, this.flags, (item) => {
      if (this.output.json) this.output.line(item);
      else {
        const line = eventLine(item);
        if (line !== null) this.output.result(line);
      }
    });
    return undefined;
  }
}
