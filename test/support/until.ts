/** Waits for a condition that real I/O brings about: looks again at the next turns of the event loop, and then every other millisecond. */
import { strict as assert } from 'node:assert';
import { setTimeout as pause } from 'node:timers/promises';

import { settle } from './hand-clock.js';

const QUICK_LOOKS = 20;
const LOOK_EVERY_MS = 2;

export async function until(
  condition: () => boolean,
  what: () => string = () => 'the condition',
  timeoutMs = 10_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let look = 0; !condition() && performance.now() < end; look++) {
    // What is waited for may be another process, which needs the processor too.
    await (look < QUICK_LOOKS ? settle() : pause(LOOK_EVERY_MS));
  }
  assert.ok(condition(), `it does not come within ${timeoutMs} ms: ${what()}`);
}
