import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { tellFailure, tellReady } from '../../lib/cli/service/service-story.js';

export default class NodeStart extends ServiceCommand<typeof NodeStart> {
  static override summary = 'Start the installed service of the node and wait until it is connected';
  static override description =
    'When it already runs, that is said and the exit code is 0. Install it first: palyra node install.';
  static override examples = ['<%= config.bin %> node start', '<%= config.bin %> node start --timeout 1m --json'];

  async run() {
    const started = await this.waiting((options) => this.nodeService().start(options)).catch((error: unknown) => {
      tellFailure(this.output, error, false);
      throw error;
    });
    tellReady(started, started.changed ? 'Connected' : 'Already running', this.output);
    return this.serviceDocument('node', 'start', started.changed, started.supervisor, started.pid);
  }
}
