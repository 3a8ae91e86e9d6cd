import { streamLinks } from '../../src/lib/node/link/stream.js';
import { FakeDaemon, nodeMaterial, testAuthority } from '../support/fake-daemon.js';
import { MemoryDaemon } from '../support/node-daemon.js';
import { describeNodeLink } from './node-link.js';

describeNodeLink('gRPC stream over mutual TLS', async () => {
  const authority = testAuthority();
  const daemon = await FakeDaemon.start(authority);
  const connect = streamLinks(nodeMaterial(authority, 'nod_01JTESTTESTTESTTESTTESTTES'));
  return { daemon, connect, deadEndpoint: '127.0.0.1:1', close: () => daemon.stop() };
});

describeNodeLink('memory', async () => {
  const daemon = new MemoryDaemon();
  return { daemon, connect: daemon.connect, deadEndpoint: 'memory:2', close: () => undefined };
});
