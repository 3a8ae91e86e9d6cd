/**
 * The daemon's events as messages, in batches: a busy fleet changes the state a few times a second, not once an event. A connection that is lost is told
 * and opened again for ever; only what cannot become better ends the watching.
 */
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { messageOf } from '../../cli/output.js';
import type { ControlPlaneClient, WatchItem } from '../../client/control-plane-client.js';
import type { Message } from '../state/messages.js';

/** Shorter than a frame, so that a batch never makes a frame wait for the next one. */
const BATCH_MS = 50;
/** A batch is handed over early when it is that long: memory stays bounded whatever the daemon sends. */
const MAX_BATCH = 1000;
/** Before the first message there is no position to go on from; then it is simply asked again. */
const RETRY_MS = 1000;

export interface WatchDeps {
  readonly client: Pick<ControlPlaneClient, 'watchEvents'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly send: (message: Message) => void;
}

/** Resolves when the signal aborts. Throws what cannot become better, such as PERMISSION_DENIED. */
export async function watchDaemon({ client, clock, signal, send }: WatchDeps): Promise<void> {
  let batch: WatchItem[] = [];
  let cancel: (() => void) | null = null;
  const flush = () => {
    cancel?.();
    cancel = null;
    const items = batch;
    batch = [];
    if (items.length > 0 && !signal.aborted) send({ type: 'watch', items });
  };
  const onConnection = (lost: PalyraError | null) => {
    flush();
    send({ type: 'connection', lost: lost === null ? null : messageOf(lost) });
  };
  while (!signal.aborted) {
    try {
      for await (const item of client.watchEvents({ signal, onConnection, clock })) {
        if (item.type === 'ping') continue;
        batch.push(item);
        if (batch.length >= MAX_BATCH) flush();
        else cancel ??= clock.schedule(BATCH_MS, flush);
      }
    } catch (error) {
      const failure = PalyraError.from(error);
      flush();
      if (!failure.retrySafe) throw failure;
      send({ type: 'connection', lost: messageOf(failure) });
    }
    await sleep(clock, RETRY_MS, signal).catch(() => undefined);
  }
  flush();
}
