import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { Connector } from '../../src/lib/node/link/connector.js';
import { WITHOUT_PROXY } from '../../src/lib/base/proxy.js';
import { pollLinks } from '../../src/lib/node/link/poll.js';
import { quicLinks } from '../../src/lib/node/link/quic.js';
import { streamLinks } from '../../src/lib/node/link/stream.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { FakeDaemon, nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { FakeQuicDaemon } from '../support/fake-quic-daemon.js';
import { MemoryDaemon } from '../support/node-daemon.js';
import { describeNodeLink } from './node-link.js';

const connector = new Connector({ clock: systemClock }, { proxy: WITHOUT_PROXY });

describeNodeLink('gRPC stream over mutual TLS', async () => {
  const authority = testAuthority();
  const daemon = await FakeDaemon.start(authority);
  const connect = streamLinks(nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES'), { connector });
  return { daemon, connect, deadEndpoint: '127.0.0.1:1', close: () => daemon.stop() };
});

describeNodeLink('gRPC calls over mutual TLS', async () => {
  const authority = testAuthority();
  const daemon = await FakeDaemon.start(authority);
  const material = nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES');
  const connect = pollLinks(material, { clock: systemClock, random: systemRandom, connector });
  return { daemon, connect, deadEndpoint: '127.0.0.1:1', close: () => daemon.stop() };
});

for (const transport of ['stream', 'calls'] as const) {
  describeNodeLink(`gRPC ${transport} through a proxy`, async () => {
    const authority = testAuthority();
    const daemon = await FakeDaemon.start(authority);
    const material = nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES');
    const proxy = await ConnectProxy.start();
    const url = `http://127.0.0.1:${proxy.port}`;
    const through = new Connector({ clock: systemClock }, { proxy: { ...WITHOUT_PROXY, url, loopback: true } });
    const deps = { clock: systemClock, random: systemRandom, connector: through };
    const connect = transport === 'stream' ? streamLinks(material, deps) : pollLinks(material, deps);
    const close = () => {
      daemon.stop();
      proxy.close();
    };
    return { daemon, connect, deadEndpoint: '127.0.0.1:1', close };
  });
}

describeNodeLink('QUIC', async () => {
  const authority = testAuthority();
  const daemon = await FakeQuicDaemon.start(authority);
  const material = nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES');
  const connect = quicLinks(material, { clock: systemClock, random: systemRandom, log: silentLog });
  return { daemon, connect, deadEndpoint: '127.0.0.1:1', close: () => daemon.stop() };
});

describeNodeLink('memory', async () => {
  const daemon = new MemoryDaemon();
  return { daemon, connect: daemon.connect, deadEndpoint: 'memory:2', close: () => undefined };
});
