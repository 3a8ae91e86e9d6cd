import assert from 'node:assert/strict';
import { settle } from '../support/hand-clock.js';
import { OWNER, RuntimeFixture } from '../support/runtime-fixture.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';
import { Metrics } from '../../src/lib/daemon/metrics.js';
import { QUIC_NOT_YET } from '../../src/lib/daemon/quic/port.js';

/** Series with their values. */
function parse(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

describe('metrics', () => {
  describe('over HTTP', () => {
    let target: TestDaemon;
    before(async () => (target = await startTestDaemon()));
    after(() => target.dispose());

    it('are told to viewers in the form of Prometheus, under the published names', async () => {
      await pairTestNode(target, { name: 'alpha' });
      const { status, headers, text } = await ask({ socketPath: target.socketPath }, { path: '/metrics' });
      assert.equal(status, 200);
      assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
      const series = parse(text);
      assert.equal(series.get('palyra_build_info{version="0.0.0-test",protocol="1"}'), 1);
      assert.equal(series.get('palyra_node_up{node="alpha"}'), 0);
      assert.ok(series.get('palyra_node_cert_expiry_seconds{node="alpha"}')! > 80 * 86_400);
      assert.equal(series.get('palyra_approvals_pending'), 0);
      for (const name of ['palyra_dispatch_total', 'palyra_dispatch_seconds', 'palyra_node_last_seen_seconds'])
        assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
      for (const line of text.split('\n').filter((line) => line !== ''))
        assert.match(line, /^(# (HELP|TYPE) palyra_[a-z_]+ .+|palyra_[a-z_]+(\{[^}]*\})? [-+.\deE]+|palyra_\S+ Nan)$/);
    });

    it('are not told to strangers', async () => {
      const { json } = await ask({ port: target.ports.console }, { path: '/metrics' });
      assert.equal(json.reason, 'UNAUTHENTICATED');
    });
  });

  describe('of a runtime', () => {
    let fixture: RuntimeFixture;
    let metrics: Metrics;
    const series = async () => parse(await metrics.text());

    beforeEach(async () => {
      fixture = await RuntimeFixture.open();
      metrics = new Metrics(
        { quic: () => QUIC_NOT_YET, runtime: fixture.runtime, clock: fixture.clock },
        { version: '1' },
      );
    });
    afterEach(() => metrics.close());

    const run = async (name: string, capability = 'safe.read') => {
      const request = { node: name, capability, inputJson: '{}', input: {}, queueMs: 60_000 };
      return fixture.runtime.requestDispatch(OWNER, request);
    };

    it('tell how long ago a node was heard, and that it is up', async () => {
      const node = await fixture.pair('pi-lab');
      assert.equal((await series()).get('palyra_node_last_seen_seconds{node="pi-lab"}'), undefined);
      await fixture.link(node);
      assert.equal((await series()).get('palyra_node_up{node="pi-lab"}'), 1);
      assert.equal((await series()).get('palyra_node_links{transport="grpc"}'), 1);
      assert.equal((await series()).get('palyra_node_links{transport="poll"}'), 0);
      fixture.clock.advance(10_000);
      const later = await series();
      assert.equal(later.get('palyra_node_last_seen_seconds{node="pi-lab"}'), 10);
      assert.equal(later.get('palyra_nodes{presence="online"}'), 1);
    });

    it('forget a node that was removed', async () => {
      await fixture.pair('pi-lab');
      assert.ok((await series()).has('palyra_node_up{node="pi-lab"}'));
      await fixture.runtime.removeNode(OWNER, 'pi-lab');
      assert.ok(!(await metrics.text()).includes('pi-lab'));
    });

    it('count every dispatch once, when it is over', async () => {
      await fixture.pair('pi-lab');
      const { id } = await run('pi-lab');
      await run('pi-lab');
      assert.equal((await series()).get('palyra_dispatches_open'), 2);
      fixture.clock.advance(2000);
      await fixture.runtime.cancelDispatch(OWNER, id);
      await fixture.runtime.cancelDispatch(OWNER, id);
      await settle();
      const after = await series();
      assert.equal(after.get('palyra_dispatch_total{capability="safe.read",state="cancelled"}'), 1);
      assert.equal(after.get('palyra_dispatch_seconds_count{capability="safe.read"}'), 1);
      assert.equal(after.get('palyra_dispatch_seconds_sum{capability="safe.read"}'), 2);
      assert.equal(after.get('palyra_dispatches_open'), 1);
    });

    it('give at most a hundred capabilities a label, however many names a machine makes up', async () => {
      const before = fixture.runtime.events.seq;
      for (let count = 0; count < 150; count++) {
        fixture.runtime.events.publish(
          {
            type: 'dispatch.changed',
            dispatchId: `dsp_${count}`,
            nodeId: 'nod_x',
            capability: `made.up${count}`,
            state: 'succeeded',
            totalMs: 5,
            by: 'eva',
          },
          0,
        );
      }
      assert.equal(fixture.runtime.events.seq, before + 150);
      const counted = [...(await series())].filter(([name]) => name.startsWith('palyra_dispatch_total{'));
      assert.equal(counted.length, 101);
      assert.equal(counted.find(([name]) => name.includes('(other)'))?.[1], 50);
    });

    it('give at most two thousand nodes series of their own, and say how many are left out', async () => {
      for (let count = 0; count < 2003; count++) await fixture.pair(`n${String(count).padStart(4, '0')}`);
      const text = await metrics.text();
      assert.equal(text.match(/^palyra_node_up\{/gm)?.length, 2000);
      assert.equal(parse(text).get('palyra_nodes_left_out'), 3);
    });

    it('stop counting when they are closed', async () => {
      await fixture.pair('pi-lab');
      metrics.close();
      const { id } = await run('pi-lab');
      await fixture.runtime.cancelDispatch(OWNER, id);
      await settle();
      assert.doesNotMatch(await metrics.text(), /^palyra_dispatch_total\{/m);
    });
  });
});
