/** What every command that follows events shares: its flags, its loop, and how it ends. Only a signal ends it, or an error; never silence, never 0. */
import { Flags } from '@oclif/core';
import type { ControlPlaneClient, WatchItem } from '../client/control-plane-client.js';
import { durationFlag } from './flags.js';
import { messageOf, type Output } from './output.js';
import { listenForStop } from './signals.js';

export const followFlags = {
  from: Flags.string({
    helpValue: '<id>',
    description: 'Go on after this event: the id of the last line that was seen',
  }),
  'give-up': durationFlag({ description: 'End with exit code 5 after so long without the daemon (default: never)' }),
};

export interface FollowOptions {
  readonly from?: string | undefined;
  readonly 'give-up'?: number | undefined;
}

/** Sets the exit code. Throws what cannot become better, and the daemon's absence at the start. */
export async function followEvents(
  client: ControlPlaneClient,
  output: Output,
  options: FollowOptions,
  show: (item: WatchItem) => void,
): Promise<void> {
  const stop = listenForStop();
  try {
    const items = client.watchEvents({
      signal: stop.signal,
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(options['give-up'] === undefined ? {} : { giveUpMs: options['give-up'] }),
      onConnection: (lost) =>
        output.say(lost === null ? '● Connected again' : `○ Connection lost, trying again: ${messageOf(lost)}`),
    });
    for await (const item of items) show(item);
  } finally {
    stop.dispose();
  }
  process.exitCode = stop.exitCode() ?? 1;
}
