/** A machine that restarts, however and with whatever journal, is never shown as two; two that live at once always are, soon. */
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { Clones, isContested } from '../../src/lib/runtime/clones.js';
import type { OpenLink } from '../../src/lib/runtime/links.js';

const BEAT_MS = 15_000;
const sink = { transport: 'grpc', send: () => undefined, close: () => undefined } as const;

/** The daemon's side of it: one link, as `openLink` handles it. */
class Daemon {
  readonly #clones = new Clones();
  link: OpenLink | null = null;
  mono = 0;

  hello(bootId: string, storeId: string): boolean {
    const now = { wall: this.mono, mono: this.mono };
    if (this.#clones.holds(this.link, { bootId, storeId, address: 'a' }, now)) return false;
    const common = { nodeId: 'nod_1', epoch: 1, address: 'a', heartbeatMs: BEAT_MS, saidGoodbye: false, rival: null };
    this.link = { ...common, bootId, storeId, sink, lastHeardAt: this.mono };
    return true;
  }

  beat(bootId: string): void {
    if (this.link?.bootId === bootId) this.link.lastHeardAt = this.mono;
  }

  get contested(): boolean {
    return this.link !== null && isContested(this.link, this.mono);
  }
}

describe('clones', () => {
  it('one machine is never shown as two: restarts, wiped journals, half-open links, any timing', () => {
    const life = fc.record({
      beats: fc.nat({ max: 6 }),
      wiped: fc.boolean(),
      goodbye: fc.boolean(),
      /** The connection of the process that died is noticed at once, or only by silence. */
      halfOpen: fc.boolean(),
      awayMs: fc.nat({ max: 90_000 }),
      reconnects: fc.nat({ max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(life, { minLength: 1, maxLength: 12 }), (lives) => {
        const daemon = new Daemon();
        let store = 0;
        lives.forEach(({ beats, wiped, goodbye, halfOpen, awayMs, reconnects }, boot) => {
          if (wiped) store += 1;
          let tries = 0;
          const connect = () => {
            while (!daemon.hello(`boot-${boot}`, `store-${store}`)) {
              assert.equal(daemon.contested, false, 'held, not judged');
              daemon.mono += BEAT_MS;
              assert.ok((tries += 1) < 5, 'it is let in when the older session is silent');
            }
          };
          connect();
          for (let again = 0; again < reconnects; again++) connect();
          for (let beat = 0; beat < beats; beat++) {
            daemon.mono += BEAT_MS;
            daemon.beat(`boot-${boot}`);
            assert.equal(daemon.contested, false);
          }
          if (goodbye && daemon.link !== null) daemon.link.saidGoodbye = true;
          if (!halfOpen) daemon.link = null;
          daemon.mono += awayMs;
        });
        assert.equal(daemon.contested, false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('two that live at once are found, with one journal copied or with two', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.integer({ min: 0, max: 40_000 }), (sameStore, offsetMs) => {
        const daemon = new Daemon();
        const stores = { a: 'store', b: sameStore ? 'store' : 'other' };
        let found = false;
        assert.ok(daemon.hello('a', stores.a));
        daemon.mono += offsetMs;
        // Each beats when it is connected and tries again each half minute when it is not.
        for (let step = 0; step < 20 && !found; step++) {
          daemon.beat(daemon.link!.bootId);
          for (const boot of ['b', 'a'] as const) {
            if (step % 2 === 0 && daemon.link!.bootId !== boot) daemon.hello(boot, stores[boot]);
          }
          daemon.mono += BEAT_MS;
          daemon.beat(daemon.link!.bootId);
          found ||= daemon.contested;
        }
        assert.ok(found);
      }),
    );
  });
});
