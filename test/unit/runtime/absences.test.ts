/** Why a node was away, as the daemon remembers it: over links, words of the node, crashes of the daemon, and full disks. */
import assert from 'node:assert/strict';
import type { Away } from '../../../src/lib/base/absences.js';
import { MAX_ABSENCES } from '../../../src/lib/runtime/absences.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { RuntimeFixture, type TestLink } from '../../support/runtime-fixture.js';

const HEARTBEAT_MS = 15_000;
const MINUTE_MS = 60_000;
const beat = { kind: 'heartbeat', active: [] } as const;
const away = (changes: Partial<Away>): Away => ({ pausedMs: 0, clockMs: 0, reason: '', message: '', ...changes });

describe('why a node was away', () => {
  let fixture: RuntimeFixture;
  let node: { nodeId: string; serial: string };
  let link: TestLink;

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    node = await fixture.pair('pi');
    link = await fixture.link(node);
  });

  const absences = () => fixture.runtime.nodeDetails('pi').absences;
  const latest = () => absences()[0]!;
  const lengthMs = () => Date.parse(latest().to!) - Date.parse(latest().from);
  const lost = (forMs: number) => {
    link.session.closed('lost');
    fixture.clock.advance(forMs);
  };
  const settled = () => fixture.store.flushed();

  it('is nothing at first, and not for a link that takes over from another in time', async () => {
    fixture.clock.advance(HEARTBEAT_MS);
    link = await fixture.link(node);
    assert.deepEqual(absences(), []);
  });

  it('is a lost connection with the time it was lost, and with what the node says when it is back', async () => {
    lost(5 * MINUTE_MS);
    assert.deepEqual([latest().reason, latest().to, latest().times], ['lost', null, 1]);
    assert.match(latest().message, /the connection was lost/);
    await fixture.link(node, { away: away({ reason: 'DAEMON_UNREACHABLE', message: 'no route' }) });
    assert.deepEqual([latest().reason, lengthMs()], ['lost', 5 * MINUTE_MS]);
    assert.match(latest().message, /there: no route/);
  });

  it('is the goodbye of a node that said it', async () => {
    link.session.closed('stopped');
    fixture.clock.advance(MINUTE_MS);
    await fixture.link(node, { bootId: 'boot-2' });
    assert.deepEqual([latest().reason, lengthMs()], ['stopped', MINUTE_MS]);
  });

  it('is another process, when one comes back in its place', async () => {
    lost(MINUTE_MS);
    await fixture.link(node, { bootId: 'boot-2' });
    assert.equal(latest().reason, 'restarted');
    link = await fixture.link(node, { bootId: 'boot-3' });
    assert.deepEqual([latest().reason, absences().length], ['restarted', 1], 'before the old link was seen to end');
    assert.equal(latest().times, 2);
  });

  it('is silence on an open link, from the last word on', async () => {
    fixture.clock.advance(HEARTBEAT_MS);
    link.session.receive(beat);
    fixture.clock.advance(10 * HEARTBEAT_MS);
    assert.deepEqual([latest().reason, latest().to], ['silent', null]);
    await fixture.link(node);
    assert.deepEqual([latest().reason, lengthMs()], ['silent', 10 * HEARTBEAT_MS]);
    assert.equal(link.closedBy, 'superseded');
  });

  it('is silence that ends on the same link, until the node says on its next one what it was', async () => {
    fixture.clock.advance(10 * HEARTBEAT_MS);
    link.session.receive(beat);
    assert.deepEqual([latest().reason, lengthMs(), absences().length], ['silent', 10 * HEARTBEAT_MS, 1]);
    link.session.receive(beat);
    fixture.clock.advance(4 * HEARTBEAT_MS);
    link.session.receive(beat);
    assert.equal(absences().length, 1, 'late is not away');
    fixture.clock.advance(10 * HEARTBEAT_MS);
    link.session.receive(beat);
    fixture.clock.advance(1_000);
    await fixture.link(node, { away: away({ pausedMs: 10 * HEARTBEAT_MS }) });
    assert.deepEqual([latest().reason, lengthMs()], ['paused', 10 * HEARTBEAT_MS]);
    assert.equal(absences().length, 2);
  });

  it('is what the node says on the same link that its silence was, for as long as the silence lasted', async () => {
    const said = { kind: 'heartbeat', active: [], away: away({ pausedMs: 10 * HEARTBEAT_MS }) } as const;
    link.session.receive(said);
    assert.deepEqual(absences(), [], 'nobody noticed');
    fixture.clock.advance(10 * HEARTBEAT_MS);
    link.session.receive(beat);
    fixture.clock.advance(HEARTBEAT_MS);
    link.session.receive(said);
    assert.deepEqual([latest().reason, lengthMs(), absences().length], ['paused', 10 * HEARTBEAT_MS, 1]);
    fixture.clock.advance(10 * HEARTBEAT_MS);
    link.session.receive(said);
    assert.deepEqual([latest().reason, lengthMs(), absences().length], ['paused', 10 * HEARTBEAT_MS, 2]);
    fixture.clock.advance(10 * HEARTBEAT_MS);
    link.session.receive(beat);
    fixture.clock.advance(3 * HEARTBEAT_MS);
    link.session.receive(said);
    assert.equal(latest().reason, 'silent', 'that is about something else');
    await settled();
    await fixture.restart();
    assert.deepEqual(
      absences().map(({ reason }) => reason),
      ['daemon-away', 'silent', 'paused', 'paused'],
    );
  });

  it('is nothing when it was the daemon that did not listen', async () => {
    await fixture.runtime.tick();
    fixture.clock.advance(10 * HEARTBEAT_MS);
    await fixture.runtime.tick();
    assert.equal(fixture.runtime.listNodes().nodes[0]?.presence, 'online');
    link.session.receive(beat);
    assert.deepEqual(absences(), []);
  });

  for (const [how, said, reason] of [
    ['a process that was paused', { pausedMs: 5 * MINUTE_MS }, 'paused'],
    ['a machine that slept', { clockMs: 5 * MINUTE_MS }, 'paused'],
    ['a short pause in a long absence', { pausedMs: MINUTE_MS }, 'lost'],
    [
      'a clock that was set by a year',
      { clockMs: 365 * 1440 * MINUTE_MS, reason: 'CERTIFICATE_EXPIRED' },
      'certificate',
    ],
    ['a clock that is wrong', { reason: 'CLOCK_SKEW' }, 'clock'],
    ['a copy of the machine', { reason: 'NODE_CONFLICT' }, 'conflict'],
  ] as const) {
    it(`is told apart: ${how}`, async () => {
      lost(5 * MINUTE_MS);
      await fixture.link(node, { away: away(said) });
      assert.equal(latest().reason, reason);
    });
  }

  it('is a version that does not go with the daemon, while it asks', async () => {
    lost(MINUTE_MS);
    await rejectsWith(fixture.link(node, { protocol: { min: 90, max: 99 } }), 'PROTOCOL_UNSUPPORTED');
    assert.deepEqual([latest().reason, latest().to], ['incompatible', null]);
    await fixture.link(node);
    assert.deepEqual([latest().reason, absences().length], ['incompatible', 1]);
  });

  it('is the daemon, when that was away; whoever comes back later is away for it only that long', async () => {
    fixture.clock.advance(HEARTBEAT_MS);
    await fixture.runtime.tick();
    await fixture.runtime.close();
    fixture.clock.advance(60 * MINUTE_MS);
    await fixture.restart();
    assert.deepEqual([latest().reason, latest().to], ['daemon-away', null]);
    assert.equal(fixture.runtime.listNodes().nodes[0]?.presence, 'offline');
    fixture.clock.advance(1_000);
    await fixture.link(node);
    assert.deepEqual([latest().reason, lengthMs()], ['daemon-away', 60 * MINUTE_MS + 1_000]);
  });

  it('survives a crash of the daemon, who was there and what was before', async () => {
    lost(MINUTE_MS);
    link = await fixture.link(node, { away: away({ pausedMs: MINUTE_MS }) });
    await settled();
    const before = absences();
    await fixture.restart();
    assert.deepEqual(absences().slice(1), before);
    assert.deepEqual([latest().reason, latest().to], ['daemon-away', null]);
    await settled();
    await fixture.restart();
    assert.equal(absences().length, 2, 'a second crash before it is back is the same absence');
  });

  it('counts a link that comes and goes as one absence, and keeps the last few of them', async () => {
    for (let round = 0; round < 50; round++) {
      lost(100);
      link = await fixture.link(node);
    }
    assert.deepEqual([absences().length, latest().times], [1, 50]);
    for (let round = 0; round < 2 * MAX_ABSENCES; round++) {
      fixture.clock.advance(MINUTE_MS);
      link.session.receive(beat);
      lost(100);
      link = await fixture.link(node);
    }
    assert.equal(absences().length, MAX_ABSENCES);
  });

  it('does not keep a node away when the disk is full', async () => {
    await settled();
    fixture.store.diskFull = true;
    lost(MINUTE_MS);
    link = await fixture.link(node);
    assert.deepEqual([link.received[0]?.kind, latest().reason], ['welcome', 'lost']);
    assert.equal(fixture.runtime.listNodes().nodes[0]?.presence, 'online');
  });

  it('is its trust, from when that was withdrawn until it is connected again', async () => {
    await fixture.runtime.trust.revoke({ kind: 'owner', name: 'eva' }, 'pi');
    await fixture.runtime.trust.restore({ kind: 'owner', name: 'eva' }, 'pi');
    fixture.clock.advance(MINUTE_MS);
    await fixture.link(node);
    assert.deepEqual([latest().reason, lengthMs()], ['revoked', MINUTE_MS]);
  });

  it('says of a node that is away whose certificate ended that it has to be renewed', () => {
    link.session.closed('lost');
    fixture.clock.advance(91 * 1440 * MINUTE_MS);
    assert.match(latest().message, /its certificate has expired meanwhile/);
  });
});
