import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { dispatchReport, fullDispatchId } from '../../lib/cli/dispatch-columns.js';

export default class DispatchesShow extends BaseCommand<typeof DispatchesShow> {
  static override summary = 'Show one dispatch: its state, its times, its input and what came of it';
  static override description =
    'The exit code says whether it was found, not how it ended; for that see dispatches wait.';
  static override aliases = ['runs:show'];
  static override examples = [
    '<%= config.bin %> dispatches show dsp_01JDA6M8T2K7QF2M9D4TXWB3CE',
    '<%= config.bin %> dispatches show dsp_01JDA6M8T2K7QF2M9D4TXWB3CE --json',
  ];
  static override args = { dispatch: Args.string({ required: true, description: 'Id, with or without dsp_' }) };

  async run() {
    const dispatch = await this.client().showDispatch(fullDispatchId(this.args.dispatch));
    for (const line of dispatchReport(dispatch)) this.output.result(line);
    return { schema: 'palyra.dispatch/v1', dispatch };
  }
}
