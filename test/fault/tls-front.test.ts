import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect as tcpConnect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as tlsStart, type TLSSocket } from 'node:tls';
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { Authority, createAuthority } from '../../src/lib/identity/authority.js';
import { createDeviceKey, exportKey, spkiOf } from '../../src/lib/identity/device-key.js';
import { MAX_CONNECTIONS_PER_DEVICE, REFUSED_LIFE_MS } from '../../src/lib/daemon/device-connections.js';
import { PUBLIC_LIMITS } from '../../src/lib/daemon/public-port.js';
import { HANDSHAKE_TIMEOUT_MS } from '../../src/lib/daemon/tls-front.js';
import { withRemovalGrace } from '../support/removal-grace.js';
import { ask, eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';
import { TIMER_EARLY_MS } from '../support/timers.js';
import { FRAME, FrameReader, openHttp2, tlsConnect } from '../support/raw-http2.js';

const closed = (socket: Socket) =>
  new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));

describe('the TLS front', () => {
  let target: TestDaemon;
  let ca: string;
  const open = new Set<Socket>();
  const keep = <T extends Socket>(socket: T): T => {
    open.add(socket.on('error', () => undefined).resume());
    return socket;
  };

  const start = async (clock: Clock = systemClock) => {
    target = await startTestDaemon({}, { clock });
    ca = await readFile(join(target.options.stateDirectory, 'identity', 'ca.crt'), 'utf8');
  };
  beforeEach(() => start());
  afterEach(async () => {
    for (const socket of open) socket.destroy();
    open.clear();
    await target.dispose();
  });

  it('tells HTTP/1.1 from gRPC by what the client offers, ours first', async () => {
    const chosen = async (offer?: string[]) => {
      const socket = keep(
        await tlsConnect({ port: target.ports.public, ca, ...(offer === undefined ? {} : { ALPNProtocols: offer }) }),
      );
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
      const answer = await new Promise<string>((resolve) =>
        socket.once('data', (bytes) => resolve(bytes.toString('latin1'))),
      );
      return [socket.alpnProtocol, answer.startsWith('HTTP/1.1 200')];
    };
    assert.deepEqual(await chosen(['h2', 'http/1.1']), ['http/1.1', true]);
    assert.deepEqual(await chosen(['http/1.1']), ['http/1.1', true]);
    assert.deepEqual(await chosen(), [false, true]);
    const h2 = keep(await openHttp2({ port: target.ports.public, ca }));
    const frames = new FrameReader(h2);
    await eventually('the server speaks HTTP/2', () => frames.has(FRAME.settings));
    await assert.rejects(tlsConnect({ port: target.ports.public, ca, ALPNProtocols: ['spdy/3'] }));
  });

  it('serves HTTPS with HSTS', async () => {
    const socket = keep(await tlsConnect({ port: target.ports.public, ca }));
    socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await closed(socket);
    assert.match(text, /strict-transport-security: max-age=/i);
    assert.match(text, /"status":"ready"/);
  });

  it('closes connections that do not finish their handshake in time, also when they trickle', async function () {
    this.timeout(15_000);
    const startedAt = performance.now();
    const quiet = Array.from({ length: 10 }, () => keep(tcpConnect(target.ports.public, '127.0.0.1')));
    const trickling = keep(tcpConnect(target.ports.node, '127.0.0.1'));
    // The start of a ClientHello, a byte a second.
    const hello = Buffer.from('1603010200010001fc0303', 'hex');
    let sent = 0;
    const timer = setInterval(() => trickling.write(hello.subarray(sent, ++sent)), 1000);
    const ends = await Promise.all([...quiet, trickling].map(closed));
    clearInterval(timer);
    for (const end of ends) {
      const lived = end - startedAt;
      assert.ok(lived >= HANDSHAKE_TIMEOUT_MS - TIMER_EARLY_MS && lived <= 6000, `lived ${Math.round(lived)} ms`);
    }
  });

  it('holds at most sixteen connections of one source on the public port, and takes the next when one leaves', async () => {
    const sockets: TLSSocket[] = [];
    for (let count = 0; count < PUBLIC_LIMITS.perSource; count += 1) {
      sockets.push(keep(await tlsConnect({ port: target.ports.public, ca, ALPNProtocols: ['h2'] })));
    }
    await assert.rejects(tlsConnect({ port: target.ports.public, ca, ALPNProtocols: ['h2'] }));
    const [first] = sockets;
    first?.destroy();
    await eventually('a place is free', () =>
      tlsConnect({ port: target.ports.public, ca, ALPNProtocols: ['h2'] }).then(
        (socket) => Boolean(keep(socket)),
        () => false,
      ),
    );
    const health = await ask({ socketPath: target.socketPath }, { path: '/healthz' });
    assert.equal(health.status, 200);
  });

  it('processes no application byte of a client without a certificate of ours', async () => {
    const foreign = foreignClient();
    for (const credentials of [{}, foreign]) {
      // In TLS 1.3 the client believes it is connected before the server refuses: only what comes back counts.
      const socket = keep(
        tlsStart({ host: '127.0.0.1', port: target.ports.node, ca, ALPNProtocols: ['h2'], ...credentials }),
      );
      const frames = new FrameReader(socket);
      socket.once('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
      await frames.closed;
      assert.deepEqual(frames.types, []);
    }
  });

  it('takes no device for our own server certificate', async () => {
    const identity = join(target.options.stateDirectory, 'identity');
    const [key, cert] = await Promise.all(['server.key', 'server.crt'].map((name) => readFile(join(identity, name))));
    const socket = keep(tlsStart({ host: '127.0.0.1', port: target.ports.node, ca, ALPNProtocols: ['h2'], key, cert }));
    const frames = new FrameReader(socket);
    await frames.closed;
    assert.deepEqual(frames.types, []);
  });

  it('keeps four connections of a device: the oldest gives way', async () => {
    const node = await pairTestNode(target);
    const credentials = { port: target.ports.node, ca, key: node.keyPem, cert: node.certificatePem };
    const sockets: TLSSocket[] = [];
    for (let count = 0; count <= MAX_CONNECTIONS_PER_DEVICE; count += 1)
      sockets.push(keep(await openHttp2(credentials)));
    const [oldest, ...others] = sockets;
    assert.ok(oldest !== undefined);
    if (!oldest.destroyed) await closed(oldest);
    assert.ok(others.every((socket) => !socket.destroyed));
  });

  it('destroys the sockets of a removed device within a second, and a later one soon after it was told', async function () {
    this.timeout(15_000);
    const node = await pairTestNode(target);
    const credentials = { port: target.ports.node, ca, key: node.keyPem, cert: node.certificatePem };
    const idle = keep(await openHttp2(credentials));
    const removedAt = performance.now();
    await ask({ socketPath: target.socketPath }, { method: 'DELETE', path: `/v1/nodes/${node.deviceId}` });
    assert.ok((await closed(idle)) - removedAt < 1000);
    const startedAt = performance.now();
    const later = keep(await openHttp2(credentials));
    assert.ok((await closed(later)) - startedAt < REFUSED_LIFE_MS + 1000);
  });

  it('gives a removed device its whole time to hear why, whenever the daemon looks who may stay', async () => {
    // Longer than from one look to the next.
    const graceMs = 2_000;
    await target.dispose();
    await start(withRemovalGrace(graceMs));
    const node = await pairTestNode(target);
    const idle = keep(await openHttp2({ port: target.ports.node, ca, key: node.keyPem, cert: node.certificatePem }));
    const removedAt = performance.now();
    await ask({ socketPath: target.socketPath }, { method: 'DELETE', path: `/v1/nodes/${node.deviceId}` });
    const tookMs = (await closed(idle)) - removedAt;
    assert.ok(tookMs >= graceMs - TIMER_EARLY_MS, `${tookMs} ms`);
  });

  it('leaves nothing open when it stops', async () => {
    const node = await pairTestNode(target);
    const sockets = [
      keep(tcpConnect(target.ports.public, '127.0.0.1')),
      keep(await openHttp2({ port: target.ports.public, ca })),
      keep(await tlsConnect({ port: target.ports.public, ca })),
      keep(await openHttp2({ port: target.ports.node, ca, key: node.keyPem, cert: node.certificatePem })),
      keep(tcpConnect(target.ports.console, '127.0.0.1')),
    ];
    const ends = sockets.map(closed);
    await target.daemon.stop();
    await Promise.all(ends);
    const refused = tcpConnect(target.ports.node, '127.0.0.1');
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => refused.once('error', resolve));
    assert.equal(error.code, 'ECONNREFUSED');
  });
});

/** A certificate for a device, by an authority of the same name that is not ours. */
function foreignClient(): { key: string; cert: string } {
  const authority = new Authority(createAuthority({ now: Date.now(), random: systemRandom, name: 'test-daemon' }));
  const key = createDeviceKey();
  const { certificatePem } = authority.issueNode({
    deviceId: `nod_${'0'.repeat(26)}`,
    spki: spkiOf(key),
    now: Date.now(),
    random: systemRandom,
  });
  return { key: exportKey(key), cert: certificatePem };
}
