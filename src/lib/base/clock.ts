/**
 * Time as a dependency. Wall time is for X.509, persisted deadlines and people; monotonic time is for leases, back-off and time-outs.
 * Nothing in `runtime` reads a clock: it is given `now`. Everything else takes a `Clock`, so that a test can turn it by hand.
 */
export interface Clock {
  /** Wall time, milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never jumps back. */
  monotonic(): number;
  /** Runs `action` once after `delayMs`. The returned function cancels it; cancelling twice is harmless. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** The longest delay that Node's timers can hold; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's own clock. Timers keep the process alive: whoever starts one stops it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** RFC 3339 in UTC with milliseconds, or null for "never". */
export function toTimestamp(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
