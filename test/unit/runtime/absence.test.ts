import assert from 'node:assert/strict';
import type { RuntimeEvent } from '../../../src/lib/runtime/events.js';
import { RETURN_BEATS } from '../../../src/lib/runtime/absence.js';
import { DEFAULT_HEARTBEAT_MS } from '../../../src/lib/runtime/core.js';
import { RESTORE_MS } from '../../../src/lib/runtime/trust.js';
import { OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Absences are looked for once a minute. */
const LOOK = 60_000;
const RETURN_MS = RETURN_BEATS * DEFAULT_HEARTBEAT_MS;

describe('a node that joined for a while', () => {
  let fixture: RuntimeFixture;
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
  });

  const names = () => fixture.runtime.listNodes().nodes.map(({ name }) => name);
  const joins = async (name: string, ephemeralMs: number | undefined = HOUR) => {
    const { id } = await fixture.invite({ name, ephemeralMs });
    const { nodeId } = await fixture.redeem(id, `key of ${name}`);
    return { nodeId: nodeId!, serial: fixture.serials.toString(16).padStart(4, '0') };
  };

  it('says so, and goes away when nobody has seen it for that long; the others stay', async () => {
    const heard: RuntimeEvent[] = [];
    await joins('runner');
    await fixture.pair('nas');
    const here = await joins('here');
    const link = await fixture.link(here);
    fixture.runtime.events.subscribe(({ event }) => heard.push(event));
    assert.equal(fixture.runtime.nodeDetails('runner').node.ephemeralMs, HOUR);
    assert.equal(fixture.runtime.nodeDetails('nas').node.ephemeralMs, null);
    const beat = () => link.session.receive({ kind: 'heartbeat', active: [] });
    await fixture.live(HOUR - LOOK, beat);
    assert.deepEqual(names(), ['here', 'nas', 'runner']);
    await fixture.live(2 * LOOK, beat);
    assert.deepEqual(names(), ['here', 'nas']);
    assert.ok(heard.some((event) => event.type === 'node.removed' && event.by === 'time' && event.name === 'runner'));
    await fixture.live(2 * HOUR, beat);
    assert.deepEqual(names(), ['here', 'nas']);
    link.session.closed('lost');
    await fixture.live(HOUR + LOOK);
    assert.deepEqual(names(), ['nas']);
    await fixture.restart();
    assert.deepEqual(names(), ['nas']);
  });

  it('can be had back for a day, and has its whole time again then', async () => {
    const runner = await joins('runner');
    await fixture.live(HOUR + LOOK);
    assert.deepEqual(names(), []);
    fixture.clock.advance(RESTORE_MS - HOUR);
    assert.equal((await fixture.runtime.trust.restore(OWNER, 'runner')).node.id, runner.nodeId);
    await fixture.live(HOUR - LOOK);
    assert.deepEqual(names(), ['runner']);
    await fixture.live(2 * LOOK);
    assert.deepEqual(names(), []);
    fixture.clock.advance(RESTORE_MS + 1);
    await assert.rejects(fixture.runtime.trust.restore(OWNER, 'runner'), { reason: 'RESTORE_NOT_POSSIBLE' });
  });

  describe('of which nobody has been seen for thirty days', () => {
    const outages: Readonly<Record<string, () => Promise<void>>> = {
      'because the daemon was stopped': async () => {
        await fixture.runtime.close();
        fixture.clock.advance(30 * DAY);
        await fixture.restart();
      },
      'because the daemon was killed': async () => {
        fixture.clock.advance(30 * DAY);
        await fixture.restart();
      },
      'because the machine of the daemon slept': async () => fixture.clock.advance(30 * DAY),
      'because somebody set the clock': async () => fixture.clock.jump(30 * DAY),
      'because somebody set the clock back and forth': async () => {
        fixture.clock.jump(-30 * DAY);
        await fixture.live(LOOK);
        fixture.clock.jump(60 * DAY);
      },
    };
    for (const [why, outage] of Object.entries(outages)) {
      it(`stays, ${why}: it has time to come back, and what is left of its own`, async () => {
        const runners = [await joins('one'), await joins('two'), await joins('long', 365 * DAY)];
        const link = await fixture.link(runners[0]!);
        await fixture.live(HOUR / 2, () => link.session.receive({ kind: 'heartbeat', active: [] }));
        await outage();
        await fixture.live(RETURN_MS);
        assert.deepEqual(names(), ['long', 'one', 'two']);
        const again = await fixture.link(runners[0]!);
        const beat = () => again.session.receive({ kind: 'heartbeat', active: [] });
        await fixture.live(HOUR + LOOK, beat);
        assert.deepEqual(names(), ['long', 'one'], 'the one that did not come back goes in its time');
      });
    }

    it('stays, although its time was nearly over before', async () => {
      await joins('late');
      await fixture.live(HOUR - 2 * LOOK);
      await fixture.runtime.close();
      fixture.clock.advance(30 * DAY);
      await fixture.restart();
      await fixture.live(RETURN_MS - LOOK);
      assert.deepEqual(names(), ['late']);
      await fixture.live(3 * LOOK);
      assert.deepEqual(names(), []);
    });

    it('stays after the daemon was killed twice: what it did not write down is not held against it', async () => {
      const runner = await joins('runner');
      await fixture.runtime.close();
      await fixture.restart();
      const link = await fixture.link(runner);
      const beat = () => link.session.receive({ kind: 'heartbeat', active: [] });
      await fixture.live(6 * HOUR, beat);
      fixture.clock.advance(DAY);
      await fixture.live(6 * HOUR, beat);
      await fixture.restart();
      await fixture.live(HOUR / 2);
      assert.deepEqual(names(), ['runner']);
    });
  });

  it('is one of several of a kind: an invite for many, which may say how long', async () => {
    const { id } = await fixture.invite({ usesMax: 3, ephemeralMs: HOUR });
    const view = fixture.runtime.invites.view(id);
    assert.deepEqual([view.ephemeral, view.ephemeralMs], [true, HOUR]);
    for (const name of ['a', 'b']) await fixture.redeem(id, `key ${name}`, { name });
    await fixture.live(HOUR + LOOK);
    assert.deepEqual(names(), []);
  });

  it('hands its while over to the machine that takes its place', async () => {
    await joins('runner');
    const { id } = await fixture.invite({ replace: 'runner' });
    await fixture.redeem(id, 'new key');
    assert.equal(fixture.runtime.nodeDetails('runner').node.ephemeralMs, HOUR);
  });
});
