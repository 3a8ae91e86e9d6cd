/** What a QUIC port does with too much, with forgeries and with noise: each refusal is counted, none harms who is connected. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { PalyraError } from '../../src/lib/base/errors.js';
import { QUIC_CLOSE, type QuicClose } from '../../src/lib/quic/close.js';
import type { QuicConnection } from '../../src/lib/quic/connection.js';
import type { QuicServer } from '../../src/lib/quic/endpoint-server.js';
import { loadQuiche } from '../../src/lib/quic/native.js';
import { HandClock } from '../support/hand-clock.js';
import { HalfOpen } from '../support/quic-half-open.js';
import { QuicBench, createPki, deps, request } from '../support/quic.js';
import { MemoryWire } from '../support/quic-wire.js';
import { rejectsWith } from '../support/rejects-with.js';
import { SteppedClock } from '../support/stepped-clock.js';
import { seededRandom } from '../support/seeded-random.js';
import { until } from '../support/until.js';

describe('The limits of a QUIC port', () => {
  const pki = createPki();
  let bench: QuicBench;
  beforeEach(() => (bench = new QuicBench(pki)));
  afterEach(() => bench.dispose());

  const ask = async (client: QuicConnection) => (await request(client, Buffer.from('x'))).toString();

  /** How the server ends a new connection: while it is made, or just after, as the datagrams fall. */
  const refusal = (server: QuicServer) =>
    bench.client(server).then(
      (client) => client.closed,
      (error: PalyraError) => error.details as unknown as QuicClose,
    );

  it('keeps the last quarter for known devices, and gives places back', async () => {
    let next = { id: 'a', known: false };
    const server = await bench.server({ authorize: () => next, limits: { maxConnections: 8 } });
    const clients: QuicConnection[] = [];
    for (let index = 0; index < 6; index++) {
      next = { id: `stranger ${index}`, known: false };
      clients.push(await bench.client(server));
      assert.equal(await ask(clients.at(-1)!), 'x');
    }
    next = { id: 'stranger 6', known: false };
    const refused = await (await bench.client(server)).closed;
    assert.deepEqual([refused.application, refused.code], [true, QUIC_CLOSE.RESERVED]);
    for (let index = 0; index < 2; index++) {
      next = { id: `friend ${index}`, known: true };
      assert.equal(await ask(await bench.client(server)), 'x');
    }
    next = { id: 'friend 2', known: true };
    const full = await refusal(server);
    assert.deepEqual([full.application, full.code, full.reason], [false, 2, 'connection-limit']);
    clients[0]!.close();
    await until(() => server.stats().connections === 7);
    assert.equal(await ask(await bench.client(server)), 'x');
    const { refused: counts, accepted } = server.stats();
    assert.deepEqual([counts.reserved, counts['connection-limit'], accepted], [1, 1, 9]);
  });

  it('gives one device four connections; a silent one makes room for a new one', async () => {
    const clock = new SteppedClock();
    const server = await bench.server({ authorize: () => ({ id: 'greedy', known: true }) }, { ...deps, clock });
    const clients: QuicConnection[] = [];
    for (let index = 0; index < 4; index++) {
      clients.push(await bench.client(server, { transport: { keepAliveMs: 0 } }));
      assert.equal(await ask(clients.at(-1)!), 'x');
    }
    for (let index = 0; index < 46; index++) {
      const close = await (await bench.client(server)).closed;
      assert.equal(close.code, QUIC_CLOSE.DEVICE_LIMIT);
    }
    assert.equal(server.stats().refused['device-limit'], 46);
    assert.equal(server.stats().connections, 4);
    clock.step(9_000);
    for (const client of clients.slice(1)) await ask(client);
    clock.step(2_000);
    assert.equal(await ask(await bench.client(server)), 'x');
    assert.equal((await clients[0]!.closed).reason, 'replaced by a newer connection');
    assert.equal(server.stats().connections, 4);
  });

  it('runs eight handshakes of one source at once; one more pushes out the oldest, and they end after ten seconds', async () => {
    const clock = new HandClock();
    const server = await bench.server({}, { ...deps, clock });
    const half = new HalfOpen(pki.caPem, server.address);
    for (let index = 0; index < 8; index++) await half.begin();
    await until(() => server.stats().handshaking === 8);
    assert.equal(await ask(await bench.client(server)), 'x');
    assert.equal(server.stats().refused['handshake-evicted'], 1);
    await until(() => half.closed === 1);
    assert.deepEqual([server.stats().connections, server.stats().handshaking], [1, 7]);
    clock.advance(10_001);
    await until(() => server.stats().handshaking === 0);
    assert.equal(server.stats().refused['handshake-timeout'], 7);
    half.dispose();
  });

  it('lets a node in while 200 half-open handshakes from 25 addresses are begun and begun again', async function () {
    this.timeout(60_000);
    const limits = { maxConnections: 32, maxHandshakes: 64 };
    let device = 0;
    const server = await bench.server({ limits, authorize: () => ({ id: `d${device++}`, known: true }) });
    const half = new HalfOpen(pki.caPem, server.address);
    const attack = { on: true, begun: 0 };
    const attackers = Array.from({ length: 4 }, async (_, lane) => {
      for (let turn = lane; attack.on; turn += 4) {
        await half.begin(`127.0.0.${1 + (turn % 25)}`);
        attack.begun++;
      }
    });
    await until(() => attack.begun >= 200);
    const took: number[] = [];
    for (let node = 0; node < 20; node++) {
      const at = performance.now();
      // From an address that the attack uses too.
      const connection = await bench.client(server);
      assert.equal(await ask(connection), 'x');
      took.push(performance.now() - at);
      assert.ok(server.stats().handshaking <= 64);
    }
    attack.on = false;
    await Promise.all(attackers);
    half.dispose();
    assert.ok(Math.max(...took) < 3_000, took.join());
    const { refused, connections } = server.stats();
    assert.equal(connections, 20);
    assert.equal(refused['connection-limit'], 0);
    assert.ok(
      refused['handshake-evicted'] >= attack.begun - 64 - 20,
      `${refused['handshake-evicted']} of ${attack.begun}`,
    );
  });

  it('takes a Retry token from its own address, within its life, unchanged, and counts the others', async () => {
    const clock = new HandClock();
    const wire = new MemoryWire(() => 1);
    const server = await bench.server({ datagrams: wire.port() }, { ...deps, clock });
    const tokens: Buffer[] = [];
    let spoil: ((bytes: Buffer) => void) | null = null;
    const quiche = await loadQuiche();
    wire.tap = (bytes, from) => {
      if (from.port === server.address.port || (bytes[0]! & 0x80) === 0) return;
      const header = quiche.Header.fromSlice(bytes, 16);
      if (header.ty !== quiche.Type.Initial || (header.token?.length ?? 0) === 0) return;
      tokens.push(Buffer.from(bytes));
      spoil?.(bytes);
    };
    const connect = () => bench.client(server, { datagrams: wire.port(), transport: { handshakeTimeoutMs: 700 } });

    assert.equal(await ask(await connect()), 'x');
    const { retriesSent, accepted } = server.stats();
    assert.deepEqual([retriesSent, accepted], [1, 1]);

    // The token begins at byte 1 + 4 + 1 + 16 + 1 + 16 + 2: spoil its time stamp.
    spoil = (bytes) => (bytes[45]! ^= 1);
    await rejectsWith(connect(), 'QUIC_HANDSHAKE_FAILED');
    assert.ok(server.stats().refused['token-forged'] >= 1);

    spoil = () => clock.advance(15_001);
    await rejectsWith(connect(), 'QUIC_HANDSHAKE_FAILED');
    assert.ok(server.stats().refused['token-expired'] >= 1);

    spoil = null;
    const forged = server.stats().refused['token-forged'];
    const { connections, handshaking } = server.stats();
    wire.inject(tokens.at(-1)!, { host: '10.0.0.9', port: 4444 }, server.address);
    await until(() => server.stats().refused['token-forged'] === forged + 1);
    assert.deepEqual([server.stats().connections, server.stats().handshaking], [connections, handshaking]);
    wire.dispose();
  });

  it('answers noise with nothing or with less than it got, and serves on', async () => {
    const server = await bench.server();
    const client = await bench.client(server);
    assert.equal(await ask(client), 'x');
    const before = server.stats();
    const random = seededRandom(11);
    const socket = createSocket('udp4');
    let answers = 0;
    socket.on('message', (bytes) => (answers += bytes.length));
    let sent = 0;
    for (let index = 0; index < 2_000; index++) {
      const bytes = random.bytes([5, 60, 1200, 1300][index % 4]!);
      if (index % 3 === 0) bytes[0]! |= 0xc0; // a long header
      if (index % 7 === 0 && bytes.length > 100) bytes.set([0xc3, 0, 0, 0, 1, 16], 0); // an Initial of version 1
      if (index % 5 === 0 && bytes.length > 100) bytes.set([0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8], 0); // a version nobody has
      sent += bytes.length;
      socket.send(bytes, server.address.port, server.address.host);
      if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => server.stats().datagramsReceived >= before.datagramsReceived + 1_000);
    assert.equal(await ask(client), 'x');
    const after = server.stats();
    assert.ok(answers < sent / 3, `${answers} bytes answered to ${sent}`);
    assert.ok(after.versionNegotiationsSent > 0 && after.dropped.malformed + after.dropped['unknown-connection'] > 0);
    assert.deepEqual([after.connections, after.handshaking], [1, 0]);
    socket.close();
  });

  it('does not follow a client to another address', async () => {
    const wire = new MemoryWire(() => 1);
    const server = await bench.server({ datagrams: wire.port() });
    const client = await bench.client(server, { datagrams: wire.port() });
    let last: Buffer | null = null;
    wire.tap = (bytes, from) => {
      if (from.port === client.local.port) last = Buffer.from(bytes);
    };
    assert.equal(await ask(client), 'x');
    wire.inject(last!, { host: '127.0.0.1', port: 5 }, server.address);
    await until(() => server.stats().dropped['other-address'] === 1);
    assert.equal(await ask(client), 'x');
    wire.dispose();
  });

  it('survives a handler that throws when a connection arrives', async () => {
    const server = await bench.server({
      onConnection: () => {
        throw new PalyraError('INTERNAL');
      },
    });
    assert.equal((await (await bench.client(server)).closed).code, QUIC_CLOSE.INTERNAL);
    assert.equal(server.stats().connections, 0);
  });
});
