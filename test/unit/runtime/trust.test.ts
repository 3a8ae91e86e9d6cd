import assert from 'node:assert/strict';
import type { RuntimeEvent } from '../../../src/lib/runtime/events.js';
import { RESTORE_MS } from '../../../src/lib/runtime/trust.js';
import { MAX_DOWNTIMES, downMsSince, downtimesAt } from '../../../src/lib/runtime/downtime.js';
import type { DaemonRecord } from '../../../src/lib/runtime/state.js';
import { OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('trust', () => {
  let fixture: RuntimeFixture;
  let events: RuntimeEvent[];

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    events = [];
    fixture.runtime.events.subscribe(({ event }) => events.push(event));
  });
  const trust = () => fixture.runtime.trust;
  const nodeOf = (name: string) => fixture.runtime.nodeDetails(name).node;
  const authenticate = ({ nodeId, serial }: { nodeId: string; serial: string }) =>
    fixture.runtime.authenticateDevice({ deviceId: nodeId, serial, address: '192.0.2.7' });

  it('is withdrawn at once: the link is closed, the certificate refused, what was open has failed, the record stays', async () => {
    const pi = await fixture.pair('pi');
    const link = await fixture.link(pi);
    const closed: string[] = [];
    fixture.runtime.onRevoked((nodeId) => closed.push(nodeId));
    const dispatch = await fixture.runtime.requestDispatch(OWNER, {
      ...{ node: 'pi', capability: 'safe.read', input: {}, inputJson: '{}' },
    });
    const { node, changed } = await trust().revoke(OWNER, 'pi');
    assert.deepEqual([changed, node.trust, node.presence], [true, 'revoked', 'revoked']);
    assert.equal(link.closedBy, 'revoked');
    assert.deepEqual(closed, [pi.nodeId]);
    assert.throws(() => authenticate(pi), { reason: 'NODE_REVOKED' });
    assert.equal(fixture.runtime.dispatchView(dispatch.id).error?.code, 'NODE_REVOKED');
    assert.equal(nodeOf('pi').trust, 'revoked');
    assert.deepEqual(events.filter(({ type }) => type === 'node.revoked').length, 1);
    assert.equal((await trust().revoke(OWNER, 'pi')).changed, false);
    const { total, online, offline, revoked } = fixture.runtime.summary().nodes;
    assert.deepEqual([total, online, offline, revoked], [1, 0, 0, 1]);
    await assert.rejects(
      fixture.runtime.requestDispatch(OWNER, { node: 'pi', capability: 'safe.read', input: {}, inputJson: '{}' }),
      { reason: 'NODE_NOT_TRUSTED' },
    );
    assert.deepEqual(fixture.runtime.overview.capabilities().capabilities, []);
  });

  it('is not had back by the key alone: an invite makes another node', async () => {
    const { nodeId } = await fixture.pair('pi');
    await trust().revoke(OWNER, 'pi');
    const { id } = await fixture.invite({ name: 'pi-2' });
    const approval = await fixture.redeem(id, 'key of pi');
    assert.notEqual(approval.nodeId, nodeId);
    assert.equal(nodeOf('pi').trust, 'revoked');
    await assert.rejects(trust().restore(OWNER, 'pi'), { reason: 'RESTORE_NOT_POSSIBLE' });
  });

  it('outlives restarts, and so does giving it back', async () => {
    const pi = await fixture.pair('pi');
    await trust().revoke(OWNER, 'pi');
    await fixture.restart();
    assert.throws(() => authenticate(pi), { reason: 'NODE_REVOKED' });
    const { node, changed } = await trust().restore(OWNER, 'pi');
    assert.deepEqual([changed, node.trust, node.id], [true, 'paired', pi.nodeId]);
    await fixture.restart();
    authenticate(pi);
    const { id } = await fixture.invite({ name: 'other' });
    assert.equal((await fixture.redeem(id, 'key of pi')).nodeId, pi.nodeId, 'its key is known again');
    assert.equal((await trust().restore(OWNER, 'pi')).changed, false);
  });

  it('is given back to what was removed for a day, not longer', async () => {
    const pi = await fixture.pair('pi');
    await fixture.runtime.removeNode(OWNER, 'pi');
    fixture.clock.advance(RESTORE_MS);
    assert.equal((await trust().restore(OWNER, pi.nodeId)).changed, true);
    authenticate(pi);
    assert.equal(nodeOf('pi').id, pi.nodeId);
    await fixture.runtime.removeNode(OWNER, 'pi');
    fixture.clock.advance(RESTORE_MS + 1);
    await assert.rejects(trust().restore(OWNER, 'pi'), { reason: 'RESTORE_NOT_POSSIBLE' });
    assert.throws(() => nodeOf('pi'), { reason: 'NODE_NOT_FOUND' });
  });

  it('asks for the id when several of a name were removed', async () => {
    const first = await fixture.pair('pi');
    await fixture.runtime.removeNode(OWNER, 'pi');
    const { id } = await fixture.invite({ name: 'pi' });
    await fixture.redeem(id, 'another key');
    await fixture.runtime.removeNode(OWNER, 'pi');
    await assert.rejects(trust().restore(OWNER, 'pi'), { reason: 'NODE_AMBIGUOUS' });
    assert.equal((await trust().restore(OWNER, first.nodeId)).node.name, 'pi');
    await assert.rejects(trust().restore(OWNER, 'nobody'), { reason: 'NODE_NOT_FOUND' });
  });

  it('prunes by the time nobody was seen, longest first, and never who is there', async () => {
    await fixture.pair('old');
    fixture.clock.advance(10 * DAY);
    await fixture.pair('new');
    const here = await fixture.pair('here');
    fixture.clock.advance(5 * DAY);
    await fixture.link(here);
    const dry = await trust().prune(OWNER, { notSeenForMs: 5 * DAY, apply: false });
    assert.deepEqual(
      dry.candidates.map(({ node, unseenMs }) => [node.name, unseenMs]),
      [
        ['old', 15 * DAY],
        ['new', 5 * DAY],
      ],
    );
    assert.equal(dry.removed, false);
    assert.equal(fixture.runtime.listNodes().nodes.length, 3);
    const only = [dry.candidates[1]!.node.id];
    const done = await trust().prune(OWNER, { notSeenForMs: 5 * DAY, apply: true, only });
    assert.deepEqual([done.removed, done.candidates.length], [true, 1]);
    assert.deepEqual(
      fixture.runtime.listNodes().nodes.map(({ name }) => name),
      ['here', 'old'],
    );
  });

  it('does not count the time during which the daemon itself was away', async () => {
    await fixture.pair('pi');
    await fixture.live(DAY);
    await fixture.runtime.close();
    fixture.clock.advance(30 * DAY);
    await fixture.restart();
    await fixture.live(DAY);
    const { candidates } = await trust().prune(OWNER, { notSeenForMs: DAY, apply: false });
    const [pi] = candidates;
    assert.deepEqual([pi?.unseenMs, pi?.daemonDownMs], [2 * DAY, 30 * DAY]);
    assert.deepEqual((await trust().prune(OWNER, { notSeenForMs: 3 * DAY, apply: false })).candidates, []);
  });

  it('keeps a bounded list of absences, and errs on the side of the machines', () => {
    let row: DaemonRecord | undefined;
    for (let day = 0; day < 3 * MAX_DOWNTIMES; day++) {
      const start = day * DAY;
      row = {
        bootEpoch: 1,
        ownerName: 'eva',
        createdAt: 0,
        ...downtimesAt(row, start),
        aliveAt: start + 20 * HOUR,
      };
    }
    assert.equal(row?.downtimes?.length, MAX_DOWNTIMES);
    const end = 3 * MAX_DOWNTIMES * DAY;
    const trulyDown = (3 * MAX_DOWNTIMES - 1) * 4 * HOUR;
    assert.ok(downMsSince(row.downtimes, 0, end) >= trulyDown);
    assert.equal(downMsSince([{ from: 10, to: 20 }], 15, 100), 5);
    assert.equal(downMsSince([{ from: 10, to: 20 }], 30, 100), 0);
  });
});
