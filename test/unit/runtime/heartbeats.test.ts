/** How often a node is asked to beat in a fleet of thousands, and that its silence is measured by what it was told. */
import assert from 'node:assert/strict';
import type { Offer, Welcome } from '../../../src/lib/base/link-messages.js';
import { heartbeatMsFor, leaseMsFor, MAX_BEATS_PER_SECOND } from '../../../src/lib/runtime/heartbeats.js';
import { RUN_TIMEOUT_MARGIN_MS } from '../../../src/lib/runtime/transitions.js';
import { capability, OWNER, RuntimeFixture, type TestLink } from '../../support/runtime-fixture.js';

const CONFIGURED_MS = 15_000;
/** Beats of 30 s and a little: twice as long as configured. */
const FLEET = 6_000;
/** Runs longer than the lease of a small fleet, and shorter than that of this one. */
const SLOW = capability('slow.run', { executionTimeoutMs: 60_000 });
const fraction = (value: number) => ({ fraction: () => value });

describe('heartbeats of a fleet', function () {
  this.timeout(30_000);

  describe('an interval', () => {
    it('is what was configured until the fleet would beat more often than it may', () => {
      const most = (CONFIGURED_MS / 1000) * MAX_BEATS_PER_SECOND;
      for (const nodes of [0, 1, 500, most]) assert.equal(heartbeatMsFor(nodes, CONFIGURED_MS, fraction(0.99)), 15_000);
      assert.equal(heartbeatMsFor(most + 200, CONFIGURED_MS, fraction(0)), 16_000);
    });

    it('is up to a tenth longer where the fleet rules, in whole milliseconds, and never shorter', () => {
      assert.equal(heartbeatMsFor(10_000, CONFIGURED_MS, fraction(0)), 50_000);
      assert.equal(heartbeatMsFor(10_000, CONFIGURED_MS, fraction(0.5)), 52_500);
      assert.equal(heartbeatMsFor(10_000, CONFIGURED_MS, fraction(1 - 2 ** -48)), 55_000);
      assert.equal(Number.isInteger(heartbeatMsFor(3_001, CONFIGURED_MS, fraction(0.123456789))), true);
    });

    it('has a lease of three of them, at least 15 s', () => {
      assert.deepEqual([leaseMsFor(1_000), leaseMsFor(15_000), leaseMsFor(30_000)], [15_000, 45_000, 90_000]);
    });
  });

  describe('of thousands', () => {
    let fixture: RuntimeFixture;
    let node: { nodeId: string; serial: string };
    let early: TestLink;
    let late: TestLink;
    let intervalMs: number;

    const welcomeOf = (link: TestLink) =>
      link.received.find((message): message is Welcome => message.kind === 'welcome')!;
    const seen = (name: string) => {
      const { presence, presenceReason } = fixture.runtime.nodeDetails(name).node;
      return presenceReason === null ? presence : `${presence} (${presenceReason})`;
    };

    before(async () => {
      fixture = await RuntimeFixture.open();
      early = await fixture.link(await fixture.pair('early'));
      for (let count = 2; count < FLEET; count++) await fixture.pair(`n${count}`);
      const { id } = await fixture.invite();
      const { nodeId } = await fixture.redeem(id, 'key late', { name: 'late', capabilities: [SLOW] });
      node = { nodeId: nodeId!, serial: fixture.serials.toString(16).padStart(4, '0') };
      late = await fixture.link(node);
      intervalMs = welcomeOf(late).heartbeatMs;
    });

    it('are told theirs when their link opens, and links that are open keep theirs', () => {
      assert.deepEqual([welcomeOf(early).heartbeatMs, welcomeOf(early).leaseMs], [CONFIGURED_MS, 45_000]);
      assert.ok(intervalMs >= 30_000 && intervalMs <= 33_000, `${intervalMs} ms`);
      assert.equal(welcomeOf(late).leaseMs, 3 * intervalMs);
    });

    it('are late and away after as many of their own intervals as everybody', async () => {
      const changes: string[] = [];
      fixture.runtime.events.subscribe(({ event }) => {
        if (event.type === 'node.presence') changes.push(`${event.name} ${event.presence}`);
      });
      const at = async (ms: number) => {
        fixture.clock.advance(ms - fixture.clock.monotonic());
        await fixture.runtime.tick();
        return [seen('early'), seen('late')];
      };
      assert.equal(fixture.clock.monotonic(), 0);
      // A tick every second, as the daemon has it: one that stood still would not hold silence against anybody.
      const until = async (ms: number) => {
        while (fixture.clock.monotonic() + 1_000 < ms) await at(fixture.clock.monotonic() + 1_000);
        return at(ms);
      };
      assert.deepEqual(await until(2 * CONFIGURED_MS), ['online', 'online']);
      assert.deepEqual(await until(2 * CONFIGURED_MS + 1), ['late', 'online']);
      assert.deepEqual(await until(2 * intervalMs), [2 * intervalMs > 60_000 ? 'offline (lost)' : 'late', 'online']);
      assert.deepEqual(await until(2 * intervalMs + 1), ['offline (lost)', 'late']);
      assert.deepEqual(await until(4 * intervalMs), ['offline (lost)', 'late']);
      assert.deepEqual(await until(4 * intervalMs + 1), ['offline (lost)', 'offline (lost)']);
      assert.deepEqual(changes, ['early late', 'early offline', 'late late', 'late offline']);
      assert.equal(fixture.runtime.summary().nodes.late, 0);
    });

    it('have an absence only when they were away by their own interval', () => {
      const absences = () =>
        fixture.runtime.nodeDetails('late').absences.map(({ reason, to, times }) => [reason, to === null, times]);
      const beat = () => late.session.receive({ kind: 'heartbeat', active: [] });
      assert.deepEqual(absences(), [['silent', true, 1]]);
      beat();
      assert.deepEqual([seen('late'), absences()], ['online', [['silent', false, 1]]]);
      fixture.clock.advance(4 * CONFIGURED_MS + 1_000);
      beat();
      assert.deepEqual(absences(), [['silent', false, 1]]);
      fixture.clock.advance(4 * intervalMs + 1_000);
      beat();
      assert.equal(absences().length, 2);
    });

    it('are not taken for copies of themselves before two of their own intervals', async () => {
      fixture.clock.advance(2 * CONFIGURED_MS + 1_000);
      await assert.rejects(fixture.link(node, { bootId: 'boot-2', storeId: 'store-2' }), { reason: 'NODE_CONFLICT' });
      fixture.clock.advance(2 * intervalMs);
      late = await fixture.link(node, { bootId: 'boot-2', storeId: 'store-2' });
    });

    it('are not given up for silent between two beats: what they run has its whole time, and no more', async () => {
      const { id } = await fixture.runtime.requestDispatch(OWNER, {
        node: 'late',
        capability: SLOW.name,
        inputJson: '{}',
        input: {},
        timeoutMs: 900_000,
      });
      const { attempt, epoch } = late.received.findLast((message): message is Offer => message.kind === 'offer')!;
      late.session.receive({ kind: 'started', id, attempt, epoch });
      const after = async (ms: number) => {
        fixture.clock.advance(ms);
        await fixture.store.flushed();
        return fixture.runtime.dispatchView(id).state;
      };
      // Longer than the lease of a small fleet; a run whose node is in doubt has no timer.
      assert.equal(await after(SLOW.executionTimeoutMs), 'running');
      assert.equal(await after(RUN_TIMEOUT_MARGIN_MS), 'timed-out');
    });
  });
});
