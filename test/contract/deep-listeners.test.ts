/** What `daemon status --deep` says of ports: real ones of a daemon, and real ones where somebody else answers, or nobody. */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { deepChecks, examineDeeply, type DeepFacts } from '../../src/lib/cli/deep/deep-checks.js';
import { listenerChecks } from '../../src/lib/cli/deep/listener-checks.js';
import type { DaemonStatus } from '../../src/lib/cli/daemon-report.js';
import { examine } from '../../src/lib/cli/doctor/check.js';
import { HttpsServer } from '../support/https-server.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';

type Listen = DaemonStatus['listen'];

describe('the ports that daemon status --deep knocks at', function () {
  this.timeout(30_000);
  const probe = { clock: systemClock, random: systemRandom };
  let target: TestDaemon;
  let client: ControlPlaneClient;
  let status: DaemonStatus;
  let ca: string;

  before(async () => {
    target = await startTestDaemon({ listen: ['127.0.0.1', '::1'] });
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    [status, ca] = [await client.daemonStatus(), await client.caCertificate()];
  });
  after(async () => {
    await client.close();
    await target.dispose();
  });

  /** `id status` and detail of each, when the daemon said that it listens there. */
  const knock = async (listen: Listen) => {
    const results = await examine(listenerChecks({ ...probe, ca, status: { ...status, listen } }), systemClock);
    return new Map(results.map(({ id, status: found, detail }) => [id, `${found}: ${detail}`]));
  };
  /** Of one kind only, at this URL. */
  const at = (purpose: Listen[number]['purpose'], url: string) => knock([{ purpose, url }]);

  it('answer on every address of the daemon', async () => {
    const found = await knock(status.listen);
    const { public: clients, node } = target.ports;
    assert.equal(
      found.get('daemon.public'),
      `pass: the port for clients answers at 127.0.0.1:${clients}, [::1]:${clients}`,
    );
    assert.equal(found.get('daemon.nodes'), `pass: the port for nodes answers at 127.0.0.1:${node}, [::1]:${node}`);
    assert.match(found.get('daemon.console')!, /^pass: /);
    assert.match(found.get('daemon.quic')!, status.quic.state === 'on' ? /^pass: .*\[::1\]/ : /^skip: /);
  });

  it('are found at loopback when the daemon listens everywhere', async () => {
    const found = await at('public', `https://0.0.0.0:${target.ports.public}`);
    assert.equal(found.get('daemon.public'), `pass: the port for clients answers at 127.0.0.1:${target.ports.public}`);
    assert.match(found.get('daemon.nodes')!, /^skip: /);
  });

  it('are refused where nothing listens', async () => {
    const server: Server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    for (const [purpose, id] of [
      ['public', 'daemon.public'],
      ['node-rpc', 'daemon.nodes'],
    ] as const) {
      const found = (await at(purpose, `https://127.0.0.1:${port}`)).get(id);
      assert.match(found!, new RegExp(`^fail: .*127\\.0\\.0\\.1:${port} \\(the connection was refused\\)$`));
    }
    assert.match((await at('console', `http://127.0.0.1:${port}`)).get('daemon.console')!, /^fail: .*refused/);
  });

  it('are not well when one that is bound never answers, and say so in time', async () => {
    const sockets = new Set<{ destroy(): unknown }>();
    const server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const found = await at('node-rpc', `https://127.0.0.1:${port}`);
      assert.match(found.get('daemon.nodes')!, /^fail: .*the connection timed out/);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('are not well when somebody else answers there', async () => {
    const other = await HttpsServer.start();
    try {
      assert.match((await at('public', other.url)).get('daemon.public')!, /^fail: /);
      assert.match((await at('node-rpc', other.url)).get('daemon.nodes')!, /^fail: /);
      assert.deepEqual(other.seen, [], 'nothing was said to it');
    } finally {
      await other.stop();
    }
  });

  it('have no QUIC where datagrams are not answered', async function () {
    if (status.quic.state === 'off') this.skip();
    const silent: UdpSocket = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    let asked = 0;
    silent.on('message', (bytes: Buffer, from: RemoteInfo) => {
      asked++;
      // An echo is not an answer.
      silent.send(bytes, from.port, from.address);
    });
    try {
      const found = await at('node-rpc', `https://127.0.0.1:${silent.address().port}`);
      assert.match(found.get('daemon.quic')!, /^fail: QUIC does not answer over UDP/);
      assert.ok(asked > 1, 'it was asked again');
    } finally {
      silent.close();
    }
  });

  it('leave the daemon without a connection and without a refusal', async () => {
    await knock(status.listen);
    const { quic } = await client.daemonStatus();
    assert.deepEqual(
      [quic.connections, quic.handshaking, Object.values(quic.refusals).some((count) => count > 0)],
      [0, 0, false],
    );
  });

  it('are not all there is: a full disk, an alarm and state of another user are told', async () => {
    const storage = { accepting: false, journalBytes: 0, journalRecords: 0 };
    const alarm = {
      code: 'ca-ending',
      level: 7,
      endsAt: new Date().toISOString(),
      message: 'it ends',
      fix: 'renew',
    } as const;
    const facts: DeepFacts = {
      ...probe,
      ca,
      client,
      status: { ...status, storage, alarms: [alarm] },
      vitals: () => Promise.reject(new PalyraError('ROUTE_NOT_FOUND')),
      inspect: () => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' })),
    };
    const found = new Map((await examineDeeply(facts)).map(({ id, status: state }) => [id, state]));
    assert.deepEqual(
      ['daemon.storage', 'daemon.certificates', 'daemon.state', 'daemon.audit', 'daemon.loop', 'daemon.memory'].map(
        (id) => found.get(id),
      ),
      ['fail', 'warn', 'skip', 'pass', 'skip', 'skip'],
    );
    assert.equal(found.size, deepChecks(facts).length);
  });
});
