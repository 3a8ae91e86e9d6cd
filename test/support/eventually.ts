/** Waits for something that another process brings about: looks again until it is there or the deadline has passed. */
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;

/** The first answer that is neither undefined nor false. Fails with `what` after `timeoutMs`. */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() >= end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
