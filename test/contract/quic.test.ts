/** The QUIC driver over real UDP on loopback, with certificates of our own authority: what a daemon and a node will build on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { QUIC_CLOSE } from '../../src/lib/quic/close.js';
import type { QuicConnection } from '../../src/lib/quic/connection.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import { settle } from '../support/hand-clock.js';
import { QuicBench, echo, readAll, request } from '../support/quic.js';
import { rejectsWith } from '../support/rejects-with.js';
import { until } from '../support/until.js';

describe('A QUIC connection', () => {
  let bench: QuicBench;
  beforeEach(() => (bench = new QuicBench()));
  afterEach(() => bench.dispose());

  it('carries requests and answers on new streams, many at once and far more than the limit in a row', async () => {
    const server = await bench.server();
    const client = await bench.client(server);
    assert.equal((await request(client, Buffer.from('hello'))).toString(), 'hello');
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) => request(client, Buffer.from(`request ${index}`))),
    );
    assert.deepEqual(
      answers.map(String),
      answers.map((_, index) => `request ${index}`),
    );
    await until(() => client.stats().openStreams === 0);
    assert.equal(client.alpn, 'palyra-quic-v1');
  });

  it('moves a mebibyte both ways with back-pressure: a writer waits, nothing is lost', async () => {
    const server = await bench.server();
    const client = await bench.client(server);
    const stream = await client.openStream();
    const bytes = randomBytes(3 * 1024 * 1024);
    const back = readAll(stream);
    let waited = 0;
    for (let at = 0; at < bytes.length; at += 64 * 1024) {
      if (stream.write(bytes.subarray(at, at + 64 * 1024))) continue;
      waited++;
      await stream.drained();
    }
    stream.end();
    assert.ok((await back).equals(bytes));
    assert.ok(waited > 0, 'the writer was never told to wait');
  });

  it('holds a sender back when nobody reads, and refuses to queue without end', async () => {
    let unread: QuicStream | null = null;
    const server = await bench.server({
      onConnection: (connection) => connection.onStream((stream) => (unread = stream)),
      transport: { streamWindowBytes: 64 * 1024, connectionWindowBytes: 128 * 1024 },
    });
    const client = await bench.client(server, { transport: { maxQueuedBytes: 100_000 } });
    const stream = await client.openStream();
    const chunk = Buffer.alloc(50_000, 7);
    let written = 0;
    const full = () => {
      for (;;) {
        stream.write(chunk);
        written += chunk.length;
      }
    };
    for (let turn = 0; turn < 50; turn++) {
      try {
        full();
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, 'QUIC_BACKLOGGED');
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.ok(written <= 64 * 1024 + 100_000 + chunk.length, `${written} bytes were taken`);
    assert.ok(stream.queuedBytes <= 100_000 + chunk.length);
    stream.end();
    const read = await readAll(unread!);
    assert.equal(read.length, written);
  });

  it('can pause reading and go on without loss', async () => {
    const server = await bench.server();
    const client = await bench.client(server);
    const stream = await client.openStream();
    const got: Buffer[] = [];
    let ended = false;
    stream.setReader({ data: (chunk) => got.push(Buffer.from(chunk)), end: () => (ended = true), failed: assert.fail });
    stream.pause();
    const bytes = randomBytes(200_000);
    stream.end(bytes);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(got.length, 0);
    stream.resume();
    await until(() => ended);
    assert.ok(Buffer.concat(got).equals(bytes));
  });

  it('tells both ends of a reset and of a reader that stops, with the code, and forgets the stream', async () => {
    const seen: { stopped: number | null } = { stopped: null };
    const server = await bench.server({
      onConnection: (connection) =>
        connection.onStream((stream) => {
          stream.setReader({
            data: () => stream.stopSending(78),
            end: () => undefined,
            failed: () => undefined,
          });
          stream.reset(77);
        }),
    });
    const client = await bench.client(server);
    const stream = await client.openStream();
    stream.write(Buffer.from('x'));
    const error = await rejectsWith(readAll(stream), 'QUIC_STREAM_CLOSED');
    assert.equal(error.details['code'], 77);
    await until(() => {
      try {
        stream.write(Buffer.from('y'));
        return false;
      } catch (thrown) {
        const { reason, details } = thrown as { reason: string; details: { code: number } };
        assert.equal(reason, 'QUIC_STREAM_CLOSED');
        seen.stopped = details.code;
        return true;
      }
    });
    // The code is lost when both directions were over before the writer looked.
    assert.ok(seen.stopped === 78 || seen.stopped === 0);

    const other = await client.openStream();
    other.write(Buffer.alloc(0));
    await until(() => client.stats().openStreams === 1);
    other.abort(5);
    await until(() => client.stats().openStreams === 0);
  });

  it('gives back the place of a stream however it ends: 200 abandoned ones block nobody', async () => {
    const server = await bench.server({
      onConnection: (connection) =>
        connection.onStream((stream) =>
          stream.setReader({ data: () => stream.abort(9), end: () => undefined, failed: () => stream.abort(9) }),
        ),
    });
    const client = await bench.client(server);
    for (let run = 0; run < 200; run++) {
      const stream = await client.openStream();
      stream.write(Buffer.from('x'));
      if (run % 2 === 0) stream.abort(3);
      else {
        await assert.rejects(readAll(stream));
        stream.abort(4);
      }
    }
    await until(() => client.stats().openStreams === 0);
    await until(() => [...server.connections()][0]!.connection.stats().openStreams === 0);
  });

  it('opens more than 32 streams at once for nobody: the next waits in line', async () => {
    const server = await bench.server({ onConnection: (connection) => connection.onStream(() => undefined) });
    const client = await bench.client(server);
    const open = Array.from({ length: 32 }, () => client.tryOpenStream());
    assert.ok(open.every((stream) => stream !== null));
    assert.equal(client.tryOpenStream(), null);
    const next = client.openStream();
    for (const stream of open) stream.write(Buffer.from('x'));
    client.close();
    await rejectsWith(next, 'QUIC_CONNECTION_CLOSED');
  });

  it('ends with the code and the reason of whoever closes it, on both sides, and fails what was under way', async () => {
    const ends: { server?: QuicConnection } = {};
    const server = await bench.server({
      onConnection: (connection) => {
        ends.server = connection;
        connection.onStream(() => undefined);
      },
    });
    const first = await bench.client(server);
    const under = request(first, Buffer.from('never answered'));
    await until(() => ends.server !== undefined);
    ends.server!.close(0x144, 'removed by the operator');
    const close = await first.closed;
    assert.deepEqual(close, { by: 'peer', application: true, code: 0x144, reason: 'removed by the operator' });
    await rejectsWith(under, 'QUIC_CONNECTION_CLOSED');
    assert.throws(() => first.tryOpenStream(), /removed by the operator/);

    const second = await bench.client(server);
    const other = ends.server!;
    await until(() => ends.server !== other || server.stats().connections === 1);
    const served = ends.server!;
    second.close(0x100, 'done');
    assert.deepEqual(await served.closed, { by: 'peer', application: true, code: 0x100, reason: 'done' });
    await until(() => server.stats().connections === 0);
  });

  it('is over after the idle time-out when keep-alives are off, and lives on when they are on', async () => {
    const server = await bench.server({ transport: { idleTimeoutMs: 600 } });
    const silent = await bench.client(server, { transport: { keepAliveMs: 0 } });
    const lively = await bench.client(server, { transport: { keepAliveMs: 100 } });
    const close = await silent.closed;
    assert.equal(close.by, 'timeout');
    await new Promise((resolve) => setTimeout(resolve, 900));
    assert.equal((await request(lively, Buffer.from('still here'))).toString(), 'still here');
  });

  it('lets what was written before a close arrive, and the server see a client that leaves as soon as it is connected', async () => {
    const got: string[] = [];
    const server = await bench.server({
      onConnection: (connection) =>
        connection.onStream((stream) =>
          stream.setReader({
            data: (chunk) => got.push(chunk.toString()),
            end: () => undefined,
            failed: () => undefined,
          }),
        ),
    });
    for (let run = 0; run < 12; run++) {
      const client = await bench.client(server);
      (await client.openStream()).write(Buffer.from(`${run}`));
      client.close(0x101, 'gone');
    }
    await until(() => server.stats().accepted === 12 && server.stats().connections === 0);
    assert.equal(got.length, 12);
    for (let run = 0; run < 12; run++) (await bench.client(server)).close();
    await until(() => server.stats().accepted === 24 && server.stats().connections === 0);
    assert.equal(server.stats().refused['handshake-evicted'], 0);
  });

  it('measures its path', async () => {
    const server = await bench.server();
    const client = await bench.client(server);
    await request(client, randomBytes(10_000));
    const stats = client.stats();
    assert.ok(stats.rttMs >= 0 && stats.rttMs < 1000, `rtt ${stats.rttMs}`);
    assert.ok(stats.sentBytes > 10_000 && stats.receivedBytes > 10_000);
    assert.deepEqual(stats.path.remote, server.address);
    const { bytesReceived, bytesSent, accepted, retriesSent } = server.stats();
    assert.ok(bytesReceived > 10_000 && bytesSent > 10_000);
    assert.equal(accepted, 1);
    assert.equal(retriesSent, 1, 'every client proves its address');
  });

  it('goes on when a handler throws: the stream ends, the connection stays', async () => {
    let calls = 0;
    const server = await bench.server({
      onConnection: (connection) =>
        connection.onStream((stream) => {
          if (calls++ > 0) return echo(stream);
          stream.setReader({
            data: () => {
              throw new Error('broken handler');
            },
            end: () => undefined,
            failed: () => undefined,
          });
        }),
    });
    const client = await bench.client(server);
    const error = await rejectsWith(request(client, Buffer.from('a')), 'QUIC_STREAM_CLOSED');
    assert.equal(error.details['code'], QUIC_CLOSE.INTERNAL);
    assert.equal((await request(client, Buffer.from('b'))).toString(), 'b');
  });

  it('leaves no socket and no timer behind', async () => {
    const count = () => process.getActiveResourcesInfo().filter((kind) => /UDP|Timeout|Immediate/.test(kind)).length;
    await settle(); // the test's own time-out starts with its first wait
    const before = count();
    const server = await bench.server();
    const clients = await Promise.all(Array.from({ length: 4 }, () => bench.client(server)));
    await request(clients[0]!, Buffer.from('x'));
    assert.ok(count() > before);
    clients[0]!.close();
    await server.stop();
    for (const client of clients) await client.closed;
    await until(
      () => count() <= before,
      () => process.getActiveResourcesInfo().join(),
    );
  });
});
