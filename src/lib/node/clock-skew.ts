/**
 * Names a wrong clock as what it is. Without this it shows as a TLS error that nobody connects with the time of day.
 */
import { PalyraError } from '../base/errors.js';
import { inWords, MAX_SKEW_MS } from '../base/time-words.js';

/** Compares with what the daemon says its time is. Throws CLOCK_SKEW. */
export function assertSameTime(now: number, daemonNow: number): void {
  const skewMs = now - daemonNow;
  if (Math.abs(skewMs) > MAX_SKEW_MS) throw skew(skewMs, '');
}

/**
 * Compares with the dates of a certificate the daemon uses right now. It renews its own in time, so outside of them it is the clock here that is wrong,
 * by at least the distance. Throws CLOCK_SKEW.
 */
export function assertWithin(
  now: number,
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
): void {
  if (now < notBefore) throw skew(now - notBefore, 'at least ');
  if (now > notAfter) throw skew(now - notAfter, 'at least ');
}

function skew(skewMs: number, bound: string): PalyraError {
  const direction = skewMs < 0 ? 'behind' : 'ahead of';
  const detail = `the clock of this machine is ${bound}${inWords(Math.abs(skewMs))} ${direction} the daemon's`;
  return new PalyraError('CLOCK_SKEW', { detail, details: { skewMs } });
}
