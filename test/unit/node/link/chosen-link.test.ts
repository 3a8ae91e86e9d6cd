import { strict as assert } from 'node:assert';

import { PalyraError } from '../../../../src/lib/base/errors.js';
import type { DownMessage, Hello } from '../../../../src/lib/base/link-messages.js';
import type { LinkTransport } from '../../../../src/lib/base/transports.js';
import { systemRandom } from '../../../../src/lib/base/random.js';
import { chosenLinks, WELCOME_MS } from '../../../../src/lib/node/link/chosen-link.js';
import type { NodeLink, Registration } from '../../../../src/lib/node/link/link.js';
import { HEAD_START_MS, LAST_RESORT_MS, TransportChooser } from '../../../../src/lib/node/transport-chooser.js';
import { HandClock, settle } from '../../../support/hand-clock.js';
import { acceptAll, MemoryDaemon, session } from '../../../support/node-daemon.js';
import { rejectsWith } from '../../../support/rejects-with.js';
import { until } from '../../../support/until.js';

const registration: Registration = {
  deviceId: 'nod_01JTESTTESTTESTTESTTESTTES',
  protocol: { min: 1, max: 1 },
  facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] },
  bootId: 'boot-1',
  storeId: 'store-1',
  pluginFailures: [],
};
const hello: Hello = {
  kind: 'hello',
  bootId: 'boot-1',
  storeId: 'store-1',
  protocol: { min: 1, max: 1 },
  version: '1.0.0',
  credit: 4,
  lastEpoch: 0,
  known: [],
};

describe('a link of several candidates', () => {
  let clock: HandClock;
  let chooser: TransportChooser;
  /** One for each way, so that a test sees over which it was asked. */
  let over: Record<LinkTransport, MemoryDaemon>;
  let link: NodeLink;
  let messages: DownMessage[];
  let ends: (PalyraError | null)[];
  const never = new AbortController().signal;

  const connect = (...transports: LinkTransport[]) =>
    connectWith(
      new TransportChooser({ clock, random: systemRandom }, { mode: 'auto', available: transports }),
      ...transports,
    );
  const connectWith = (by: TransportChooser, ...transports: LinkTransport[]) => {
    chooser = by;
    const factories = transports.map((transport) => ({ transport, connect: over[transport].connect }));
    return (link = chosenLinks({ clock, chooser }, factories)('memory:1'));
  };
  const open = () =>
    link.open(hello, { message: (message) => messages.push(message), ended: (error) => ends.push(error) });
  const asked = () => (['grpc', 'quic', 'poll'] as const).filter((each) => over[each].registrations.length > 0);
  const unreachable = () => {
    throw new PalyraError('DAEMON_UNREACHABLE', { detail: 'nothing gets through' });
  };
  const silent = () => new Promise<never>(() => undefined);

  beforeEach(() => {
    clock = new HandClock();
    over = { grpc: new MemoryDaemon(), quic: new MemoryDaemon(), poll: new MemoryDaemon() };
    messages = [];
    ends = [];
  });
  afterEach(() => {
    link.destroy();
    assert.equal(clock.pending, 0);
  });

  it('asks the best alone as long as it has its head start, and uses it', async () => {
    connect('grpc', 'quic', 'poll');
    await link.register(registration, never);
    assert.deepEqual(asked(), ['grpc']);
    open();
    (await session(over.grpc)).welcome();
    await until(() => messages.length === 1);
    assert.equal(chooser.view().used, 'grpc');
  });

  it('uses the first that answers when the best is silent', async () => {
    over.grpc.answer = silent;
    const registering = connect('grpc', 'quic', 'poll').register(registration, never);
    await settle();
    assert.deepEqual(asked(), ['grpc']);
    clock.advance(HEAD_START_MS);
    await registering;
    assert.deepEqual(asked(), ['grpc', 'quic']);
    open();
    (await session(over.quic)).welcome();
    await until(() => chooser.view().used === 'quic');
    assert.equal(chooser.view().why, 'the stream was slower');
  });

  it('asks the last resort beside a transport that is silent, long before the try is over', async () => {
    over.quic.answer = silent;
    const registering = connect('grpc', 'quic', 'poll');
    // The stream is held back, for it was cut again and again.
    for (let cuts = 0; cuts < 3; cuts++) {
      chooser.plan();
      chooser.welcomed('grpc', ['grpc']);
      chooser.ended(1_000, new PalyraError('DAEMON_UNREACHABLE'));
    }
    registering.destroy();
    const registered = connectWith(chooser, 'grpc', 'quic', 'poll').register(registration, never);
    clock.advance(LAST_RESORT_MS - 1);
    await settle();
    assert.deepEqual(asked(), ['quic']);
    clock.advance(1);
    await registered;
    assert.deepEqual(asked(), ['quic', 'poll']);
    open();
    (await session(over.poll)).welcome();
    await until(() => chooser.view().used === 'poll');
    assert.match(chooser.view().why, /QUIC did not answer/);
  });

  it('goes on at once when the best fails, and fails when every way has failed', async () => {
    over.grpc.answer = unreachable;
    await connect('grpc', 'quic', 'poll').register(registration, never);
    assert.deepEqual(asked(), ['grpc', 'quic']);
    link.destroy();
    over.quic.answer = unreachable;
    await rejectsWith(connect('grpc', 'quic', 'poll').register(registration, never), 'DAEMON_UNREACHABLE');
    // Polling takes the same way as the stream.
    assert.deepEqual(asked(), ['grpc', 'quic']);
  });

  it('takes a refusal of the daemon for the answer', async () => {
    over.grpc.answer = () => {
      throw new PalyraError('NODE_REVOKED');
    };
    await rejectsWith(connect('grpc', 'quic').register(registration, never), 'NODE_REVOKED');
    assert.deepEqual(asked(), ['grpc']);
  });

  it('gives up when the signal says so, with its reason', async () => {
    over.quic.answer = silent;
    const controller = new AbortController();
    const registering = connect('quic', 'poll').register(registration, controller.signal);
    await settle();
    controller.abort(new PalyraError('WAIT_TIMED_OUT'));
    await rejectsWith(registering, 'WAIT_TIMED_OUT');
  });

  it('says the same hello over the next one when no welcome comes, and drops the first', async () => {
    await connect('quic', 'poll').register(registration, never);
    const stream = open();
    const first = await session(over.quic);
    clock.advance(WELCOME_MS);
    const second = await session(over.poll);
    await until(() => first.left);
    assert.deepEqual(second.hello, hello);
    first.welcome({ epoch: 1 });
    second.welcome({ epoch: 2 });
    await until(() => messages.length === 1);
    assert.equal((messages[0] as { epoch: number }).epoch, 2);
    assert.match(chooser.view().why, /^QUIC did not work: .*no welcome came in time$/);
    stream.send({ kind: 'heartbeat', active: [] });
    await second.next('heartbeat');
  });

  it('goes to the next one when the first is cut before its welcome, but not when it is refused or after it', async () => {
    await connect('quic', 'poll').register(registration, never);
    open();
    (await session(over.quic)).end(new PalyraError('DAEMON_UNREACHABLE'));
    const second = await session(over.poll);
    second.welcome();
    await until(() => chooser.view().used === 'poll');
    second.end();
    await until(() => ends.length === 1);
    assert.deepEqual([ends, over.quic.sessions.length, over.poll.sessions.length], [[null], 1, 1]);
    link.destroy();
    over.quic = new MemoryDaemon();
    over.quic.answer = acceptAll;
    await connect('quic', 'poll').register(registration, never);
    open();
    (await session(over.quic)).end(new PalyraError('PROTOCOL_UNSUPPORTED'));
    await until(() => ends.length === 2);
    assert.equal(ends[1]?.reason, 'PROTOCOL_UNSUPPORTED');
  });
});
