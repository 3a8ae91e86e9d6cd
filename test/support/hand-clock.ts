/** A clock that stands still until a test turns it. Timers that come due run in order, each at its own time. */
import type { Clock } from '../../src/lib/base/clock.js';

interface Timer {
  readonly at: number;
  readonly action: () => void;
  readonly order: number;
}

export class HandClock implements Clock {
  #mono = 0;
  #offset: number;
  #timers: Timer[] = [];
  #order = 0;

  constructor(start = Date.UTC(2026, 10, 22)) {
    this.#offset = start;
  }

  now(): number {
    return this.#offset + this.#mono;
  }

  monotonic(): number {
    return this.#mono;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const timer = { at: this.#mono + Math.max(0, delayMs), action, order: this.#order++ };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that still wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time on and runs what comes due. Promises that this resolves continue after the caller's next await. */
  advance(ms: number): void {
    const until = this.#mono + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#mono = Math.max(this.#mono, due.at);
      due.action();
    }
    this.#mono = until;
  }

  /** Moves the wall clock only, as NTP or a person would. */
  jump(ms: number): void {
    this.#offset += ms;
  }
}

/** Lets everything that is ready run: promise continuations and I/O callbacks of this turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
