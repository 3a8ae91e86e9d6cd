import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { fullDispatchId } from '../../lib/cli/dispatch-columns.js';
import { isSettled } from '../../lib/cli/exit-codes.js';

export default class DispatchesCancel extends BaseCommand<typeof DispatchesCancel> {
  static override summary = 'Stop a dispatch: at once while it waits, by asking the node when it runs';
  static override description = `A node that does not answer within 10 s leaves the outcome unknown. Cancelling what is over changes nothing and is no error.`;
  static override aliases = ['runs:cancel'];
  static override examples = [
    '<%= config.bin %> dispatches cancel dsp_01JDA6M8T2K7QF2M9D4TXWB3CE',
    '<%= config.bin %> dispatches cancel dsp_01JDA6M8T2K7QF2M9D4TXWB3CE --json',
  ];
  static override args = { dispatch: Args.string({ required: true, description: 'Id, with or without dsp_' }) };

  async run() {
    const { dispatch, changed } = await this.client().cancelDispatch(fullDispatchId(this.args.dispatch));
    const { id, node, state } = dispatch;
    if (!changed) this.output.done(`${id} was already over (${state})`);
    else if (isSettled(state)) this.output.done(`${id} ${state}`);
    else this.output.done(`${node} is asked to stop ${id}; how it ends: palyra dispatches wait ${id}`);
    return { schema: 'palyra.dispatches.cancel/v1', action: 'cancel', changed, dispatch };
  }
}
