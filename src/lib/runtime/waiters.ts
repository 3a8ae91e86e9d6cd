/** Promises that wait for a row to change. Woken after the change is durable; bounded by a time-out and a signal; nothing is polled. */
import type { Clock } from '../base/clock.js';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(private readonly clock: Clock) {}

  /** Resolves true when `key` is woken, false at the time-out. Rejects with the signal's reason. */
  wait(key: string, options: WaitOptions): Promise<boolean> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      let set = this.#waiting.get(key);
      if (set === undefined) this.#waiting.set(key, (set = new Set()));
      const end = () => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        set.delete(onWake);
        if (set.size === 0 && this.#waiting.get(key) === set) this.#waiting.delete(key);
      };
      const onWake = () => {
        end();
        resolve(true);
      };
      const onAbort = () => {
        end();
        reject(signal?.reason as Error);
      };
      const cancelTimer = this.clock.schedule(options.timeoutMs, () => {
        end();
        resolve(false);
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      set.add(onWake);
    });
  }

  wake(key: string): void {
    for (const onWake of [...(this.#waiting.get(key) ?? [])]) onWake();
  }

  /** Wakes everybody, at shutdown: they look at the state once more and answer. */
  wakeAll(): void {
    for (const key of [...this.#waiting.keys()]) this.wake(key);
  }
}
