import assert from 'node:assert/strict';
import type { NodeView } from '../../../src/lib/base/model.js';
import { eventLine } from '../../../src/lib/cli/event-lines.js';
import { parseLabelChange } from '../../../src/lib/cli/label-words.js';
import { NodeWait, type WaitState } from '../../../src/lib/cli/node-wait.js';
import { NodeWatch } from '../../../src/lib/cli/node-watch.js';
import type { WatchItem } from '../../../src/lib/client/control-plane-client.js';

const AT = '2026-11-22T00:00:00.000Z';

function node(id: string, changes: Partial<NodeView> = {}): NodeView {
  return {
    ...{ id: `nod_${id}`, name: id, hostname: id, purpose: null, labels: {}, presence: 'online', presenceReason: null },
    ...{ presenceSince: AT, lastSeenAt: AT, trust: 'paired', platform: 'linux', arch: 'x64', version: '1.0.0' },
    ...{
      protocol: 1,
      outdated: false,
      address: null,
      transport: null,
      certificate: null,
      asksThrough: null,
      capabilities: [],
    },
    ...{ rival: null, ephemeralMs: null, replaces: null },
    ...{ queue: { waiting: 0, running: 0 }, pairedAt: AT, pairedBy: 'eva' },
    ...changes,
  };
}
const snapshot = (...nodes: NodeView[]) => ({ type: 'snapshot', id: '1-0', seq: 0, at: AT, nodes }) as WatchItem;
const resync = (...nodes: NodeView[]) => ({ ...snapshot(...nodes), type: 'resync', reason: 'restarted' }) as WatchItem;
const changed = (view: NodeView, change = 'presence') =>
  ({ type: 'node', id: '1-1', seq: 1, at: AT, change, node: view, by: null }) as WatchItem;

describe('waiting for a node', () => {
  const wait = (state: WaitState, ...items: WatchItem[]) => {
    const waiting = new NodeWait('alpha', state);
    return items.map((item) => waiting.isMet(item));
  };
  const away = node('alpha', { presence: 'offline', presenceReason: 'lost' });
  const removed = node('alpha', { presence: 'revoked', trust: 'revoked' });

  it('is over at once when it is so already', () => {
    assert.deepEqual(wait('online', snapshot(node('alpha'))), [true]);
    assert.deepEqual(wait('offline', snapshot(away)), [true]);
    assert.deepEqual(wait('paired', snapshot(away)), [true]);
    assert.deepEqual(wait('removed', snapshot(node('beta'))), [true]);
  });

  it('sees changes of that node only, under whatever name, and those that a restart swallowed', () => {
    const late = node('alpha', { presence: 'late' });
    const items = [snapshot(away, node('beta')), changed(node('beta')), changed(late)];
    assert.deepEqual(wait('online', ...items, changed(node('alpha', { name: 'gamma' }))), [false, false, false, true]);
    assert.deepEqual(wait('online', snapshot(away), resync(node('alpha'))), [false, true]);
    assert.deepEqual(wait('paired', snapshot(), changed(node('alpha'), 'joined')), [false, true]);
    assert.deepEqual(wait('removed', snapshot(away), changed(removed, 'removed')), [false, true]);
    assert.deepEqual(wait('removed', snapshot(away), resync()), [false, true]);
  });

  it('does not wait for what cannot come', () => {
    assert.throws(() => wait('online', snapshot(node('beta'))), { reason: 'NODE_NOT_FOUND' });
    assert.throws(() => wait('online', snapshot(away), changed(removed, 'removed')), { reason: 'NODE_NOT_FOUND' });
    assert.throws(() => wait('online', snapshot(away), resync()), { reason: 'NODE_NOT_FOUND' });
    const twins = snapshot(node('x1', { id: 'nod_ALPHA1' }), node('x2', { id: 'nod_ALPHA2' }));
    assert.throws(() => wait('online', twins), { reason: 'NODE_AMBIGUOUS' });
  });
});

describe('watching selected nodes', () => {
  it('tells a node that no longer fits once more, then is silent about it', () => {
    const watch = new NodeWatch({ labels: 'site=lab' }, 'name');
    const inLab = node('b', { labels: { site: 'lab' } });
    const line = watch.take(snapshot(node('c'), inLab, node('a', { labels: { site: 'lab' } })));
    assert.deepEqual(line?.type === 'snapshot' && line.nodes.map(({ name }) => name), ['a', 'b']);
    assert.equal(watch.take(changed(node('c'))), null);
    assert.notEqual(watch.take(changed(node('b'), 'labels')), null);
    assert.equal(watch.take(changed(node('b'))), null);
    assert.notEqual(watch.take(changed(inLab, 'labels')), null);
  });

  it('refuses a selection that cannot be read before it begins', () => {
    assert.throws(() => new NodeWatch({ status: 'asleep' }, 'name'), { reason: 'USAGE_INVALID' });
  });

  it('makes one printable line of an event', () => {
    const line = eventLine(changed(node('a\u001b[31m', { presence: 'offline', presenceReason: 'lost' })));
    assert.match(line ?? '', /^\d\d:\d\d:\d\d {2}a\ufffd\[31m {2}offline \(lost\)$/);
    assert.equal(eventLine({ type: 'ping', at: AT }), null);
  });
});

describe('labels as people type them', () => {
  it('sets and takes away', () => {
    assert.deepEqual(parseLabelChange(['site=lab,room=', 'rack-', 'url=a=b-']), {
      set: { site: 'lab', room: '', url: 'a=b-' },
      remove: ['rack'],
    });
  });

  it('refuses what is neither, and what contradicts itself', () => {
    for (const words of [['site'], ['=x'], ['-'], [''], ['a=1', 'a=2'], ['a=1', 'a-']]) {
      assert.throws(() => parseLabelChange(words), { reason: 'USAGE_INVALID' }, words.join(' '));
    }
  });
});
