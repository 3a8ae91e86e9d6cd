/** The machine's clock, but every second of it is shorter: what takes a minute can be seen in a few seconds. Everybody who meets must share one. */
import { systemClock, type Clock } from '../../src/lib/base/clock.js';

export class FastClock implements Clock {
  readonly #factor: number;
  readonly #beganAt = systemClock.now();
  readonly #began = systemClock.monotonic();

  /** How many of its seconds pass in one. */
  constructor(factor: number) {
    this.#factor = factor;
  }

  now(): number {
    return this.#beganAt + Math.round(this.#passedMs());
  }

  monotonic(): number {
    return this.#began + this.#passedMs();
  }

  schedule(delayMs: number, action: () => void): () => void {
    return systemClock.schedule(delayMs / this.#factor, action);
  }

  #passedMs(): number {
    return (systemClock.monotonic() - this.#began) * this.#factor;
  }
}
