/** How a node gets to its daemon over real sockets: proxies that do not do as they should, and several addresses of which some are dead. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { PalyraError, type Reason } from '../../src/lib/base/errors.js';
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { DaemonAddresses, nodeEndpointsOf } from '../../src/lib/node/addresses.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { leftOut } from '../../src/lib/node/link/left-out.js';
import { linkFactories } from '../../src/lib/node/link/factories.js';
import type { Registration } from '../../src/lib/node/link/link.js';
import { ConnectProxy, type Mood } from '../support/connect-proxy.js';
import { FakeDaemon, nodeMaterial, testAuthority } from '../support/fake-daemon.js';

const DEVICE_ID = 'nod_01JTESTTESTTESTTESTTESTTES';
/** Documentation addresses (RFC 5737): nobody answers there, or there is no route at all. */
const UNROUTABLE = '192.0.2.1:7444';

const registration: Registration = {
  deviceId: DEVICE_ID,
  protocol: { min: 1, max: 1 },
  facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] },
  bootId: 'boot-1',
  storeId: 'store-1',
  pluginFailures: [],
};

describe('the way to the daemon', () => {
  const authority = testAuthority();
  const material = nodeMaterial(authority, DEVICE_ID);
  const { trustBundle, ...client } = material;
  let daemon: FakeDaemon;
  const close: (() => void)[] = [];

  before(async () => (daemon = await FakeDaemon.start(authority)));
  after(() => daemon.stop());
  afterEach(() => close.splice(0).forEach((each) => each()));

  const connectorOf = (url: string | null) =>
    new Connector(
      { clock: systemClock },
      { proxy: { ...WITHOUT_PROXY, url, loopback: true }, proxyAnswersWithinMs: 300 },
    );
  const register = async (connector: Connector, transport: 'grpc' | 'poll', endpoint: string) => {
    const deps = { clock: systemClock, random: systemRandom, log: silentLog, connector };
    const link = linkFactories(material, deps)
      .find((each) => each.transport === transport)!
      .connect(endpoint);
    return link.register(registration, AbortSignal.timeout(8_000)).finally(() => link.destroy());
  };
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => assert.fail('it worked'),
      (error: unknown) => PalyraError.from(error),
    );

  describe('through a proxy that', () => {
    const moods: readonly [Mood, Reason, RegExp][] = [
      ['forbid', 'PROXY_REFUSED', /HTTP status 403/],
      ['rubbish', 'PROXY_ANSWER_INVALID', /^http:\/\/127\.0\.0\.1:\d+$/],
      ['cannot', 'DAEMON_UNREACHABLE', /the proxy cannot reach it .*HTTP status 502/],
      ['hang', 'PROXY_UNREACHABLE', /it did not answer to CONNECT 127\.0\.0\.1:\d+ in time/],
    ];
    for (const [mood, reason, words] of moods) {
      it(`says "${mood}": every carrier tells it, and a look at the certificate too`, async () => {
        const proxy = await ConnectProxy.start();
        close.push(() => proxy.close());
        proxy.mood = mood;
        const connector = connectorOf(`http://eva:canary@127.0.0.1:${proxy.port}`);
        const signal = AbortSignal.timeout(8_000);
        const failures = [
          await failure(register(connector, 'grpc', daemon.endpoint)),
          await failure(register(connector, 'poll', daemon.endpoint)),
          await failure(connector.reach(daemon.endpoint, { trustBundle, client }, signal)),
        ];
        for (const error of failures) {
          assert.equal(error.reason, reason, error.message);
          assert.match(error.detail ?? '', words);
          assert.doesNotMatch(
            `${error.message} ${error.hint} ${String((error.cause as Error | undefined)?.stack)}`,
            /canary/,
          );
        }
        assert.deepEqual(proxy.tunnels, []);
      });
    }

    it('wants another password, is closed, or has no name', async () => {
      const proxy = await ConnectProxy.start();
      close.push(() => proxy.close());
      proxy.login = 'eva:right';
      const rows: readonly [string, Reason, RegExp][] = [
        [`http://eva:canary@127.0.0.1:${proxy.port}`, 'PROXY_LOGIN_REQUIRED', /HTTP status 407/],
        ['http://eva:canary@127.0.0.1:1', 'PROXY_UNREACHABLE', /http:\/\/127\.0\.0\.1:1: the connection was refused/],
        ['http://eva:canary@palyra.invalid:1', 'PROXY_UNREACHABLE', /its name cannot be resolved/],
        [`https://127.0.0.1:${proxy.port}`, 'PROXY_UNREACHABLE', /it does not speak TLS/],
      ];
      for (const [url, reason, words] of rows) {
        for (const work of [
          () => register(connectorOf(url), 'grpc', daemon.endpoint),
          () => connectorOf(url).reach(daemon.endpoint, { trustBundle }, AbortSignal.timeout(8_000)),
        ]) {
          const error = await failure(work());
          assert.equal(error.reason, reason, error.message);
          assert.match(error.detail ?? '', words);
          assert.doesNotMatch(error.message, /canary/);
        }
      }
      const right = connectorOf(`http://eva:right@127.0.0.1:${proxy.port}`);
      assert.equal((await register(right, 'poll', daemon.endpoint)).name, 'pi-lab');
      assert.deepEqual(leftOut(right, daemon.endpoint)?.transport, 'quic');
    });

    it('cannot pose as the daemon', async () => {
      const other = await FakeDaemon.start(testAuthority());
      close.push(() => other.stop());
      const proxy = await ConnectProxy.start();
      close.push(() => proxy.close());
      proxy.names.set('nas.lan', '127.0.0.1');
      const connector = connectorOf(`http://127.0.0.1:${proxy.port}`);
      const error = await failure(register(connector, 'grpc', `nas.lan:${other.port}`));
      assert.equal(error.reason, 'DAEMON_IDENTITY_MISMATCH');
    });
  });

  describe('with several addresses', () => {
    /** Takes connections and never says a word. */
    const silent = async (): Promise<string> => {
      const server: Server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      close.push(() => server.close());
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    const addresses = () => {
      const connector = connectorOf(null);
      const reached: string[] = [];
      const book = new DaemonAddresses({
        clock: systemClock,
        reach: async (endpoint, signal) => {
          reached.push(endpoint);
          await connector.reach(endpoint, { trustBundle, client }, signal);
        },
      });
      return { book, reached };
    };
    const never = new AbortController().signal;

    it('is not held up by dead ones: silent, without a route, refusing, or of another daemon', async () => {
      const other = await FakeDaemon.start(testAuthority());
      close.push(() => other.stop());
      const { book, reached } = addresses();
      const dead = [await silent(), UNROUTABLE, '127.0.0.1:1', other.endpoint];
      const startedAt = performance.now();
      const order = await book.inOrder([...dead, daemon.endpoint], never);
      assert.deepEqual(order, [daemon.endpoint, ...dead]);
      // Three head starts at most, and no time-out of any of them (3 s and more).
      assert.ok(performance.now() - startedAt < 2_800, `${performance.now() - startedAt} ms`);
      assert.equal(reached.length, 5);
    });

    it('begins with the last that worked, and then asks no other', async () => {
      const { book, reached } = addresses();
      book.worked(daemon.endpoint);
      const order = await book.inOrder([UNROUTABLE, daemon.endpoint], never);
      assert.deepEqual(order, [daemon.endpoint, UNROUTABLE]);
      assert.deepEqual(reached, [daemon.endpoint]);
    });

    it('takes them as they come when none answers, and looks at none when there is one', async () => {
      const { book, reached } = addresses();
      assert.deepEqual(await book.inOrder(['127.0.0.1:1'], never), ['127.0.0.1:1']);
      assert.deepEqual(reached, []);
      assert.deepEqual(await book.inOrder(['127.0.0.1:1', '127.0.0.1:2'], never), ['127.0.0.1:1', '127.0.0.1:2']);
    });

    it('adds where the machine was paired, which the daemon may not know', () => {
      const of = (publicEndpoint: string, ...nodeEndpoints: string[]) =>
        nodeEndpointsOf({ publicEndpoint, nodeEndpoints });
      assert.deepEqual(of('https://nas.lan:7443', '10.0.0.2:7444'), ['10.0.0.2:7444', 'nas.lan:7444']);
      assert.deepEqual(of('https://[fd7a::1]:7443', '10.0.0.2:7444'), ['10.0.0.2:7444', '[fd7a::1]:7444']);
      assert.deepEqual(of('https://10.0.0.2:7443', '10.0.0.2:7444'), ['10.0.0.2:7444']);
      assert.deepEqual(of('https://127.0.0.1:7443', '10.0.0.2:7444'), ['10.0.0.2:7444']);
    });
  });
});
