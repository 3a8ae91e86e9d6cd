import { BaseCommand } from '../lib/cli/base-command.js';
import { runningDaemon } from '../lib/cli/daemon-control.js';
import { plural, urlsOf } from '../lib/cli/daemon-report.js';
import { longDuration } from '../lib/cli/durations.js';
import { readNodeSummary } from '../lib/cli/host-socket.js';
import { printable } from '../lib/cli/text.js';

export default class Status extends BaseCommand<typeof Status> {
  static override summary = 'What is this machine: a daemon, a node, both or neither?';
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --json'];

  async run() {
    const [daemon, node] = [await runningDaemon(this.client()), await readNodeSummary(this.directories.nodeSocketPath)];
    const since = (time: string) => longDuration(Date.now() - Date.parse(time));
    this.output.result(
      daemon === null
        ? '○ daemon   not running'
        : `● daemon   running for ${since(daemon.startedAt)} · ${urlsOf(daemon, 'public').join(', ')} · ${plural(daemon.nodes.total, 'node')}, ${daemon.nodes.online} online`,
    );
    this.output.result(
      node === null
        ? '○ node     not running'
        : printable(
            `${node.state === 'online' ? '●' : '○'} node     ${node.state} for ${since(node.since)} · "${node.name}" of ${node.daemon.name}`,
          ),
    );
    if (daemon === null && node === null)
      this.output.say('  Start a daemon: palyra daemon start    Join one: palyra node run <link>');
    return { schema: 'palyra.status/v1', daemon, node };
  }
}
