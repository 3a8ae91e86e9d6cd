/**
 * Half-done pairings and logins: memory only, one for a device key or a claim hash, a bounded number over all and from one source, each gone after a minute or after one try.
 * Whoever begins takes a place before anything is looked at and gives it back when nothing comes of it.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError, type Reason } from '../base/errors.js';

export const SESSION_TTL_MS = 60_000;
/** More are refused. */
export const MAX_SESSIONS = 32;
export const MAX_SESSIONS_PER_SOURCE = 4;

export interface HeldSession {
  readonly kind: string;
  /** Key of the machine, or claim hash of the program, that began it. */
  readonly spki: Buffer;
  /** What counts as one source. */
  readonly source: string;
}

interface Kept<S> {
  readonly session: S;
  readonly expiresAt: number;
}

/** What whoever asks is told: there is no place, or there is no such session. */
export interface SessionRefusals {
  readonly busy: Reason;
  readonly unknown: Reason;
}

const PAIRING: SessionRefusals = { busy: 'PAIRING_BUSY', unknown: 'PAIRING_SESSION_UNKNOWN' };

export class PairingSessions<S extends HeldSession> {
  readonly #clock: Clock;
  readonly #refusals: SessionRefusals;
  readonly #sessions = new Map<string, Kept<S>>();
  /** Places taken by sessions and by begins that wait for the runtime. */
  readonly #places = new Map<string, number>();
  #taken = 0;

  constructor(clock: Clock, refusals: SessionRefusals = PAIRING) {
    this.#clock = clock;
    this.#refusals = refusals;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Throws `busy`. */
  take(source: string): void {
    this.sweep();
    const here = this.#places.get(source) ?? 0;
    if (this.#taken >= MAX_SESSIONS || here >= MAX_SESSIONS_PER_SOURCE) throw new PalyraError(this.#refusals.busy);
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

  /** Takes it away before anything in it is checked: one try. Throws `unknown`. */
  consume<K extends S['kind']>(id: string, kind: K): Extract<S, { kind: K }> {
    const kept = this.#sessions.get(id);
    if (kept !== undefined) this.#remove(id, kept.session);
    if (kept?.session.kind !== kind || kept.expiresAt <= this.#clock.monotonic()) {
      throw new PalyraError(this.#refusals.unknown);
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
