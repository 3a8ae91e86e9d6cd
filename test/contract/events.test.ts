import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient, type WatchItem } from '../../src/lib/client/control-plane-client.js';
import { createDaemon } from '../../src/lib/daemon/daemon.js';
import { MAX_STREAMS } from '../../src/lib/daemon/http/event-feed.js';
import { eventsLine } from '../../src/lib/wire/http/event-schemas.js';
import { readMessages, type StreamMessage } from '../../src/lib/wire/http/event-stream.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite, pairTestNode } from '../support/test-node.js';

interface OpenStream {
  readonly response: IncomingMessage;
  next(): Promise<StreamMessage>;
  close(): void;
}

describe('GET /v1/events', () => {
  let target: TestDaemon;
  const open: OpenStream[] = [];

  beforeEach(async () => (target = await startTestDaemon()));
  afterEach(async () => {
    for (const stream of open.splice(0)) stream.close();
    await target.dispose();
  });

  const connect = async (lastEventId?: string): Promise<OpenStream> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
      request({ socketPath: target.socketPath, path: '/v1/events', headers, agent: false }, resolve)
        .on('error', reject)
        .end();
    });
    response.on('error', () => undefined);
    const messages = readMessages(response);
    const stream: OpenStream = {
      response,
      next: async () => {
        const { value, done } = await messages.next();
        if (done === true) throw new Error('the stream has ended');
        return value;
      },
      close: () => response.destroy(),
    };
    open.push(stream);
    return stream;
  };
  const json = (message: StreamMessage) => JSON.parse(message.data);

  it('begins with a snapshot and goes on with every change, in order and without holes', async () => {
    await pairTestNode(target, { name: 'alpha' });
    const stream = await connect();
    assert.equal(stream.response.headers['content-type'], 'text/event-stream');
    assert.equal(stream.response.headers['cache-control'], 'no-store');
    const first = await stream.next();
    assert.equal(first.event, 'snapshot');
    const snapshot = json(first);
    assert.deepEqual(
      snapshot.nodes.map(({ name }: { name: string }) => name),
      ['alpha'],
    );
    assert.equal(snapshot.id, `${target.daemon.runtime.bootEpoch}-${snapshot.seq}`);
    const rename = (json: unknown) =>
      ask({ socketPath: target.socketPath }, { method: 'POST', path: '/v1/nodes/alpha/rename', json });
    assert.equal((await rename({ name: 'beta' })).json.node.name, 'beta');
    const label = { method: 'POST', path: '/v1/nodes/beta/labels', json: { set: { site: 'lab' } } };
    assert.equal((await ask({ socketPath: target.socketPath }, label)).json.changed, true);
    await ask({ socketPath: target.socketPath }, { method: 'DELETE', path: '/v1/nodes/beta' });
    for (const [offset, change] of [
      [1, 'renamed'],
      [2, 'labels'],
      [3, 'removed'],
    ] as const) {
      const event = json(await stream.next());
      eventsLine.parse(event);
      assert.deepEqual(
        [event.type, event.change, event.by, event.seq - snapshot.seq],
        ['node', change, 'tester', offset],
      );
      assert.equal(event.node.name, 'beta');
    }
  });

  it('resumes after the event that was seen last, and says nothing twice', async () => {
    const { seq, id } = json(await (await connect()).next());
    await invite(target);
    await invite(target);
    const stream = await connect(id);
    const [one, two] = [json(await stream.next()), json(await stream.next())];
    assert.deepEqual([one.seq, two.seq], [seq + 1, seq + 2]);
    assert.deepEqual([one.type, one.change], ['invite', 'created']);
    const later = await connect(two.id);
    assert.equal((await later.next()).event, 'ping');
    await invite(target);
    assert.equal(json(await later.next()).seq, seq + 3);
  });

  it('says reset and gives a snapshot for another boot, a future and a position it no longer keeps', async () => {
    const boot = target.daemon.runtime.bootEpoch;
    const { runtime } = target.daemon;
    for (let count = 0; count < 9000; count++) {
      runtime.events.publish({ type: 'pairing.refused', address: '192.0.2.1', failures: 1 }, 0);
    }
    for (const [position, reason] of [
      [`${boot + 1}-0`, 'restarted'],
      [`${boot}-999999`, 'gap'],
      [`${boot}-0`, 'gap'],
    ] as const) {
      const stream = await connect(position);
      assert.deepEqual(await stream.next(), { event: 'reset', data: JSON.stringify({ reason }) });
      assert.equal((await stream.next()).event, 'snapshot');
    }
  });

  it('shows no secret of an invite', async () => {
    const stream = await connect();
    await stream.next();
    const { code, link } = await invite(target);
    await pairTestNode(target, { name: 'alpha' });
    for (let joined = false; !joined;) {
      const { data } = await stream.next();
      assert.ok(!data.includes(code) && !data.includes(code.replaceAll('-', '')) && !data.includes(link));
      joined = data.includes('"joined"');
    }
  });

  it('refuses what is no position, and more readers than it serves', async () => {
    const refused = await ask(
      { socketPath: target.socketPath },
      { path: '/v1/events', headers: { 'last-event-id': 'x' } },
    );
    assert.deepEqual([refused.status, refused.json.reason], [400, 'REQUEST_INVALID']);
    const streams = await Promise.all(Array.from({ length: MAX_STREAMS }, () => connect()));
    const more = await ask({ socketPath: target.socketPath }, { path: '/v1/events' });
    assert.deepEqual([more.status, more.json.reason], [429, 'RATE_LIMITED']);
    streams[0]?.close();
    await eventually('a place is free', async () => (await connect()).response.statusCode === 200);
  });

  it('cuts off a reader that does not read, and serves the others', async () => {
    const slow = await connect();
    slow.response.pause();
    const quick = await connect();
    await quick.next();
    let cut = false;
    slow.response.once('close', () => (cut = true));
    const { runtime } = target.daemon;
    const address = 'x'.repeat(8000);
    // More than the daemon holds and the sockets take together.
    for (let round = 0; round < 60; round++) {
      for (let count = 0; count < 10; count++) {
        runtime.events.publish({ type: 'pairing.refused', address, failures: count }, 0);
      }
      for (let count = 0; count < 10; count++) assert.equal(json(await quick.next()).failures, count);
    }
    slow.response.resume();
    await eventually('the slow reader is cut off', () => cut);
    assert.equal(slow.response.complete, false);
  });

  it('ends with the daemon, quickly', async () => {
    const tookMs: number[] = [];
    // On a busy machine a stop may take as long as the grace for another reason; the grace would be waited out each time.
    while (tookMs.length < 3 && !tookMs.some((ms) => ms < 900)) {
      if (tookMs.length > 0) target = await startTestDaemon();
      const stream = await connect();
      await stream.next();
      const startedAt = performance.now();
      await Promise.all([target.daemon.stop(), assert.rejects(stream.next(), /ended/)]);
      tookMs.push(performance.now() - startedAt);
      if (tookMs.length < 3 && tookMs.at(-1)! >= 900) await target.dispose();
    }
    assert.ok(Math.min(...tookMs) < 900, `the grace of open connections was waited out: ${tookMs.join()} ms`);
  });

  describe('watched by the client', () => {
    let client: ControlPlaneClient;
    beforeEach(() => (client = new ControlPlaneClient({ socketPath: target.socketPath })));
    afterEach(() => client.close());

    it('goes on over a restart of the daemon with a resync', async () => {
      const controller = new AbortController();
      const items: WatchItem[] = [];
      const lost: (string | null)[] = [];
      const options = { signal: controller.signal, onConnection: (e: Error | null) => lost.push(e && 'lost') };
      const watching = (async () => {
        for await (const item of client.watchEvents(options)) items.push(item);
      })();
      await eventually('the snapshot', () => items.length === 1);
      await target.daemon.stop();
      const again = await createDaemon(target.options, { clock: systemClock, random: systemRandom, log: silentLog });
      try {
        await eventually('the resync', () => items.some(({ type }) => type === 'resync'));
        const resync = items.at(-1);
        assert.ok(resync?.type === 'resync');
        assert.equal(resync.reason, 'restarted');
        assert.ok(resync.id.startsWith(`${again.runtime.bootEpoch}-`));
        assert.deepEqual(lost, ['lost', null]);
        await invite(target);
        await eventually('the event', () => items.at(-1)?.type === 'invite');
      } finally {
        controller.abort();
        await watching;
        await again.stop();
      }
      assert.deepEqual(
        items.map(({ type }) => type).filter((type) => type !== 'ping'),
        ['snapshot', 'resync', 'invite'],
      );
    });

    it('goes on over lost connections without a resync, with every event once', async () => {
      const socketPath = join(target.home, 'proxy.sock');
      const sockets = new Set<Socket>();
      const proxy = createServer((socket) => {
        const onward = connectTo(target.socketPath);
        for (const end of [socket, onward]) {
          sockets.add(end);
          end.on('error', () => undefined).once('close', () => sockets.delete(end));
        }
        socket.pipe(onward).pipe(socket);
      });
      await new Promise<void>((resolve) => proxy.listen(socketPath, resolve));
      const through = new ControlPlaneClient({ socketPath });
      const controller = new AbortController();
      const seqs: number[] = [];
      const watching = (async () => {
        for await (const item of through.watchEvents({ signal: controller.signal })) {
          assert.notEqual(item.type, 'resync');
          if ('seq' in item) seqs.push(item.seq);
        }
      })();
      try {
        await eventually('the snapshot', () => seqs.length === 1);
        for (let round = 1; round <= 5; round++) {
          await invite(target);
          for (const socket of sockets) socket.destroy();
          await invite(target);
          await eventually(`round ${round}`, () => seqs.length === 1 + 2 * round);
        }
      } finally {
        controller.abort();
        await watching;
        await through.close();
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => proxy.close(resolve));
      }
      assert.deepEqual(
        seqs,
        seqs.map((_, index) => seqs[0]! + index),
      );
    });

    it('tells at once when there is no daemon, and gives up when it was asked to', async () => {
      const items = client.watchEvents({ giveUpMs: 300 });
      assert.equal((await items.next()).value?.type, 'snapshot');
      await target.daemon.stop();
      await assert.rejects(items.next(), { code: 'UNAVAILABLE' });
      await assert.rejects(client.watchEvents().next(), { reason: 'DAEMON_NOT_RUNNING' });
    });

    it('ends without an error when it is told to, and leaves no reader behind', async () => {
      for await (const item of client.watchEvents()) {
        assert.equal(item.type, 'snapshot');
        break;
      }
      assert.equal((await client.watchEvents({ signal: AbortSignal.abort() }).next()).done, true);
      await assert.rejects(client.watchEvents({ from: 'x' }).next(), { reason: 'REQUEST_INVALID' });
    });
  });
});
