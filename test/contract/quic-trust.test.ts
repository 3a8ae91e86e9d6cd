/**
 * Who may talk over QUIC: the matrix of bad certificates against a real server. In TLS 1.3 a client is connected before the server has looked at its
 * certificate, so what is asserted is that no application byte was processed, not that connecting throws.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { QUIC_CLOSE } from '../../src/lib/quic/close.js';
import type { QuicClientOptions } from '../../src/lib/quic/endpoint-client.js';
import type { QuicServer, QuicServerOptions } from '../../src/lib/quic/endpoint-server.js';
import { QuicBench, createPki, deviceId, echo, request } from '../support/quic.js';
import { rejectsWith } from '../support/rejects-with.js';
import { until } from '../support/until.js';

const DAY_MS = 86_400_000;

describe('Trust on a QUIC port', () => {
  const pki = createPki();
  const other = createPki();
  let bench: QuicBench;
  let served: { streams: number; bytes: number; connections: number; authorized: number };
  beforeEach(() => {
    bench = new QuicBench(pki);
    served = { streams: 0, bytes: 0, connections: 0, authorized: 0 };
  });
  afterEach(() => bench.dispose());

  const counting = (options: Partial<QuicServerOptions> = {}) =>
    bench.server({
      authorize: () => {
        served.authorized++;
        return { id: 'device', known: true };
      },
      onConnection: (connection) => {
        served.connections++;
        connection.onStream((stream) => {
          served.streams++;
          stream.setReader({
            data: (chunk) => (served.bytes += chunk.length),
            end: () => void stream.end(),
            failed: () => stream.abort(1),
          });
        });
      },
      ...options,
    });

  /** Sends as soon as it can, in the hope that somebody reads. */
  async function attempt(server: QuicServer, options: Partial<QuicClientOptions>): Promise<PalyraError> {
    try {
      const connection = await bench.client(server, options);
      await request(connection, Buffer.from('secret'));
    } catch (error) {
      assert.ok(error instanceof PalyraError, String(error));
      return error;
    }
    assert.fail('the server answered');
  }

  const bad: Record<string, () => Partial<QuicClientOptions>> = {
    'without a certificate': () => ({ tls: { caPem: pki.caPem } }),
    'with a certificate of another authority': () => ({ tls: { ...other.device(), caPem: pki.caPem } }),
    'with a certificate for servers': () => ({ tls: pki.server }),
    'with an expired certificate': () => ({
      tls: pki.device({ lifetimeMs: -60_000 }),
    }),
    'with a certificate that is not valid yet': () => ({ tls: pki.device({ now: Date.now() + 30 * DAY_MS }) }),
    "with another key's certificate chain of a leaf that signs": () => {
      const leaf = pki.device();
      return { tls: { ...leaf, certificatePem: other.device().certificatePem + leaf.certificatePem } };
    },
  };
  for (const [what, options] of Object.entries(bad)) {
    it(`lets a client ${what} process no application byte`, async () => {
      const server = await counting();
      let material: Partial<QuicClientOptions>;
      try {
        material = options();
      } catch (error) {
        assert.fail(`the test cannot make its certificate: ${String(error)}`);
      }
      const error = await attempt(server, material);
      assert.ok(
        ['QUIC_CONNECTION_CLOSED', 'QUIC_HANDSHAKE_FAILED', 'CONFIG_INVALID'].includes(error.reason),
        error.reason,
      );
      assert.deepEqual(served, { streams: 0, bytes: 0, connections: 0, authorized: 0 });
      if (error.reason !== 'CONFIG_INVALID') await until(() => server.stats().refused['handshake-failed'] === 1);
      assert.equal(server.stats().connections + server.stats().handshaking, 0);
    });
  }

  it('asks the allow list before any byte, closes with its reason, and shows it the chain', async () => {
    let chain: readonly Buffer[] = [];
    const server = await counting({
      authorize: (peer) => {
        chain = peer.chain;
        throw new PalyraError('NODE_REVOKED', { detail: 'this machine was removed' });
      },
    });
    const error = await attempt(server, { tls: pki.device({ id: deviceId(7) }) });
    assert.equal(error.details['code'], QUIC_CLOSE.UNAUTHORIZED);
    assert.equal(error.details['reason'], 'this machine was removed');
    assert.match(new X509Certificate(chain[0]!).subjectAltName ?? '', new RegExp(deviceId(7)));
    assert.deepEqual([served.streams, served.bytes, served.connections], [0, 0, 0]);
    assert.equal(server.stats().refused.unauthorized, 1);
  });

  it('closes every live connection of a device at once, and its streams with it', async () => {
    const server = await bench.server({ authorize: () => ({ id: 'lost', known: true }) });
    const clients = [await bench.client(server), await bench.client(server)];
    await request(clients[0]!, Buffer.from('x'));
    await until(() => server.stats().connections === 2);
    const before = performance.now();
    assert.equal(server.closeDevice('lost', 0x120, 'revoked'), 2);
    for (const client of clients) assert.equal((await client.closed).reason, 'revoked');
    assert.ok(performance.now() - before < 1000);
    assert.equal(server.stats().connections, 0);
  });

  it('lets a client refuse a server of another authority', async () => {
    const server = await counting({ tls: other.server });
    const error = await rejectsWith(bench.client(server), 'QUIC_HANDSHAKE_FAILED');
    assert.match(error.detail ?? '', /unknown authority|certificate/);
    assert.equal(served.bytes, 0);
  });

  it('lets a client refuse a device that plays server: its certificate serves only clients', async () => {
    const server = await counting({ tls: pki.device() });
    await rejectsWith(bench.client(server, { serverName: 'localhost' }), 'QUIC_HANDSHAKE_FAILED');
  });

  it('lets a client refuse a certificate that is not for the name or the address it dialled', async () => {
    const server = await counting();
    for (const serverName of ['elsewhere.example', '10.1.2.3', '::2']) {
      const error = await rejectsWith(bench.client(server, { serverName }), 'QUIC_HANDSHAKE_FAILED');
      // The library compares names itself, but no addresses.
      assert.match(error.detail ?? '', new RegExp(`not for ${serverName}|bad certificate`));
    }
    assert.equal(served.streams, 0);
    for (const serverName of ['localhost', '127.0.0.1', '::1']) {
      (await bench.client(server, { serverName })).close();
    }
  });

  it('speaks IPv6, with the address in the certificate', async function () {
    let server: QuicServer;
    try {
      server = await counting({ host: '::1', onConnection: (connection) => connection.onStream(echo) });
    } catch (error) {
      if ((error as PalyraError).reason === 'ADDRESS_UNAVAILABLE') return this.skip();
      throw error;
    }
    const client = await bench.client(server);
    assert.equal((await request(client, Buffer.from('six'))).toString(), 'six');
  });

  it('uses new material for new handshakes after it was changed', async () => {
    const server = await bench.server();
    const old = await bench.client(server);
    const renewed = pki.authority.issueServer({ hosts: ['renewed.test'], now: Date.now(), random: systemRandom });
    server.updateTls({ ...renewed, caPem: pki.caPem });
    await bench.client(server, { serverName: 'renewed.test' });
    await rejectsWith(bench.client(server, { serverName: 'localhost' }), 'QUIC_HANDSHAKE_FAILED');
    assert.equal((await request(old, Buffer.from('still'))).toString(), 'still');
  });

  it('refuses another application protocol', async () => {
    const server = await counting();
    const error = await attempt(server, { transport: { alpn: 'h3' } });
    assert.match(error.message, /application protocol/);
    assert.equal(served.authorized, 0);
  });

  it('says soon that nobody listens, and gives up in time when nobody answers', async () => {
    const server = await bench.server();
    const { address } = server;
    await server.stop();
    const gone = await rejectsWith(bench.client({ address } as QuicServer), 'QUIC_HANDSHAKE_FAILED');
    assert.equal(gone.details['by'], 'network');
    await assert.rejects(
      bench.client({ address: { host: '127.0.0.1', port: 9 } } as QuicServer, { signal: AbortSignal.abort('enough') }),
      /enough/,
    );
  });
});
