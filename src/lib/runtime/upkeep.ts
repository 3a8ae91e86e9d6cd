/** What the domain does without being asked: timers, forgetting, snapshots, and the orderly end. */
import type { Access } from './access.js';
import type { RuntimeCore } from './core.js';
import { PresenceWatch } from './presence-watch.js';
import type { Repeats } from './repeats.js';
import { forgetEnded, forgetSettled } from './retention.js';

/** Ended rows are looked for this often. */
const FORGET_EVERY_MS = 60_000;
/** Settled dispatches forgotten in one tick: bounds the size of the journal record. */
const FORGET_AT_ONCE = 1000;

export class Upkeep {
  readonly #core: RuntimeCore;
  readonly #access: Access;
  readonly #repeats: Repeats;
  readonly #presence: PresenceWatch;
  #forgetAt = 0;
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
    core.expire();
    this.#presence.sweep();
    const tx = core.begin();
    tx.setVolatile('daemon', 'daemon', { aliveAt: tx.now.wall });
    forgetSettled(core.mailbox.index, tx, FORGET_AT_ONCE);
    this.#access.sweep(tx);
    if (tx.now.mono >= this.#forgetAt) {
      this.#forgetAt = tx.now.mono + FORGET_EVERY_MS;
      forgetEnded(tx, core.pairing());
      this.#repeats.sweep(tx);
    }
    if (!tx.isEmpty) await core.commit(tx);
    if (this.#snapshot === null && store.wantsSnapshot(tx.now.wall)) {
      this.#snapshot = store.snapshot(core.tables, tx.now.wall).finally(() => (this.#snapshot = null));
      await this.#snapshot;
    }
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
