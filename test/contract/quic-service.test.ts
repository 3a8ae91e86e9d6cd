/** `palyra-quic-v1` as a client meets it that nobody here wrote: frames by hand, against a whole daemon. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import type { JsonValue } from '../../src/lib/base/model.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { DENIALS_PER_WINDOW } from '../../src/lib/daemon/denial-budget.js';
import { QUIC_POLICY } from '../../src/lib/daemon/policy.js';
import type { QuicConnection } from '../../src/lib/quic/connection.js';
import { connectQuic } from '../../src/lib/quic/endpoint-client.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import { QUIC_METHODS, QUIC_PROTOCOL_CLOSE } from '../../src/lib/wire/quic/methods.js';
import { encodeMessage, MessageDecoder } from '../../src/lib/wire/quic/parts.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode, type TestNode } from '../support/test-node.js';
import { until } from '../support/until.js';

type Answer = Record<string, JsonValue>;

/** A stream by hand. */
class Talk {
  readonly heard: Answer[] = [];
  ended = false;
  failed = false;
  readonly #stream: QuicStream;

  constructor(stream: QuicStream) {
    this.#stream = stream;
    const decoder = new MessageDecoder();
    stream.setReader({
      data: (chunk) => decoder.push(chunk, (value) => this.heard.push(value as Answer)),
      end: () => (this.ended = true),
      failed: () => (this.failed = true),
    });
  }

  say(value: JsonValue): this {
    this.#stream.write(encodeMessage(value));
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#stream.write(bytes);
    return this;
  }

  end(): this {
    this.#stream.end();
    return this;
  }

  async answer(index = 0): Promise<Answer> {
    await until(
      () => this.heard.length > index || this.failed,
      () => `answer ${index}; heard ${JSON.stringify(this.heard)}`,
    );
    return this.heard[index]!;
  }
}

describe('palyra-quic-v1 by hand', function () {
  this.timeout(30_000);
  let target: TestDaemon;
  let node: TestNode;
  let connection: QuicConnection;

  before(async () => {
    target = await startTestDaemon();
    node = await pairTestNode(target, { name: 'hand' });
  });
  after(() => target.dispose());
  beforeEach(async () => {
    const { keyPem, certificatePem, caPem } = node;
    connection = await connectQuic(
      { clock: systemClock, random: systemRandom, log: silentLog },
      { host: '127.0.0.1', port: target.ports.node, tls: { keyPem, certificatePem, caPem } },
    );
  });
  afterEach(() => connection.close());

  const talk = async () => new Talk(await connection.openStream());
  const request = (method: string, more: Answer = {}) => ({ protocol_version: 1, method, ...more });
  const hello = {
    boot_id: 'boot-1',
    store_id: 'store-1',
    protocol: { min: 1, max: 1 },
    version: '1.0.0',
    credit: 4,
    last_epoch: 0,
    known: [],
  };
  const newSession = () => systemRandom.bytes(16).toString('base64url');
  const seqs = (heard: readonly Answer[]) => heard.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq);

  it('has a policy row for every method, and for nothing else', () => {
    assert.deepEqual(Object.keys(QUIC_POLICY).sort(), [...QUIC_METHODS].sort());
  });

  it('answers node.health', async () => {
    const { version, uptime_ms, time_ms, load, ...rest } = await (await talk()).say(request('node.health')).answer();
    assert.deepEqual(rest, {
      protocol_version: 1,
      kind: 'health',
      ok: true,
      node_rpc_mtls_required: true,
      daemon_name: 'test-daemon',
    });
    assert.equal(version, '0.0.0-test');
    assert.ok((uptime_ms as number) >= 0 && Math.abs((time_ms as number) - Date.now()) < 10_000);
    // That of the test before may still be on its way out.
    const { connections, sessions } = load as { connections: number; sessions: number };
    assert.ok(connections >= 1 && connections <= 2 && sessions === 0, JSON.stringify(load));
  });

  const wrong: readonly [string, (stream: Talk) => Talk, string][] = [
    ['an unknown method', (stream) => stream.say(request('node.shutdown')), 'MESSAGE_INVALID'],
    ['a method that every object has', (stream) => stream.say(request('constructor')), 'MESSAGE_INVALID'],
    ['an unknown field', (stream) => stream.say(request('node.health', { verbose: true })), 'MESSAGE_INVALID'],
    ['another version', (stream) => stream.say({ protocol_version: 2, method: 'node.health' }), 'PROTOCOL_UNSUPPORTED'],
    ['no version', (stream) => stream.say({ method: 'node.health' }), 'PROTOCOL_UNSUPPORTED'],
    ['a list', (stream) => stream.say([1, 2]), 'MESSAGE_INVALID'],
    ['a length above the limit', (stream) => stream.raw(Buffer.from([0, 8, 0, 1])), 'MESSAGE_TOO_LARGE'],
    ['an empty frame', (stream) => stream.raw(Buffer.alloc(4)), 'MESSAGE_INVALID'],
    ['garbage', (stream) => stream.raw(Buffer.from('\0\0\0\x05hello')), 'MESSAGE_INVALID'],
    ['nothing at all', (stream) => stream.raw(Buffer.from([0])).end(), 'MESSAGE_INVALID'],
    ['half a frame', (stream) => stream.raw(Buffer.from([0, 0, 0, 9, 123])).end(), 'MESSAGE_INVALID'],
    ['a part that is empty', (stream) => stream.say({ part: '', more: true }), 'MESSAGE_INVALID'],
    ['a short session id', (stream) => stream.say(request('node.publish', { session_id: 'x' })), 'MESSAGE_INVALID'],
    [
      'a session that nobody began',
      (stream) => stream.say(request('node.publish', { session_id: newSession() })),
      'LINK_SESSION_UNKNOWN',
    ],
    [
      'neither hello nor number',
      (s) => s.say(request('node.stream_events', { session_id: newSession() })),
      'MESSAGE_INVALID',
    ],
    [
      'a hello with a field too many',
      (s) => s.say(request('node.stream_events', { session_id: newSession(), hello: { ...hello, root: true } })),
      'MESSAGE_INVALID',
    ],
    ['a registration without facts', (stream) => stream.say(request('node.register')), 'MESSAGE_INVALID'],
  ];
  for (const [what, say, reason] of wrong) {
    it(`answers ${what} with ${reason}, and harms no other stream`, async () => {
      const beside = await talk();
      beside.raw(encodeMessage(request('node.health')).subarray(0, 10));
      const stream = say(await talk());
      const { protocol_version, kind, ok, error } = await stream.answer();
      assert.deepEqual([protocol_version, kind, ok, error], [1, 'error', false, reason]);
      await until(() => stream.ended);
      assert.equal(stream.heard.length, 1);
      assert.equal((await beside.raw(encodeMessage(request('node.health')).subarray(10)).answer())['kind'], 'health');
      assert.ok(connection.isOpen);
    });
  }

  it('refuses another device than that of the certificate', async () => {
    const facts = { hostname: 'h', platform: 'linux', arch: 'x64', version: '1', protocol: 1, capabilities: [] };
    const registration = { protocol: { min: 1, max: 1 }, facts, boot_id: 'b', store_id: 's', plugin_failures: [] };
    const claim = async (device_id: string) =>
      (await talk()).say(request('node.register', { ...registration, device_id })).answer();
    assert.equal((await claim('nod_01JTESTTESTTESTTESTTESTTES'))['error'], 'DEVICE_MISMATCH');
    const registered = await claim(node.deviceId);
    assert.deepEqual([registered['kind'], registered['name']], ['registered', 'hand']);
  });

  it('cuts off who is refused again and again', async () => {
    const { keyPem, certificatePem, caPem } = await pairTestNode(target, { name: 'loops' });
    const loops = await connectQuic(
      { clock: systemClock, random: systemRandom, log: silentLog },
      { host: '127.0.0.1', port: target.ports.node, tls: { keyPem, certificatePem, caPem } },
    );
    for (let count = 0; count < DENIALS_PER_WINDOW; count++) {
      await new Talk(await loops.openStream()).say(request('node.nothing')).answer();
    }
    new Talk(await loops.openStream()).say(request('node.nothing'));
    const { code, reason } = await loops.closed;
    assert.deepEqual([code, reason], [QUIC_PROTOCOL_CLOSE.TOO_MANY_REFUSALS, 'NODE_CUT_OFF']);
    assert.ok(connection.isOpen, 'another node is not affected');
  });

  describe('a session', () => {
    const began = async () => {
      const session_id = newSession();
      const events = (await talk()).say(request('node.stream_events', { session_id, hello }));
      assert.deepEqual(await events.answer(), { protocol_version: 1, kind: 'stream', ok: true, ack: 0 });
      const publish = (await talk()).say(request('node.publish', { session_id }));
      assert.deepEqual(await publish.answer(), { protocol_version: 1, kind: 'publishing', ok: true, ack: 0 });
      const welcome = await events.answer(1);
      assert.deepEqual([welcome['seq'], (welcome['message'] as Answer)['kind']], [1, 'welcome']);
      return { session_id, events, publish };
    };
    const beat = (seq: number) => ({ seq, message: { kind: 'heartbeat', active: [] } });

    it('goes on after the number that came last, without gap or double, over another stream', async () => {
      const { session_id, events, publish } = await began();
      for (const seq of [1, 2, 2, 1, 3]) publish.say(beat(seq));
      await events.answer(4);
      assert.deepEqual(seqs(events.heard), [1, 2, 3, 4]);
      // Asked for again from the second on, while the first stream still stands.
      const again = (await talk()).say(request('node.stream_events', { session_id, resume_from: 2 }));
      await again.answer(2);
      assert.deepEqual(seqs(again.heard), [3, 4]);
      await until(() => events.failed || events.ended);
      const other = (await talk()).say(request('node.publish', { session_id }));
      assert.equal((await other.answer())['ack'], 3);
      other.say(beat(3)).say(beat(4));
      await again.answer(3);
      assert.deepEqual(seqs(again.heard), [3, 4, 5]);
      // The goodbye: the daemon has the last word.
      other.end();
      await until(() => again.ended);
      assert.equal(again.heard.at(-1)!['kind'], 'end');
    });

    it('is reset when what is asked for is no longer kept, or was never sent', async () => {
      const { session_id, events, publish } = await began();
      publish.say(beat(1)).say(beat(2));
      await events.answer(3);
      events.say({ ack: 3 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const resume_from of [1, 9]) {
        const late = (await talk()).say(request('node.stream_events', { session_id, resume_from }));
        assert.deepEqual(await late.answer(), { protocol_version: 1, kind: 'reset', ok: true });
      }
      const anew = (await talk()).say(request('node.stream_events', { session_id, resume_from: 9, hello }));
      assert.deepEqual([(await anew.answer())['kind'], (await anew.answer(1))['kind']], ['reset', 'stream']);
      assert.equal(((await anew.answer(2))['message'] as Answer)['kind'], 'welcome');
    });

    it('ends with an error for a hole, a future acknowledgement and what is no message', async () => {
      const bad: readonly ((talks: { events: Talk; publish: Talk }) => void)[] = [
        ({ publish }) => publish.say(beat(2)),
        ({ publish }) => publish.say({ seq: 1, message: { kind: 'reboot' } }),
        ({ publish }) => publish.say({ seq: 1, message: { kind: 'heartbeat', active: [], load: 1 } }),
        ({ publish }) => publish.raw(Buffer.from('\0\0\0\x05hello')),
        ({ events }) => events.say({ ack: 99 }),
      ];
      for (const spoil of bad) {
        const talks = await began();
        spoil(talks);
        await until(() => talks.events.ended);
        assert.equal(talks.events.heard.at(-1)!['error'], 'MESSAGE_INVALID');
      }
      assert.ok(connection.isOpen);
    });

    it('of another device is unknown', async () => {
      const { session_id } = await began();
      const thief = await pairTestNode(target);
      const { keyPem, certificatePem, caPem } = thief;
      const other = await connectQuic(
        { clock: systemClock, random: systemRandom, log: silentLog },
        { host: '127.0.0.1', port: target.ports.node, tls: { keyPem, certificatePem, caPem } },
      );
      const publish = new Talk(await other.openStream()).say(request('node.publish', { session_id }));
      assert.equal((await publish.answer())['error'], 'LINK_SESSION_UNKNOWN');
      const events = new Talk(await other.openStream());
      events.say(request('node.stream_events', { session_id, resume_from: 1 }));
      assert.equal((await events.answer())['kind'], 'reset');
      other.close();
    });
  });

  it('is counted in the metrics and told by the status', async () => {
    await (await talk()).say(request('node.health')).answer();
    const { text } = await ask({ socketPath: target.socketPath }, { path: '/metrics' });
    assert.match(text, /^palyra_quic_connections [1-9]/m);
    assert.match(text, /^palyra_quic_refusals_total\{reason="unauthorized"\} 0$/m);
    const { json } = await ask({ socketPath: target.socketPath }, { path: '/v1/daemon' });
    assert.deepEqual([json.daemon.quic.state, json.daemon.quic.why], ['on', null]);
  });
});
