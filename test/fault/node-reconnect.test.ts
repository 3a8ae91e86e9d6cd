import { strict as assert } from 'node:assert';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { createNodeHost, type NodeHost } from '../../src/lib/node/host.js';
import { capability, registration } from '../support/capabilities.js';
import { FakeDaemon, testAuthority } from '../support/fake-daemon.js';
import { session } from '../support/node-daemon.js';
import { pairDirectory } from '../support/paired-directory.js';
import { rejectsWith } from '../support/rejects-with.js';
import { temporaryDirectory } from '../support/temporary.js';
import { until } from '../support/until.js';

describe('a node whose link fails', () => {
  const home = temporaryDirectory();
  let authority: Authority;
  let daemon: FakeDaemon;
  let host: NodeHost;
  let stop: AbortController;
  let running: Promise<void>;

  const start = async (endpoints: readonly string[]) => {
    const stateDirectory = join(home(), 'node');
    await pairDirectory(stateDirectory, authority, endpoints);
    stop = new AbortController();
    host = createNodeHost(
      {
        stateDirectory,
        controlSocketPath: join(home(), 'node.sock'),
        version: '1.0.0',
        timings: { backoffBaseMs: 50, backoffCapMs: 200, connectTimeoutMs: 1_000 },
      },
      { clock: systemClock, random: systemRandom, log: silentLog, registrations: [registration(capability())] },
    );
    running = host.run(stop.signal);
    running.catch(() => undefined);
  };
  const state = () => host.status()?.state;
  const online = async (index = 0, heartbeatMs = 1_000) => {
    const daemonSide = await session(daemon, index);
    daemonSide.welcome({ epoch: index + 1, heartbeatMs });
    await until(() => state() === 'online');
    return daemonSide;
  };

  before(() => {
    authority = testAuthority();
  });
  beforeEach(async () => {
    daemon = await FakeDaemon.start(authority);
  });
  afterEach(async () => {
    daemon.stop();
    stop.abort();
    await running.catch(() => undefined);
  });

  it('comes back by itself when the daemon does', async () => {
    await start([daemon.endpoint]);
    await online();
    const { port } = daemon;
    daemon.stop();
    await until(() => state() === 'offline');
    assert.equal(host.status()?.lastError?.reason, 'DAEMON_UNREACHABLE');
    await until(() => (host.status()?.attempts ?? 0) >= 3);
    daemon = await FakeDaemon.start(authority, { port });
    const daemonSide = await session(daemon);
    daemonSide.welcome({ epoch: 2 });
    await until(() => state() === 'online');
    daemonSide.offer({ epoch: 2 });
    assert.equal((await daemonSide.next('result')).state, 'succeeded');
  });

  it('moves to the next address when the first one is dead', async () => {
    await start(['127.0.0.1:1', daemon.endpoint]);
    await online();
    assert.equal(host.status()?.daemon.endpoint, daemon.endpoint);
  });

  it('sends nothing to another daemon at the same address, and goes on waiting for its own', async () => {
    const { port } = daemon;
    daemon.stop();
    const stranger = await FakeDaemon.start(testAuthority(), { port });
    try {
      await start([stranger.endpoint]);
      await until(() => state() === 'offline');
      assert.equal(host.status()?.lastError?.reason, 'DAEMON_IDENTITY_MISMATCH');
      assert.deepEqual([stranger.registrations, stranger.sessions], [[], []]);
    } finally {
      stranger.stop();
    }
  });

  it('stops with exit code 78 when the daemon refuses its certificate over the wire', async () => {
    daemon.answer = () => {
      throw new PalyraError('CERTIFICATE_REVOKED');
    };
    await start([daemon.endpoint]);
    const error = await rejectsWith(running, 'CERTIFICATE_REVOKED');
    assert.equal(error.exitCode, 78);
  });

  describe('because nothing passes any more', () => {
    let proxy: Server;
    let sockets: Socket[];
    let stalled: boolean;

    beforeEach(async () => {
      sockets = [];
      stalled = false;
      proxy = createServer((inner) => {
        const outer = connect(daemon.port, '127.0.0.1');
        sockets.push(inner, outer);
        for (const socket of [inner, outer]) socket.on('error', () => undefined);
        inner.on('data', (data) => (stalled ? undefined : outer.write(data)));
        outer.on('data', (data) => (stalled ? undefined : inner.write(data)));
        inner.on('close', () => outer.destroy());
        outer.on('close', () => inner.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    });
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });

    it('notices within five heartbeats and is online again when the way is free', async () => {
      const { port } = proxy.address() as { port: number };
      await start([`127.0.0.1:${port}`]);
      await online(0, 100);
      const since = performance.now();
      stalled = true;
      await until(() => state() !== 'online');
      const tookMs = performance.now() - since;
      assert.ok(tookMs < 1_500, `it took ${Math.round(tookMs)} ms`);
      stalled = false;
      await online(1);
    });
  });
});
