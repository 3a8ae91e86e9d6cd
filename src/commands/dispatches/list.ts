import { Flags } from '@oclif/core';
import { OPEN_STATE_NAMES } from '../../lib/base/model.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { dispatchColumns, parseStates, plainDispatchColumns } from '../../lib/cli/dispatch-columns.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';

export default class DispatchesList extends BaseCommand<typeof DispatchesList> {
  static override summary = 'List dispatches, the newest first: what runs, what waits and how the others ended';
  static override description = `Dispatches that are over are kept for 24 hours, and at most 10,000 of them.
In order: queued · delivered · awaiting-approval · running · then one of succeeded, failed, denied, expired, timed-out, cancelled, unknown.`;
  static override aliases = ['runs:list'];
  static override examples = [
    '<%= config.bin %> dispatches list --open',
    '<%= config.bin %> dispatches list --node pi-lab --state failed,unknown',
    '<%= config.bin %> dispatches list --since 1h --json',
  ];
  static override flags = {
    node: Flags.string({ helpValue: '<node>', description: 'Only on this node' }),
    capability: Flags.string({ helpValue: '<name>', description: 'Only of this capability' }),
    state: Flags.string({ helpValue: '<failed,unknown,…>', description: 'Only in one of these states' }),
    open: Flags.boolean({ exclusive: ['state'], description: 'Only what is not over' }),
    since: durationFlag({ description: 'Only what was asked for in this time, such as 1h' }),
    limit: Flags.integer({ min: 1, max: 1000, default: 50, helpValue: '<n>', description: 'At most so many' }),
    cursor: Flags.string({ helpValue: '<cursor>', description: 'Go on where the list before ended (nextCursor)' }),
  };

  async run() {
    const { dispatches, nextCursor } = await this.client().listDispatches(this.#query());
    const { plain, quiet } = this.flags;
    if (quiet) for (const dispatch of dispatches) this.output.result(dispatch.id);
    else if (plain) for (const line of formatTsv(dispatches, plainDispatchColumns)) this.output.result(line);
    else if (dispatches.length > 0)
      for (const line of formatTable(dispatches, dispatchColumns(Date.now()))) this.output.result(line);
    if (dispatches.length === 0)
      this.output.say('No dispatches. Run something: palyra nodes invoke <node> echo text=hi');
    else this.output.say(plural(dispatches.length, 'dispatch', 'dispatches'));
    if (nextCursor !== null) this.output.say(`There are older ones: --cursor ${nextCursor}`);
    return { schema: 'palyra.dispatches.list/v1', dispatches, nextCursor };
  }

  #query() {
    const { node, capability, state, open, since, limit, cursor } = this.flags;
    const states = open ? OPEN_STATE_NAMES.join(',') : state === undefined ? undefined : parseStates(state);
    return {
      limit,
      ...(node === undefined ? {} : { node }),
      ...(capability === undefined ? {} : { capability }),
      ...(states === undefined ? {} : { state: states }),
      ...(since === undefined ? {} : { since: new Date(Date.now() - since).toISOString() }),
      ...(cursor === undefined ? {} : { cursor }),
    };
  }
}
