/** A daemon, or what stands before it, that finishes TLS and then says nothing: a link that is given up leaves no socket behind, however long the silence lasts. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { systemClock } from '../../src/lib/base/clock.js';
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { pollLinks } from '../../src/lib/node/link/poll.js';
import { streamLinks } from '../../src/lib/node/link/stream.js';
import { eventually } from '../support/eventually.js';
import { nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { DEVICE_ID, registration } from './node-link.js';

describe('a link over TCP whose other end says nothing', function () {
  this.timeout(20_000);
  const authority = testAuthority();
  const material = nodeMaterial(authority, DEVICE_ID);
  const connector = new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY });
  let server: Server;
  let open: Set<TLSSocket>;

  beforeEach(async () => {
    open = new Set();
    const issued = authority.issueServer({ hosts: ['127.0.0.1'], now: Date.now(), random: systemRandom });
    const shown = { key: issued.keyPem, cert: issued.certificatePem, ca: authority.certificatePem };
    server = createServer({ ...shown, requestCert: true, ALPNProtocols: ['h2'] }, (socket) => {
      open.add(socket);
      socket
        .on('error', () => undefined)
        .once('close', () => open.delete(socket))
        .resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });

  for (const [words, connect] of [
    ['the stream', streamLinks(material, { connector })],
    ['polling', pollLinks(material, { clock: systemClock, random: systemRandom, connector })],
  ] as const) {
    it(`leaves no socket behind: ${words}`, async () => {
      const link = connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
      const givenUp = new AbortController();
      const registered = link.register(registration, givenUp.signal);
      registered.catch(() => undefined);
      await eventually(() => open.size === 1, 'it is connected');
      givenUp.abort(new Error('it took too long'));
      await assert.rejects(registered);
      assert.equal(open.size, 1);
      link.destroy();
      await eventually(() => open.size === 0, 'its socket is closed', 5_000);
    });
  }
});
