/**
 * How often one device may be told no, whatever it connects over and however often: a node that asks for the same forbidden thing in a loop would otherwise keep
 * a core and the log busy for ever, and a new connection would give it a new budget.
 *
 *   counting ──a hundred within a minute──► cut off: its connections end ──a minute later──► counting anew
 *                                              └─ the first few new ones are told why, the others are closed unread
 *
 * Only devices with a certificate of our CA get here. The table is bounded all the same; the device that was refused longest ago goes first.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { DENIAL_PENALTY_MS } from '../base/link-limits.js';
import type { Log } from '../base/log.js';
import { DENIALS_PER_WINDOW, DENIAL_WINDOW_MS } from './denial-budget.js';

/** Connections that are let in to hear why, for each time a device is cut off. A node comes over two transports at once, and then waits. */
export const TOLD_CONNECTIONS = 8;
/** Answers on one of them. */
export const TOLD_ANSWERS = 8;
const MAX_DEVICES = 4096;

interface Row {
  startedAt: number;
  count: number;
  /** Monotonic milliseconds; null while it is only counted. */
  cutUntil: number | null;
  told: number;
  /** Connections that were closed unread since it was cut off. */
  unread: number;
}

export type DenialsOfDevice = Pick<DeviceDenials, 'denied' | 'refusal' | 'mayBeTold'>;

export class DeviceDenials {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rows = new Map<string, Row>();
  readonly #onCut: ((deviceId: string) => void)[] = [];

  constructor(deps: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Every listener ends the connections it has of that device. */
  onCut(end: (deviceId: string) => void): void {
    this.#onCut.push(end);
  }

  /** Counts one denial, and cuts the device off when there were too many. One that is cut off already is not counted. */
  denied(deviceId: string): void {
    const now = this.#clock.monotonic();
    const row = this.#rowOf(deviceId, now);
    if (row.cutUntil !== null) return;
    row.count += 1;
    if (row.count <= DENIALS_PER_WINDOW) return;
    row.cutUntil = now + DENIAL_PENALTY_MS;
    this.#log.warn('a node was cut off: too many refused calls', { node: deviceId, forMs: DENIAL_PENALTY_MS });
    for (const end of this.#onCut) end(deviceId);
  }

  /** What a device is told that is cut off; null for any other. */
  refusal(deviceId: string): PalyraError | null {
    const now = this.#clock.monotonic();
    const cutUntil = this.#rows.get(deviceId)?.cutUntil ?? null;
    if (cutUntil === null || now >= cutUntil) return null;
    const retryAfterMs = Math.ceil(cutUntil - now);
    return new PalyraError('NODE_CUT_OFF', {
      detail: `more than ${DENIALS_PER_WINDOW} calls were refused within a minute; not before ${Math.ceil(retryAfterMs / 1000)} s from now`,
      details: { retryAfterMs },
    });
  }

  /** Whether a new connection of it is worth an answer; it is counted. */
  mayBeTold(deviceId: string): boolean {
    const row = this.#rows.get(deviceId);
    if (row === undefined) return true;
    if (row.told < TOLD_CONNECTIONS) {
      row.told += 1;
      return true;
    }
    row.unread += 1;
    // Powers of two only: who comes again and again must not fill the log with it.
    if ((row.unread & (row.unread - 1)) === 0)
      this.#log.info('connections of a node that is cut off were closed', { node: deviceId, closed: row.unread });
    return false;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Its row, whose time is not over. */
  #rowOf(deviceId: string, now: number): Row {
    const known = this.#rows.get(deviceId);
    this.#rows.delete(deviceId);
    const isOver =
      known === undefined ||
      (known.cutUntil === null ? now - known.startedAt >= DENIAL_WINDOW_MS : now >= known.cutUntil);
    const row = isOver ? { startedAt: now, count: 0, cutUntil: null, told: 0, unread: 0 } : known;
    this.#rows.set(deviceId, row);
    const [oldest] = this.#rows.keys();
    if (this.#rows.size > MAX_DEVICES && oldest !== undefined) this.#rows.delete(oldest);
    return row;
  }
}
