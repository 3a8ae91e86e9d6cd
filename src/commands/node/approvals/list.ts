import { BaseCommand } from '../../../lib/cli/base-command.js';
import { noNodeHere } from '../../../lib/cli/node-approvals.js';
import { waitingLines } from '../../../lib/cli/question-report.js';
import type { QuestionView } from '../../../lib/base/questions.js';

export default class NodeApprovalsList extends BaseCommand<typeof NodeApprovalsList> {
  static override summary = 'List what waits for a person at this machine';
  static override description =
    'Questions of the node that runs here, to be answered by its user. For the daemon see palyra approvals list.';
  static override aliases = ['node:approvals'];
  static override examples = ['<%= config.bin %> node approvals list', '<%= config.bin %> node approvals list --json'];

  async run() {
    const { askHost } = await import('../../../lib/node/control.js');
    const answer = (await askHost(this.directories.nodeSocketPath, { op: 'approvals' })) as {
      questions: QuestionView[];
    } | null;
    if (answer === null) throw noNodeHere();
    const { questions } = answer;
    const emphasise = (text: string) => this.output.paint('bold', text);
    if (this.flags.quiet) for (const { id } of questions) this.output.result(id);
    else
      for (const one of questions)
        for (const line of waitingLines(one, Date.now(), emphasise)) this.output.result(line);
    if (questions.length === 0) this.output.say('Nothing waits for an answer.');
    return { schema: 'palyra.node.approvals/v1', questions };
  }
}
