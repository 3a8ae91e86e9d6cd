/** What is said about a dispatch: one line a state while it is awaited, one line when it is over. */
import type { DispatchView } from '../base/model.js';
import type { ChannelName } from '../base/questions.js';
import { shortDuration, spent } from './durations.js';
import { isSettled } from './exit-codes.js';
import type { Output } from './output.js';
import { printable, printableJson } from './text.js';

/** What a dispatch is doing now. */
export function progressLine(dispatch: DispatchView): string {
  switch (dispatch.state) {
    case 'queued':
      return `${dispatch.node}: waiting for the node · ${dispatch.id}`;
    case 'delivered':
      return `${dispatch.node}: delivered · ${dispatch.id}`;
    case 'awaiting-approval':
      return `${dispatch.node}: waiting for a person at the machine${askedWords(dispatch, Date.now())} · ${dispatch.id}`;
    default:
      return `${dispatch.node}: ${dispatch.state} · ${dispatch.id}`;
  }
}

export const CHANNEL_WORDS: Readonly<Record<ChannelName, string>> = {
  terminal: 'in its terminal',
  dialog: 'in a window',
  shell: 'palyra node approvals',
};

/** ` (in its terminal, asked 4 s ago, gives up in 56 s)` */
function askedWords({ approval }: DispatchView, now: number): string {
  if (approval === null) return '';
  const ago = shortDuration(Math.max(0, now - Date.parse(approval.askedAt)));
  const left = shortDuration(Math.max(0, Date.parse(approval.expiresAt) - now));
  return ` (${CHANNEL_WORDS[approval.channel]}, asked ${ago} ago, gives up in ${left})`;
}

export function outcomeLine(dispatch: DispatchView): string {
  const head = `${dispatch.node} · ${dispatch.capability}`;
  const total = dispatch.timings.totalMs;
  if (dispatch.state === 'succeeded') return `${head}${total === null ? '' : ` · ${spent(total)}`} · ${dispatch.id}`;
  return printable(`${head} ${failureWords(dispatch)} · ${dispatch.id}`);
}

function failureWords(dispatch: DispatchView): string {
  const why = dispatch.error === null ? '' : `: ${dispatch.error.message} (${dispatch.error.code})`;
  switch (dispatch.state) {
    case 'failed':
      return `failed${why}`;
    case 'timed-out':
      return `took too long and was stopped${why}`;
    case 'denied':
      return `was refused${why}`;
    case 'cancelled':
      return 'was cancelled';
    case 'expired':
      return 'was never delivered: the node did not come back in time. Nothing was run';
    case 'unknown':
      return 'was delivered, then the node vanished: it may have run';
    default:
      return `is still ${dispatch.state}`;
  }
}

/** What to do next, or null. */
export function outcomeHint(dispatch: DispatchView): string | null {
  switch (dispatch.state) {
    case 'succeeded':
    case 'failed':
    case 'denied':
    case 'cancelled':
      return null;
    case 'timed-out':
      return 'Give it longer: --timeout 5m';
    case 'expired':
      return 'Hold it longer: --queue 24h';
    case 'unknown':
      return dispatch.retrySafe ? 'It is safe to run it again' : 'Look at the machine before running it again';
    default:
      return 'Nothing was cancelled; it settles by itself';
  }
}

/** The result on stdout, the outcome on stderr. Of a run that nobody waited for, its id. */
export function tellOutcome(output: Output, dispatch: DispatchView, waited: boolean): void {
  if (dispatch.state === 'succeeded') {
    output.result(printableJson(dispatch.output));
    output.done(outcomeLine(dispatch));
    return;
  }
  if (!waited && !isSettled(dispatch.state)) {
    output.result(dispatch.id);
    output.say(progressLine(dispatch));
    return;
  }
  output.say(`${output.paint('red', '✗')} ${outcomeLine(dispatch)}`);
  const hint = outcomeHint(dispatch);
  if (hint !== null) output.say(`  ${hint}`);
}
