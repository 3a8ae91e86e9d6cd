/** The machine's clock with a hand that can push it on: timers run in real time, what is asked for the time sees the steps. */
import { systemClock, type Clock } from '../../src/lib/base/clock.js';

/** A machine that has been up for long: its monotonic time stays positive when it is pushed back. */
const UPTIME_MS = 1_000 * 86_400_000;

export class SteppedClock implements Clock {
  #ahead = 0;
  #wallAhead = 0;

  now(): number {
    return systemClock.now() + this.#ahead + this.#wallAhead;
  }

  monotonic(): number {
    return UPTIME_MS + systemClock.monotonic() + this.#ahead;
  }

  schedule(delayMs: number, action: () => void): () => void {
    return systemClock.schedule(delayMs, action);
  }

  /** Sets the wall clock only, to so much from the true time, as a person or a wrong time server does. */
  set(offMs: number): void {
    this.#wallAhead = offMs;
  }

  step(ms: number): void {
    this.#ahead += ms;
  }
}
