/** What the domain does without being asked: timers, forgetting, snapshots, and the orderly end. */
import { LOOK_BEATS, removeAbsent } from './absence.js';
import type { Access } from './access.js';
import type { RuntimeCore } from './core.js';
import { downtimesAt } from './downtime.js';
import { PresenceWatch } from './presence-watch.js';
import type { Repeats } from './repeats.js';
import { forgetEnded, forgetSettled } from './retention.js';
import type { Transaction } from './transaction.js';

/** Ended rows are looked for this often. */
const FORGET_EVERY_MS = 60_000;
/** Between two ticks, which are a second apart: after more than this the daemon itself stood still. */
const STOOD_STILL_MS = 5_000;
/** Settled dispatches forgotten in one tick: bounds the size of the journal record. */
const FORGET_AT_ONCE = 1000;

export class Upkeep {
  readonly #core: RuntimeCore;
  readonly #access: Access;
  readonly #repeats: Repeats;
  readonly #presence: PresenceWatch;
  #forgetAt = 0;
  #lookAt = 0;
  /** Monotonic; null before the first tick. */
  #upSince: number | null = null;
  #tickedAt: number | null = null;
  #snapshot: Promise<void> | null = null;

  constructor(core: RuntimeCore, access: Access, repeats: Repeats) {
    this.#core = core;
    this.#access = access;
    this.#repeats = repeats;
    this.#presence = new PresenceWatch(core);
  }

  /** Throws what the store throws. */
  async tick(): Promise<void> {
    const core = this.#core;
    const { store } = core.deps;
    this.#pardon(core.now().mono);
    core.expire();
    this.#presence.sweep();
    const tx = core.begin();
    this.#alive(tx);
    forgetSettled(core.mailbox.index, tx, FORGET_AT_ONCE);
    this.#access.sweep(tx);
    if (tx.now.mono >= this.#forgetAt) {
      this.#forgetAt = tx.now.mono + FORGET_EVERY_MS;
      forgetEnded(tx, core.pairing());
      this.#repeats.sweep(tx);
    }
    if (tx.now.mono >= this.#lookAt) {
      this.#lookAt = tx.now.mono + LOOK_BEATS * core.heartbeatMs;
      removeAbsent(tx, core, tx.now.mono - (this.#upSince ?? tx.now.mono));
    }
    if (!tx.isEmpty) await core.commit(tx);
    if (this.#snapshot === null && store.wantsSnapshot(tx.now.wall)) {
      this.#snapshot = store.snapshot(core.tables, tx.now.wall).finally(() => (this.#snapshot = null));
      await this.#snapshot;
    }
  }

  /** Nobody is silent while the daemon does not listen. */
  #pardon(mono: number): void {
    const stoodMs = this.#tickedAt === null ? 0 : mono - this.#tickedAt;
    this.#tickedAt = mono;
    if (stoodMs > STOOD_STILL_MS) this.#core.links.pardon(stoodMs, mono);
  }

  /** Memory, saved with snapshots, as who was seen when: after a crash both are equally old, and the time since counts as the daemon's own. */
  #alive(tx: Transaction): void {
    const before = tx.tables.daemon.get('daemon');
    const { aliveAt, downtimes } = downtimesAt(before, tx.now.wall);
    const gap = downtimes.length > 0 && downtimes !== before?.downtimes;
    if (gap || this.#upSince === null) this.#upSince = tx.now.mono;
    tx.setVolatile('daemon', 'daemon', { aliveAt, downtimes });
  }

  async close(): Promise<void> {
    const core = this.#core;
    core.stopTimer();
    core.links.closeAll('daemon-stopped');
    core.waiters.wakeAll();
    core.begin().setVolatile('daemon', 'daemon', { aliveAt: core.now().wall });
    this.#access.saveUse();
    try {
      await this.#snapshot;
      await core.deps.store.snapshot(core.tables, core.deps.clock.now());
    } finally {
      await core.deps.store.close();
    }
  }
}
