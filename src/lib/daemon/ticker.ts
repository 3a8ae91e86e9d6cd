/**
 * The daemon's second hand: runs a step again and again, never two at once, until it is stopped. A step that fails is logged and the next
 * one runs; what must end the process says so by its own way (`NodeRuntime.onFatal`).
 */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';

/** Deadlines and leases are kept to within a second. */
export const TICK_MS = 1000;

/** Starts ticking. The returned function stops it and waits for a step that is under way. */
export function startTicker(
  deps: { readonly clock: Clock; readonly log: Log },
  step: () => Promise<void>,
  everyMs = TICK_MS,
): () => Promise<void> {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let cancel = deps.clock.schedule(everyMs, tick);

  function tick(): void {
    running = Promise.resolve()
      .then(step)
      .catch((error: unknown) => deps.log.error('a periodic step failed', { err: error }))
      .then(() => {
        if (!stopped) cancel = deps.clock.schedule(everyMs, tick);
      });
  }

  return async () => {
    stopped = true;
    cancel();
    await running;
  };
}
