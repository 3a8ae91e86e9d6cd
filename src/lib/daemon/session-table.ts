/**
 * The sessions of links that survive their connections, by device and by the id that the node made. A session belongs to the device that began it.
 *
 * Bounded: `MAX_SESSIONS_PER_DEVICE`, ended ones included; the oldest gives way. A session that ended is remembered for `REMEMBERED_MS`, because the word
 * that said so may have been lost, and because its beginning, repeated late, must not begin it again.
 */
import type { Clock } from '../base/clock.js';

export const MAX_SESSIONS_PER_DEVICE = 4;
export const REMEMBERED_MS = 60_000;

export interface TabledSession {
  readonly ended: boolean;
  /** Forgets it without a word. */
  drop(): void;
  close(reason: 'daemon-stopped'): void;
}

export class SessionTable<S extends TabledSession> {
  readonly #clock: Clock;
  readonly #devices = new Map<string, Map<string, S>>();
  readonly #forgetting = new Map<S, () => void>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sessions that have not ended. */
  get open(): number {
    let count = 0;
    for (const sessions of this.#devices.values()) for (const { ended } of sessions.values()) if (!ended) count += 1;
    return count;
  }

  find(deviceId: string, sessionId: string): S | undefined {
    return this.#devices.get(deviceId)?.get(sessionId);
  }

  of(deviceId: string): S[] {
    return [...(this.#devices.get(deviceId)?.values() ?? [])];
  }

  /** `make` is given what to call when the session has ended. */
  begin(deviceId: string, sessionId: string, make: (onEnded: () => void) => S): S {
    const sessions = this.#devices.get(deviceId) ?? new Map<string, S>();
    this.#devices.set(deviceId, sessions);
    const session: S = make(() => {
      if (this.#closed) return;
      const forget = () => this.#forget(deviceId, sessionId, session);
      this.#forgetting.set(session, this.#clock.schedule(REMEMBERED_MS, forget));
    });
    sessions.set(sessionId, session);
    const [oldest] = sessions;
    if (sessions.size > MAX_SESSIONS_PER_DEVICE && oldest !== undefined) {
      oldest[1].drop();
      this.#forget(deviceId, ...oldest);
    }
    return session;
  }

  /** Ends every session with DAEMON_STOPPING; begin no other. */
  close(): void {
    this.#closed = true;
    for (const sessions of this.#devices.values())
      for (const session of sessions.values()) session.close('daemon-stopped');
    for (const cancel of this.#forgetting.values()) cancel();
    this.#forgetting.clear();
  }

  #forget(deviceId: string, sessionId: string, session: S): void {
    this.#forgetting.get(session)?.();
    this.#forgetting.delete(session);
    const sessions = this.#devices.get(deviceId);
    if (sessions?.get(sessionId) === session) sessions.delete(sessionId);
    if (sessions?.size === 0) this.#devices.delete(deviceId);
  }
}
