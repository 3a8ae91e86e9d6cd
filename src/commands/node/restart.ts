import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { tellFailure, tellReady } from '../../lib/cli/service/service-story.js';

export default class NodeRestart extends ServiceCommand<typeof NodeRestart> {
  static override summary = 'Restart the service of the node and wait until it is connected again';
  static override description =
    'Running capabilities end first; their results are kept and told to the daemon. It is started when it did not run.';
  static override examples = ['<%= config.bin %> node restart', '<%= config.bin %> node restart --json'];

  async run() {
    const started = await this.waiting((options) => this.nodeService().restart(options)).catch((error: unknown) => {
      tellFailure(this.output, error, false);
      throw error;
    });
    tellReady(started, 'Connected again', this.output);
    return this.serviceDocument('node', 'restart', true, started.supervisor, started.pid);
  }
}
