/** Waits for a condition that real I/O brings about. Never by sleeping: it looks again every turn of the event loop. */
import { strict as assert } from 'node:assert';

import { settle } from './hand-clock.js';

export async function until(
  condition: () => boolean,
  what: () => string = () => 'the condition',
  timeoutMs = 10_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition() && performance.now() < end) await settle();
  assert.ok(condition(), `it does not come within ${timeoutMs} ms: ${what()}`);
}
