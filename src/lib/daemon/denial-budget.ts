/**
 * How often one connection of somebody unknown may be told no before it is cut off: a client that asks for the same forbidden thing in a loop would otherwise
 * keep a core and the log busy for ever. Devices are counted by `DeviceDenials`.
 */
import type { Clock } from '../base/clock.js';

/** An honest node is refused a handful of times in its life. */
export const DENIALS_PER_WINDOW = 100;
export const DENIAL_WINDOW_MS = 60_000;

export class DenialBudget {
  readonly #clock: Clock;
  readonly #windows = new WeakMap<object, { startedAt: number; count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one denial. False when the budget of this minute is used up. */
  spend(connection: object): boolean {
    const now = this.#clock.monotonic();
    const window = this.#windows.get(connection);
    if (window === undefined || now - window.startedAt >= DENIAL_WINDOW_MS) {
      this.#windows.set(connection, { startedAt: now, count: 1 });
      return true;
    }
    window.count += 1;
    return window.count <= DENIALS_PER_WINDOW;
  }
}
