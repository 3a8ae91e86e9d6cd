/**
 * Half-done pairings: memory only, one for a device key, a bounded number over all and from one source, each gone after a minute or after one try.
 * Whoever begins takes a place before anything is looked at and gives it back when nothing comes of it.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';

export const SESSION_TTL_MS = 60_000;
/** More are PAIRING_BUSY. */
export const MAX_SESSIONS = 32;
export const MAX_SESSIONS_PER_SOURCE = 4;

export interface HeldSession {
  readonly kind: string;
  readonly spki: Buffer;
  /** What counts as one source. */
  readonly source: string;
}

interface Kept<S> {
  readonly session: S;
  readonly expiresAt: number;
}

export class PairingSessions<S extends HeldSession> {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Kept<S>>();
  /** Places taken by sessions and by begins that wait for the runtime. */
  readonly #places = new Map<string, number>();
  #taken = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Throws PAIRING_BUSY. */
  take(source: string): void {
    this.sweep();
    const here = this.#places.get(source) ?? 0;
    if (this.#taken >= MAX_SESSIONS || here >= MAX_SESSIONS_PER_SOURCE) throw new PalyraError('PAIRING_BUSY');
    this.#taken += 1;
    this.#places.set(source, here + 1);
  }

  leave(source: string): void {
    this.#taken -= 1;
    const here = (this.#places.get(source) ?? 1) - 1;
    if (here === 0) this.#places.delete(source);
    else this.#places.set(source, here);
  }

  /** Fills a place that was taken. A machine that begins again has given up what it began before: it does not hold two places. */
  hold(id: string, session: S): void {
    for (const [other, { session: earlier }] of this.#sessions) {
      if (earlier.spki.equals(session.spki)) this.#remove(other, earlier);
    }
    this.#sessions.set(id, { session, expiresAt: this.#clock.monotonic() + SESSION_TTL_MS });
  }

  /** Takes it away before anything in it is checked: one try. Throws PAIRING_SESSION_UNKNOWN. */
  consume<K extends S['kind']>(id: string, kind: K): Extract<S, { kind: K }> {
    const kept = this.#sessions.get(id);
    if (kept !== undefined) this.#remove(id, kept.session);
    if (kept?.session.kind !== kind || kept.expiresAt <= this.#clock.monotonic()) {
      throw new PalyraError('PAIRING_SESSION_UNKNOWN');
    }
    return kept.session as Extract<S, { kind: K }>;
  }

  /** Forgets those that were not completed in time. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [id, { session, expiresAt }] of this.#sessions) if (expiresAt <= now) this.#remove(id, session);
  }

  #remove(id: string, session: S): void {
    this.#sessions.delete(id);
    this.leave(session.source);
  }
}
