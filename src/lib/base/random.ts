/**
 * Randomness as a dependency: cryptographic in a process, seeded in a property test. From the global `crypto`, not from node:crypto: every client could
 * need it, few do, and what is never used is not loaded.
 */
export interface Random {
  /** `size` unpredictable bytes, at most 65,536. */
  bytes(size: number): Buffer;
  /** A number in [0, 1), for jitter only. */
  fraction(): number;
}

export const systemRandom: Random = {
  bytes: (size) => randomBytes(size),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};

function randomBytes(size: number): Buffer {
  return globalThis.crypto.getRandomValues(Buffer.alloc(size));
}

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

/**
 * Numbers in [0, 1) with 8 random bits each, for picking letters of an alphabet of at most 256: one call of `bytes` serves a thousand of them, where a call
 * for each would cost more than the work it is for.
 */
export function pooledFractions(random: Random): () => number {
  let pool: Buffer = Buffer.alloc(0);
  let next = 0;
  return () => {
    if (next === pool.length) {
      pool = random.bytes(1024);
      next = 0;
    }
    return pool[next++]! / 256;
  };
}
