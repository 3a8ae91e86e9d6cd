import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { readExposure } from '../../src/lib/daemon/exposure.js';
import { eventually, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite, pairTestNode } from '../support/test-node.js';

/** All of 127/8 is loopback on Linux: two addresses without a second network. */
const OTHER = '127.0.0.2';

(process.platform === 'linux' ? describe : describe.skip)('a daemon that moves to other addresses', () => {
  let target: TestDaemon;
  let client: ControlPlaneClient;
  let ca: string;
  const open: TLSSocket[] = [];

  beforeEach(async () => {
    target = await startTestDaemon();
    client = new ControlPlaneClient({ socketPath: target.socketPath });
    ca = await client.caCertificate();
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await client.close();
    await target.dispose();
  });

  /** A verified TLS connection: the certificate must be good for the address. */
  const reach = (host: string, port = target.ports.public): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, ca, ALPNProtocols: ['http/1.1'] }, () => resolve(socket));
      socket.once('error', reject);
      open.push(socket);
    });
  const isBound = (host: string, port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connectTcp({ host, port }, () => resolve(true)).once('error', () => resolve(false));
      setTimeout(() => socket.destroy(), 200);
    });
  const urls = async () =>
    (await client.daemonStatus()).listen.filter(({ purpose }) => purpose !== 'local').map(({ url }) => url);

  it('serves the new address with a certificate for it, on the same ports, and lets the old one go', async () => {
    await assert.rejects(reach(OTHER));
    const old = await reach('127.0.0.1');
    const closed = new Promise((resolve) => old.once('close', resolve));
    const { changed } = await client.exposeDaemon([OTHER]);
    assert.equal(changed, true);
    const socket = await reach(OTHER);
    assert.equal(socket.authorized, true);
    await closed;
    assert.equal(await isBound('127.0.0.1', target.ports.public), false);
    assert.equal(await isBound('127.0.0.1', target.ports.node), false);
    assert.deepEqual(await urls(), [
      `https://${OTHER}:${target.ports.public}`,
      `https://${OTHER}:${target.ports.node}`,
      `http://127.0.0.1:${target.ports.console}`,
    ]);
    assert.match((await invite(target)).link, new RegExp(`^https://127\\.0\\.0\\.2:${target.ports.public}/j/`));
  });

  it('keeps connections over addresses that stay, and says when nothing changed', async () => {
    const staying = await reach('127.0.0.1');
    await client.exposeDaemon(['loopback', OTHER]);
    await reach(OTHER);
    assert.equal(staying.destroyed, false);
    assert.equal((await client.exposeDaemon([OTHER, '127.0.0.1'])).changed, false);
    assert.equal((await client.exposeDaemon(['loopback'])).changed, true);
    await eventually('the other address is gone', async () => !(await isBound(OTHER, target.ports.public)));
    assert.equal(staying.destroyed, false);
  });

  it('takes wildcards, and pairs over the new address', async () => {
    await client.exposeDaemon(['0.0.0.0']);
    assert.equal(await isBound(OTHER, target.ports.public), true);
    await client.exposeDaemon(['loopback']);
    const node = await pairTestNode(target, { name: 'alpha' });
    assert.ok(node);
  });

  it('stays where it is when an address cannot be had', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(target.ports.node, OTHER, resolve));
    try {
      await assert.rejects(client.exposeDaemon([OTHER]), { reason: 'PORT_IN_USE' });
      await assert.rejects(client.exposeDaemon(['192.0.2.1']), { reason: 'ADDRESS_UNAVAILABLE' });
      await assert.rejects(client.exposeDaemon(['0.0.0.0']), { reason: 'PORT_IN_USE' });
      await assert.rejects(client.exposeDaemon(['nas.lan']), { reason: 'USAGE_INVALID' });
    } finally {
      taken.close();
    }
    assert.equal((await reach('127.0.0.1')).authorized, true);
    assert.equal(await isBound('127.0.0.1', target.ports.node), true);
    assert.equal(await isBound(OTHER, target.ports.public), false);
    assert.equal(await readExposure(target.options.stateDirectory), null);
  });

  it('keeps what was said, as it was said', async () => {
    await client.exposeDaemon(['loopback', OTHER]);
    assert.deepEqual(await readExposure(target.options.stateDirectory), ['loopback', OTHER]);
    const file = join(target.options.stateDirectory, 'exposure.json');
    assert.match(await readFile(file, 'utf8'), /"format":1/);
    await writeFile(file, '{', { mode: 0o600 });
    await assert.rejects(readExposure(target.options.stateDirectory), { reason: 'STATE_CORRUPT' });
  });
});
