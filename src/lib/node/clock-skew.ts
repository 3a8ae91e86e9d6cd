/**
 * Names a wrong clock as what it is. Without this it shows as a TLS error that nobody connects with the time of day.
 */
import { PalyraError } from '../base/errors.js';

/** More than this and signatures, deadlines and certificates stop to agree. */
export const MAX_SKEW_MS = 5 * 60_000;

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

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** In the largest unit that fits at least twice, rounded down: "41 days", "90 minutes". */
export function inWords(ms: number): string {
  const [name, size] = UNITS.find(([, unitMs]) => ms >= 2 * unitMs) ?? UNITS[3];
  const count = Math.floor(ms / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
