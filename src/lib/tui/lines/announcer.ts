/** Tells what happens unasked: the first at once, then at most one line a second for everything that came meanwhile. Bounded: only the newest are kept. */
import type { Clock } from '../../base/clock.js';
import { together } from './sentences.js';

const EVERY_MS = 1000;
const MAX_KEPT = 200;

/** `node`: about a machine of the fleet. */
export type Said = { readonly about: 'node' | 'request' | 'daemon'; readonly subject: string; readonly text: string };

export class Announcer {
  readonly #clock: Clock;
  readonly #print: (text: string) => void;
  #kept: Said[] = [];
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, print: (text: string) => void) {
    this.#clock = clock;
    this.#print = print;
  }

  add(said: Said | null): void {
    if (said === null) return;
    this.#kept.push(said);
    if (this.#kept.length > MAX_KEPT) this.#kept.shift();
    if (this.#cancel === null) this.#flush();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#kept = [];
  }

  #flush(): void {
    this.#cancel = null;
    if (this.#kept.length === 0) return;
    this.#print(together(this.#kept));
    this.#kept = [];
    this.#cancel = this.#clock.schedule(EVERY_MS, () => this.#flush());
  }
}
