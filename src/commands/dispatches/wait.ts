import { Args } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import type { DispatchView } from '../../lib/base/model.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { fullDispatchId } from '../../lib/cli/dispatch-columns.js';
import { progressLine, tellOutcome } from '../../lib/cli/dispatch-report.js';
import { followDispatch } from '../../lib/cli/dispatch-run.js';
import { exitCodeOf, isSettled } from '../../lib/cli/exit-codes.js';
import { listenForStop } from '../../lib/cli/signals.js';
import { StatusLine } from '../../lib/cli/status-line.js';

/** --timeout bounds the wait, not the single question. */
const REQUEST_TIMEOUT_MS = 10_000;

export default class DispatchesWait extends BaseCommand<typeof DispatchesWait> {
  static override summary = 'Wait until a dispatch is over; the exit code tells how it ended';
  static override description = `As nodes invoke does: the result is JSON on stdout, what is said about it goes to stderr.
  0 succeeded · 6 nothing was delivered · 7 denied or cancelled · 8 not over within --timeout · 9 may have run, nobody knows · 10 failed or took too long
Without --timeout it waits until the deadline of the dispatch. Ctrl-C stops waiting, not the run.`;
  static override aliases = ['runs:wait'];
  static override examples = [
    '<%= config.bin %> dispatches wait dsp_01JDA6M8T2K7QF2M9D4TXWB3CE',
    '<%= config.bin %> dispatches wait dsp_01JDA6M8T2K7QF2M9D4TXWB3CE --timeout 5m --json',
  ];
  static override args = { dispatch: Args.string({ required: true, description: 'Id, with or without dsp_' }) };

  async run() {
    const stop = listenForStop();
    const status = new StatusLine(this.output, { enabled: process.stderr.isTTY });
    const client = this.client({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
    let dispatch: DispatchView | null = null;
    try {
      const found = await client.showDispatch(fullDispatchId(this.args.dispatch), { signal: stop.signal });
      dispatch = await followDispatch(client, found, {
        clock: systemClock,
        signal: stop.signal,
        sliceMs: process.stderr.isTTY ? 1000 : 60_000,
        ...(this.flags.timeout === undefined ? {} : { timeoutMs: this.flags.timeout }),
        onState: (now) => {
          dispatch = now;
          if (!isSettled(now.state)) status.show(progressLine(now));
        },
      });
    } catch (error) {
      const code = stop.exitCode();
      if (code === null || dispatch === null) throw error;
      status.stop();
      this.output.say(`Still ${dispatch.state}: ${dispatch.id}; it was not cancelled.`);
      process.exitCode = code;
      return this.#document(dispatch);
    } finally {
      status.stop();
      stop.dispose();
    }
    process.exitCode = exitCodeOf(dispatch.state);
    tellOutcome(this.output, dispatch, true);
    return this.#document(dispatch);
  }

  #document(dispatch: DispatchView) {
    return { schema: 'palyra.dispatch/v1', dispatch };
  }
}
