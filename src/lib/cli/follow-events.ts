/** What every command that follows events shares: its flags, its loop, and how it ends. Only a signal ends it, or an error; never silence, never 0. */
import { Flags } from '@oclif/core';
import { sleep, systemClock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { isAway } from '../base/unreachable.js';
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

/** A read beside the events, repeated while the daemon is away: what follows events goes on across its restarts. */
export type PatientRead = <T>(call: () => Promise<T>) => Promise<T>;

const RETRY_EVERY_MS = 250;

function patientRead(signal: AbortSignal, giveUpMs: number): PatientRead {
  return async (call) => {
    const until = systemClock.monotonic() + giveUpMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const { reason } = PalyraError.from(error);
        const away = isAway({ reason }) || reason === 'DAEMON_NOT_RUNNING' || reason === 'DAEMON_STOPPING';
        if (!away || systemClock.monotonic() >= until) throw error;
        await sleep(systemClock, RETRY_EVERY_MS, signal);
      }
    }
  };
}

/** Sets the exit code. Throws what cannot become better, and the daemon's absence at the start. */
export async function followEvents(
  client: ControlPlaneClient,
  output: Output,
  options: FollowOptions,
  show: (item: WatchItem, read: PatientRead) => void | Promise<void>,
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
    const read = patientRead(stop.signal, options['give-up'] ?? Infinity);
    for await (const item of items) await show(item, read);
  } catch (error) {
    // A signal ends a read that waits for the daemon; the exit code says so.
    if (stop.exitCode() === null) throw error;
  } finally {
    stop.dispose();
  }
  process.exitCode = stop.exitCode() ?? 1;
}
