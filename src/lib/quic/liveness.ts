/**
 * Whether the peer of an open connection is still there. Only decides; sends nothing and has no timer.
 *
 *   heard ──keepAliveMs of silence──► PING ──no datagram for `deadPeerMs` in all──► dead
 *                                      └─ the network says that nobody is there: SUSPECT_MS instead
 *
 * Always true: nobody is called dead who was not asked and given the time to answer; the library repeats a lost PING several times within it. A process
 * that slept itself (a suspended machine) asks again first: the answers may wait in its socket.
 */
export class Liveness {
  readonly #keepAliveMs: number;
  readonly #patienceMs: number;
  #heardAt: number;
  #pingAt = -Infinity;
  /** When the first PING since the last datagram was sent. */
  #askedAt: number | null = null;
  #suspected = false;

  /** `keepAliveMs` 0: never asks on its own. */
  constructor(options: { readonly keepAliveMs: number; readonly deadPeerMs: number }, now: number) {
    const { keepAliveMs, deadPeerMs } = options;
    this.#keepAliveMs = keepAliveMs > 0 ? keepAliveMs : Infinity;
    // A second PING must have its chance, whatever the two are set to.
    this.#patienceMs = deadPeerMs > 0 ? Math.max(deadPeerMs - keepAliveMs, keepAliveMs + ANSWER_MS) : Infinity;
    this.#heardAt = now;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  heard(now: number): void {
    this.#heardAt = now;
    this.#askedAt = null;
    this.#suspected = false;
  }

  /** When to call `look`; Infinity for never. */
  get deadline(): number {
    return Math.min(this.#pingDeadline, this.#deadDeadline);
  }

  /** What is to be done now. */
  look(now: number): 'nothing' | 'ping' | 'dead' {
    const late = now - this.#deadDeadline;
    if (late >= 0 && late < ASLEEP_MS) return 'dead';
    if (late >= ASLEEP_MS) this.#askedAt = null;
    else if (now < this.#pingDeadline) return 'nothing';
    return this.#ask(now);
  }

  /** The network says that nobody is there, which anybody could have made it say. Whether to send a PING. */
  suspect(now: number): boolean {
    if (this.#suspected) return false;
    this.#suspected = true;
    this.#askedAt = null;
    this.#ask(now);
    return true;
  }

  #ask(now: number): 'ping' {
    this.#pingAt = now;
    this.#askedAt ??= now;
    return 'ping';
  }

  get #pingDeadline(): number {
    return Math.max(this.#heardAt, this.#pingAt) + this.#keepAliveMs;
  }

  get #deadDeadline(): number {
    if (this.#askedAt === null) return Infinity;
    return this.#askedAt + (this.#suspected ? SUSPECT_MS : this.#patienceMs);
  }
}

/** Several round trips of any path that people use, and several repetitions of the PING on a short one. */
const SUSPECT_MS = 3_000;
/** For the answer to a second PING. */
const ANSWER_MS = 2_000;
/** A timer that fires so late means that this process did not run. */
const ASLEEP_MS = 1_000;
