/**
 * How often a node is asked to beat: as configured, and more slowly in a fleet whose beats would keep the daemon busy with nothing else. It is decided when a
 * link opens, told in its Welcome, and is a property of that link from then on: whoever judges the silence of a node asks the link.
 *
 * Always true: all links together beat at most `MAX_BEATS_PER_SECOND` times a second on average, as far as they opened at the present size of the fleet.
 * After Nomad's `RateScaledInterval`.
 */
import type { Random } from '../base/random.js';

/** Forty beats a second with their answers took 3.7 % of a core over gRPC when it was measured (200 nodes, one every 5 s): these take less than a fifth of one. */
export const MAX_BEATS_PER_SECOND = 200;
/**
 * At most so much is added, and only where the size of the fleet rules: thousands that came back at once must not beat in step for ever. Fewer have nothing
 * to spread, and whoever reads "late after 30 s" finds exactly that.
 */
const JITTER = 0.1;
/** A dispatch whose node is silent this long is suspect; never shorter, so that a busy node is not suspected. */
const MIN_LEASE_MS = 15_000;
/** Two beats may be lost. */
const LEASE_BEATS = 3;

/** `nodes`: how many are paired, connected or not: after a restart they all come. Whole milliseconds. */
export function heartbeatMsFor(nodes: number, configuredMs: number, random: Pick<Random, 'fraction'>): number {
  const fleetMs = (nodes * 1000) / MAX_BEATS_PER_SECOND;
  if (fleetMs <= configuredMs) return configuredMs;
  return Math.round(fleetMs * (1 + JITTER * random.fraction()));
}

/** How long a node may say nothing of a dispatch that it was given. */
export function leaseMsFor(heartbeatMs: number): number {
  return Math.max(LEASE_BEATS * heartbeatMs, MIN_LEASE_MS);
}
