import { strict as assert } from 'node:assert';

import { inWords, MAX_SKEW_MS } from '../../../src/lib/base/time-words.js';
import { assertSameTime, assertWithin } from '../../../src/lib/node/clock-skew.js';

describe('naming a wrong clock', () => {
  it('accepts what is up to five minutes off and refuses more, either way', () => {
    for (const now of [-MAX_SKEW_MS, 0, MAX_SKEW_MS]) assertSameTime(now, 0);
    assert.throws(() => assertSameTime(MAX_SKEW_MS + 1, 0), { reason: 'CLOCK_SKEW', detail: /5 minutes ahead of/ });
    assert.throws(() => assertSameTime(-MAX_SKEW_MS - 1, 0), { reason: 'CLOCK_SKEW', detail: /5 minutes behind/ });
  });

  it('can only give a bound when all it has are the dates of a certificate', () => {
    const dates = { notBefore: 1_000_000, notAfter: 2_000_000 };
    assertWithin(1_000_000, dates);
    assertWithin(2_000_000, dates);
    assert.throws(() => assertWithin(0, dates), {
      detail: /at least 16 minutes behind/,
      details: { skewMs: -1_000_000 },
    });
    assert.throws(() => assertWithin(2_003_000, dates), { detail: /at least 3 seconds ahead of/ });
  });

  it('speaks in the largest unit that does not lose much', () => {
    const words: [number, string][] = [
      [500, '0 seconds'],
      [1_000, '1 second'],
      [119_000, '119 seconds'],
      [90 * 60_000, '90 minutes'],
      [47 * 3_600_000, '47 hours'],
      [41.9 * 86_400_000, '41 days'],
    ];
    for (const [ms, text] of words) assert.equal(inWords(ms), text);
  });
});
