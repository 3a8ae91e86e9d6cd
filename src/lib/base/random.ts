/** Randomness as a dependency: cryptographic in a process, seeded in a property test. */
import { randomBytes } from 'node:crypto';

export interface Random {
  /** `size` unpredictable bytes. */
  bytes(size: number): Buffer;
  /** A number in [0, 1), for jitter only. */
  fraction(): number;
}

export const systemRandom: Random = {
  bytes: (size) => randomBytes(size),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};

/**
 * Exponential back-off with full jitter: a delay drawn evenly from [0, min(cap, base * 2^attempt)], never below `floorMs`.
 * Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 */
export function fullJitterDelayMs(
  attempt: number,
  random: Random,
  limits: { readonly baseMs: number; readonly capMs: number; readonly floorMs?: number },
): number {
  const ceiling = Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(attempt, 30));
  return Math.max(limits.floorMs ?? 0, Math.round(random.fraction() * ceiling));
}
