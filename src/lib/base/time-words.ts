/** A span of time in words of people, for messages about clocks. */
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** More than this and signatures, deadlines and certificates stop to agree. */
export const MAX_SKEW_MS = 5 * 60_000;

/** "7 minutes ahead of", or null for a difference that does not matter. */
export function skewWords(skewMs: number): string | null {
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return null;
  return `${inWords(Math.abs(skewMs))} ${skewMs < 0 ? 'behind' : 'ahead of'}`;
}

/** In the largest unit that fits at least twice, rounded down: "41 days", "90 minutes". */
export function inWords(ms: number): string {
  const [name, size] = UNITS.find(([, unitMs]) => ms >= 2 * unitMs) ?? UNITS[3];
  const count = Math.floor(ms / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
