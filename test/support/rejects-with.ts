/** Asserts on the reason of a PalyraError, and gives the error back for more. */
import { strict as assert } from 'node:assert';

import { PalyraError, type Reason } from '../../src/lib/base/errors.js';

export async function rejectsWith(promise: Promise<unknown>, reason: Reason): Promise<PalyraError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof PalyraError, `expected ${reason}, got ${String(error)}`);
  assert.equal(error.reason, reason, error.stack);
  return error;
}
