import { BaseCommand } from '../../../lib/cli/base-command.js';
import { noNodeHere, QuestionWatch } from '../../../lib/cli/node-approvals.js';
import { listenForStop } from '../../../lib/cli/signals.js';

export default class NodeApprovalsWatch extends BaseCommand<typeof NodeApprovalsWatch> {
  static override summary = 'Show what waits for a person at this machine as it comes, and answer it';
  static override description = `While this runs, the node knows that somebody can be asked. In a terminal the answer is typed here: Enter alone is no. With --json one line
a question and one when it is over. Ctrl-C ends it.`;
  static override examples = [
    '<%= config.bin %> node approvals watch',
    '<%= config.bin %> node approvals watch --json',
  ];

  async run() {
    const { watchHost, askHost } = await import('../../../lib/node/control.js');
    const stop = listenForStop();
    const path = this.directories.nodeSocketPath;
    const ended = new AbortController();
    const watch = new QuestionWatch(this.output, { path, askHost, canAsk: this.canAsk, signal: ended.signal });
    try {
      const signal = AbortSignal.any([stop.signal, ended.signal]);
      const found = await watchHost(path, { op: 'watch' }, (line) => watch.take(line), signal);
      if (!found) throw noNodeHere();
      this.output.say(stop.signal.aborted ? 'No longer watching.' : 'The node has stopped.');
    } finally {
      ended.abort();
      stop.dispose();
    }
    process.exitCode = stop.exitCode() ?? 0;
    return undefined;
  }
}
