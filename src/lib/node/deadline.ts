/** A wait with an end: every call to the daemon goes through here. */
import type { Clock } from '../base/clock.js';
import type { PalyraError } from '../base/errors.js';

export interface Deadline {
  readonly timeoutMs: number;
  /** Ends the wait early, with its own reason. */
  readonly signal?: AbortSignal | undefined;
  /** What the wait ends with when the time is over. */
  readonly late: () => PalyraError;
}

/** Gives `work` a signal that aborts when the time is over or the caller's signal does. Leaves no timer and no listener. */
export async function withDeadline<T>(
  clock: Clock,
  deadline: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = deadline;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  const stopTimer = clock.schedule(deadline.timeoutMs, () => controller.abort(deadline.late()));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    stopTimer();
    signal?.removeEventListener('abort', onAbort);
  }
}
