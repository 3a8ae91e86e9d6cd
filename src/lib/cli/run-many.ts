/** `nodes invoke` on more than one node: what is told while it goes on, and what it comes to. */
import { systemClock } from '../base/clock.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { plural } from './daemon-report.js';
import { commonExitCode, isSettled } from './exit-codes.js';
import { exitCodeOfRun, fanOut, plainRunLine, runLine, toResult, type FanOutOptions, type NodeRun } from './fan-out.js';
import type { Output } from './output.js';
import type { RunTarget } from './run-targets.js';
import { listenForStop } from './signals.js';
import { StatusLine } from './status-line.js';

/** Names in the status line. */
const SHOWN = 3;

export async function runMany(
  client: ControlPlaneClient,
  output: Output,
  targets: readonly RunTarget[],
  options: Pick<FanOutOptions, 'maxParallel' | 'wait' | 'request' | 'inputOf'> & { readonly plain: boolean },
) {
  const { wait, plain } = options;
  const stop = listenForStop();
  const status = new StatusLine(output, { enabled: process.stderr.isTTY });
  const { capability } = options.request;
  let runs: NodeRun[];
  try {
    runs = await fanOut(client, targets, {
      ...options,
      clock: systemClock,
      signal: stop.signal,
      onDone: (run) => {
        status.stop();
        output.result(plain ? plainRunLine(run) : runLine(run));
      },
      onChange: (inFlight, done) => {
        if (inFlight.length > 0) status.show(progress(done, targets.length, inFlight));
      },
    });
  } finally {
    status.stop();
    stop.dispose();
  }
  const stopped = stop.exitCode();
  process.exitCode = stopped ?? commonExitCode(runs.map((run) => exitCodeOfRun(run, wait)));
  if (stopped === null) output.say(summaryOf(runs, wait));
  else tellStopped(output, runs);
  return { schema: 'palyra.nodes.invoke/v1', capability, results: runs.map((run) => toResult(run, wait)) };
}

function progress(done: number, total: number, inFlight: readonly string[]): string {
  const more = inFlight.length > SHOWN ? ` and ${inFlight.length - SHOWN} more` : '';
  return `${done} of ${total} done · waiting for ${inFlight.slice(0, SHOWN).join(', ')}${more}`;
}

function summaryOf(runs: readonly NodeRun[], wait: boolean): string {
  const well = runs.filter((run) => exitCodeOfRun(run, wait) === 0).length;
  const rest = runs.length - well;
  const how = wait ? 'succeeded' : 'accepted';
  return `${plural(runs.length, 'node')}: ${well} ${how}${rest === 0 ? '' : `, ${rest} did not`}`;
}

/** What goes on without us, by name and id, and what never left. */
function tellStopped(output: Output, runs: readonly NodeRun[]): void {
  const open = runs.filter(({ dispatch }) => dispatch !== null && !isSettled(dispatch.state));
  const unsent = runs.filter(({ dispatch, error }) => dispatch === null && error !== null);
  for (const { target, dispatch } of open)
    output.say(`Still running on ${target.node.name} as ${dispatch!.id}; it was not cancelled.`);
  if (unsent.length > 0) output.say(`Not sent: ${unsent.map(({ target }) => target.node.name).join(', ')}`);
}
