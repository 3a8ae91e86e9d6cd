/** A name with several addresses over QUIC, on real UDP sockets: dead ones cost a head start and leave nothing behind. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { QuicConnection } from '../../src/lib/quic/connection.js';
import { connectQuic, type QuicClientOptions } from '../../src/lib/quic/endpoint-client.js';
import type { QuicServer } from '../../src/lib/quic/endpoint-server.js';
import { checkUdp } from '../../src/lib/node/udp-check.js';
import { nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { FakeQuicDaemon } from '../support/fake-quic-daemon.js';
import { nameTo } from '../support/names.js';
import { QuicBench, deps, request } from '../support/quic.js';
import { rejectsWith } from '../support/rejects-with.js';
import { until } from '../support/until.js';

const NAME = 'nas.test';
/** Nobody listens there, which the system says at once. */
const REFUSES = '127.0.0.9';
/** Somebody listens there and says nothing, as behind a firewall. */
const SWALLOWS = '127.0.0.8';
/** The discard prefix (RFC 6666): no machine has it, and on a machine without IPv6 there is not even a way. */
const NO_ROUTE = '100::1';
const GENEROUS_MS = 5_000;

/** What the client has scheduled. */
let timers = 0;
const counting: Clock = {
  ...systemClock,
  schedule: (delayMs, action) => {
    let over = false;
    const end = () => {
      if (!over) timers -= 1;
      over = true;
    };
    timers += 1;
    const cancel = systemClock.schedule(delayMs, () => {
      end();
      action();
    });
    return () => {
      end();
      cancel();
    };
  },
};
/** UDP sockets of this process, and timers of the client. */
const open = () => process.getActiveResourcesInfo().filter((each) => each.startsWith('UDP')).length + timers;

describe('A name with several addresses, over QUIC', () => {
  let bench: QuicBench;
  let server: QuicServer;
  let hole: Socket;
  let swallowed: number;
  let restore: () => void;
  let clients: QuicConnection[];

  beforeEach(async () => {
    bench = new QuicBench();
    clients = [];
    swallowed = 0;
    server = await bench.server();
    hole = createSocket('udp4').on('message', () => (swallowed += 1));
    await new Promise<void>((resolve) => hole.bind(server.address.port, SWALLOWS, resolve));
    restore = () => undefined;
  });
  afterEach(async () => {
    restore();
    for (const client of clients) client.close();
    hole.close();
    await bench.dispose();
  });

  const dial = async (addresses: readonly string[], options: Partial<QuicClientOptions> = {}) => {
    restore();
    restore = nameTo({ [NAME]: addresses });
    const connection = await connectQuic(
      { ...deps, clock: counting },
      {
        host: NAME,
        port: server.address.port,
        serverName: 'localhost',
        tls: bench.pki.device(),
        ...options,
      },
    );
    clients.push(connection);
    return connection;
  };

  for (const [what, addresses] of [
    ['refuses', [REFUSES, '127.0.0.1']],
    ['swallows everything', [SWALLOWS, '127.0.0.1']],
    ['is of a family without a way', [NO_ROUTE, '127.0.0.1']],
    ['are four dead ones', [SWALLOWS, REFUSES, NO_ROUTE, REFUSES, '127.0.0.1']],
  ] as const) {
    it(`connects although the first ${what}, and leaves nothing of the others`, async () => {
      const before = open();
      const startedAt = performance.now();
      const connection = await dial(addresses);
      assert.ok(performance.now() - startedAt < GENEROUS_MS, 'a time-out was waited for');
      assert.equal(connection.remote.host, '127.0.0.1');
      assert.equal((await request(connection, Buffer.from('hello'))).toString(), 'hello');
      await until(() => server.stats().connections === 1);
      connection.close();
      await until(
        () => open() <= before,
        () => `${open()} are open, ${before} were`,
      );
    });
  }

  it('takes the first when all of them answer, and asks no other', async () => {
    const connection = await dial(['127.0.0.1', SWALLOWS]);
    assert.equal(connection.remote.host, '127.0.0.1');
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(swallowed, 0);
  });

  it('one that comes too late is closed: the server keeps one connection', async () => {
    // Both are the server: one of them through a path that takes longer than the head start.
    const port = server.address.port;
    const onward = createSocket('udp4');
    hole.removeAllListeners('message').on('message', (bytes, from) => {
      onward.removeAllListeners('message').on('message', (back) => hole.send(back, from.port, from.address));
      setTimeout(() => onward.send(bytes, port, '127.0.0.1'), 150);
    });
    const connection = await dial([SWALLOWS, '127.0.0.1']);
    assert.ok(connection.isOpen);
    await until(() => server.stats().connections === 1);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(server.stats().connections, 1);
    assert.equal((await request(connection, Buffer.from('still'))).toString(), 'still');
    onward.close();
  });

  it('says what the first one said when none answers, and leaves nothing', async () => {
    const before = open();
    const transport = { handshakeTimeoutMs: 1_000 };
    const failed = await rejectsWith(dial([REFUSES, NO_ROUTE, SWALLOWS], { transport }), 'QUIC_HANDSHAKE_FAILED');
    assert.match(failed.detail ?? '', /127\.0\.0\.9.*ECONNREFUSED/);
    const nameless = await rejectsWith(dial([]), 'QUIC_HANDSHAKE_FAILED');
    assert.match(nameless.detail ?? '', /the name nas\.test has no address/);
    await until(
      () => open() <= before,
      () => `${open()} are open, ${before} were`,
    );
  });

  it('is given up at once, with everything that is under way', async () => {
    const before = open();
    const stop = new AbortController();
    const ended = dial([SWALLOWS, SWALLOWS, SWALLOWS], { signal: stop.signal });
    await until(() => swallowed > 1);
    stop.abort(new Error('enough'));
    await assert.rejects(ended, /enough/);
    await until(
      () => open() <= before,
      () => `${open()} are open, ${before} were`,
    );
  });

  it('goes on with ::1 where IPv4 is dead, and the other way round', async function () {
    const six = await bench.server({ host: '::1', port: server.address.port }).catch(() => null);
    if (six === null) this.skip();
    assert.equal((await dial([SWALLOWS, '::1'])).remote.host, '::1');
    await six.stop();
    assert.equal((await dial(['::1', '127.0.0.1'])).remote.host, '127.0.0.1');
  });

  it('is how a node meets its daemon', async () => {
    const authority = testAuthority();
    const daemon = await FakeQuicDaemon.start(authority);
    const dead = createSocket('udp4');
    await new Promise<void>((resolve) => dead.bind(daemon.port, SWALLOWS, resolve));
    restore = nameTo({ [NAME]: [SWALLOWS, REFUSES, '127.0.0.1'] });
    const tools = { clock: systemClock, random: systemRandom, log: silentLog };
    const material = nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES');
    try {
      const { reachable } = await checkUdp(`${NAME}:${daemon.port}`, material, tools);
      assert.equal(reachable, true);
    } finally {
      dead.close();
      daemon.stop();
    }
  });
});
