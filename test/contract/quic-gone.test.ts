/** How soon one end of a QUIC connection learns that the other, or its interest, is gone. */
import assert from 'node:assert/strict';
import type { PalyraError } from '../../src/lib/base/errors.js';
import { QUIC_CLOSE } from '../../src/lib/quic/close.js';
import { openUdpPort, type DatagramPort } from '../../src/lib/quic/datagram-port.js';
import type { QuicServer } from '../../src/lib/quic/endpoint-server.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import { HandClock } from '../support/hand-clock.js';
import { QuicBench, createPki, deps, request } from '../support/quic.js';
import { MemoryWire } from '../support/quic-wire.js';
import { until } from '../support/until.js';

describe('The end of a QUIC peer', () => {
  const pki = createPki();
  let bench: QuicBench;
  beforeEach(() => (bench = new QuicBench(pki)));
  afterEach(() => bench.dispose());

  /** A server that can be killed: it then says nothing more. */
  async function mortal(port = 0): Promise<{ server: QuicServer; kill: () => Promise<void> }> {
    const udp = await openUdpPort({ local: { host: '127.0.0.1', port }, maxDatagramBytes: 1232 });
    let alive = true;
    const datagrams: DatagramPort = {
      local: udp.local,
      listen: (listener) => udp.listen(listener),
      buffer: () => udp.buffer(),
      send: (length, to) => (alive ? udp.send(length, to) : undefined),
      close: () => udp.close(),
    };
    const server = await bench.server({ datagrams });
    const kill = () => {
      alive = false;
      return server.stop();
    };
    return { server, kill };
  }

  it('is told by a stateless reset when the server was killed and started again', async () => {
    const first = await mortal();
    const client = await bench.client(first.server);
    assert.equal(String(await request(client, Buffer.from('x'))), 'x');
    await first.kill();
    const second = await mortal(first.server.address.port);
    const at = performance.now();
    const under = request(client, Buffer.from('is anybody there'));
    const close = await client.closed;
    assert.deepEqual(close, { by: 'peer', application: false, code: 0, reason: 'it no longer knows the connection' });
    await assert.rejects(under);
    assert.ok(performance.now() - at < 2_000);
    assert.ok(second.server.stats().resetsSent >= 1);
    assert.equal(String(await request(await bench.client(second.server), Buffer.from('y'))), 'y');
  });

  it('is no business of a reset with a wrong token, nor of one for another connection', async () => {
    const wire = new MemoryWire(() => 1);
    const server = await bench.server({ datagrams: wire.port() });
    const clients = [
      await bench.client(server, { datagrams: wire.port() }),
      await bench.client(server, { datagrams: wire.port() }),
    ];
    const resets: Buffer[] = [];
    const short: Buffer[] = [];
    wire.tap = (bytes, from, to) => {
      const isShort = (bytes[0]! & 0x80) === 0;
      if (from.port === clients[0]!.local.port && isShort) short.push(Buffer.from(bytes));
      if (to.port === 1) resets.push(Buffer.from(bytes));
    };
    // The first one may share its datagram with the end of the handshake, which has a long header.
    while (short.length === 0) assert.equal(String(await request(clients[0]!, Buffer.from('x'))), 'x');
    // A packet for the connection id of a client, damaged in its id: the server answers whoever sent it.
    const strange = Buffer.from(short[0]!);
    strange[5]! ^= 1;
    wire.inject(strange, { host: '127.0.0.1', port: 1 }, server.address);
    await until(() => resets.length === 1);
    assert.ok(resets[0]!.length < strange.length, 'a reset is shorter than what it answers');
    for (const client of clients) wire.inject(resets[0]!, server.address, client.local);
    for (const client of clients) assert.equal(String(await request(client, Buffer.from('y'))), 'y');
    // Too short to be answered, and an own packet from elsewhere: that would reveal the token of a living connection.
    wire.inject(strange.subarray(0, 21), { host: '127.0.0.1', port: 1 }, server.address);
    wire.inject(short[0]!, { host: '127.0.0.1', port: 1 }, server.address);
    await until(() => server.stats().dropped['other-address'] === 1);
    assert.deepEqual([resets.length, server.stats().resetsSent], [1, 1]);
    wire.dispose();
  });

  it('is suspected when its port is closed, and certain three seconds later', async function () {
    this.timeout(30_000);
    const { server, kill } = await mortal();
    const client = await bench.client(server);
    assert.equal(String(await request(client, Buffer.from('x'))), 'x');
    await kill();
    const at = performance.now();
    (await client.openStream()).write(Buffer.from('y'));
    const close = await client.closed;
    assert.deepEqual([close.by, close.code], ['timeout', QUIC_CLOSE.PEER_SILENT]);
    const took = performance.now() - at;
    assert.ok(took > 2_900 && took < 9_000, `${took} ms`);
  });

  it('is certain on both sides after unanswered PINGs when the path is cut', async () => {
    const clock = new HandClock();
    const wire = new MemoryWire(() => 1);
    const server = await bench.server({ datagrams: wire.port() }, { ...deps, clock });
    const client = await bench.client(server, { datagrams: wire.port() }, { ...deps, clock });
    const answer = request(client, Buffer.from('x'));
    let answered = false;
    answer.then(() => (answered = true)).catch(() => undefined);
    await until(() => {
      clock.advance(1); // held acknowledgements
      return answered;
    });
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
      assert.ok(client.isOpen, `over after ${second} s`);
    }
    wire.cut = true;
    clock.advance(6_000);
    assert.ok(client.isOpen);
    clock.advance(8_000);
    assert.equal((await client.closed).code, QUIC_CLOSE.PEER_SILENT);
    assert.equal(server.stats().connections, 0);
    wire.dispose();
  });

  for (const count of [1, 30]) {
    it(`is noticed by a writer that has nothing to write: ${count} quiet streams whose reader stops`, async () => {
      const stopped: number[] = [];
      const open: QuicStream[] = [];
      const server = await bench.server({
        onConnection: (connection) =>
          connection.onStream((stream) => {
            open.push(stream);
            stream.onStopped((error: PalyraError) => stopped.push(error.details['code'] as number));
          }),
      });
      const client = await bench.client(server);
      const streams: QuicStream[] = [];
      for (let index = 0; index < count; index++) {
        const stream = await client.openStream();
        stream.write(Buffer.from('subscribe'));
        streams.push(stream);
      }
      await until(() => open.length === count);
      const at = performance.now();
      streams.forEach((stream, index) => stream.stopSending(100 + index));
      await until(() => stopped.length === count);
      assert.ok(performance.now() - at < 2_000);
      assert.deepEqual(
        stopped.sort((a, b) => a - b),
        streams.map((_, index) => 100 + index),
      );
      assert.ok(open.every((stream) => !stream.isWritable));
      // Who asks late hears it at once.
      let late = 0;
      open[0]!.onStopped(() => late++);
      assert.equal(late, 1);
    });
  }
});
