/** What every carrier of a node's link does, and its fake too. */
import { strict as assert } from 'node:assert';

import { PalyraError, REASONS, type Reason } from '../../src/lib/base/errors.js';
import type { DownMessage, Hello, UpMessage } from '../../src/lib/base/link-messages.js';
import type { LinkConnector, LinkStream, NodeLink, Registration } from '../../src/lib/node/link/link.js';
import { acceptAll, session, type NodeDaemon } from '../support/node-daemon.js';
import { rejectsWith } from '../support/rejects-with.js';
import { until } from '../support/until.js';

export interface LinkUnderTest {
  readonly daemon: NodeDaemon;
  readonly connect: LinkConnector;
  /** Where nobody answers. */
  readonly deadEndpoint: string;
  close(): void;
}

export const DEVICE_ID = 'nod_01JTESTTESTTESTTESTTESTTES';

export const registration: Registration = {
  deviceId: DEVICE_ID,
  protocol: { min: 1, max: 1 },
  facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] },
  bootId: 'boot-1',
  storeId: 'store-1',
  pluginFailures: [{ plugin: 'acme', message: 'it has no schema' }],
};

const hello: Hello = {
  kind: 'hello',
  bootId: 'boot-1',
  storeId: 'store-1',
  protocol: { min: 1, max: 1 },
  version: '1.0.0',
  credit: 4,
  lastEpoch: 3,
  known: [{ id: 'dsp_00000A', attempt: 2, state: 'started', alive: true }],
};

export function describeNodeLink(name: string, start: () => Promise<LinkUnderTest>): void {
  describe(`the node link (${name})`, () => {
    let under: LinkUnderTest;
    let links: NodeLink[];
    const never = new AbortController().signal;
    const newLink = (endpoint = under.daemon.endpoint) => {
      const link = under.connect(endpoint);
      links.push(link);
      return link;
    };
    /** Registered and open, with what came over it. */
    const opened = async () => {
      const link = newLink();
      await link.register(registration, never);
      const messages: DownMessage[] = [];
      const ends: (PalyraError | null)[] = [];
      const index = under.daemon.sessions.length;
      const stream: LinkStream = link.open(hello, {
        message: (message) => messages.push(message),
        ended: (error) => ends.push(error),
      });
      return { link, stream, messages, ends, daemonSide: await session(under.daemon, index) };
    };

    beforeEach(async () => {
      under = await start();
      links = [];
    });
    afterEach(() => {
      for (const link of links) link.destroy();
      under.close();
    });

    it('registers and learns how the daemon calls this node', async () => {
      const { daemonTimeMs, ...registered } = await newLink().register(registration, never);
      assert.deepEqual(registered, { ...acceptAll(registration) });
      assert.ok(Math.abs((daemonTimeMs ?? Date.now()) - Date.now()) < 60_000);
      assert.deepEqual(under.daemon.registrations, [
        { deviceId: DEVICE_ID, bootId: 'boot-1', storeId: 'store-1', capabilities: [] },
      ]);
    });

    it('keeps the reason of a refusal, when registering and when the link ends', async () => {
      const reasons: Reason[] = ['NODE_REVOKED', 'CERTIFICATE_REVOKED', 'PROTOCOL_UNSUPPORTED', 'DAEMON_STOPPING'];
      for (const reason of reasons) {
        under.daemon.answer = () => {
          throw new PalyraError(reason, { detail: 'because' });
        };
        const error = await rejectsWith(newLink().register(registration, never), reason);
        assert.equal(error.message, `${REASONS[reason].title}: because`);
        under.daemon.answer = acceptAll;
        const { daemonSide, ends } = await opened();
        daemonSide.end(new PalyraError(reason));
        await until(() => ends.length > 0);
        assert.equal(ends[0]?.reason, reason);
      }
    });

    it('says that nobody answers, and where', async () => {
      const error = await rejectsWith(newLink(under.deadEndpoint).register(registration, never), 'DAEMON_UNREACHABLE');
      assert.ok(error.message.includes(under.deadEndpoint), error.message);
      assert.match(error.message, /refused|the proxy cannot reach it/);
    });

    it('gives up a registration that is not answered when the signal says so', async () => {
      under.daemon.answer = () => new Promise(() => undefined);
      const controller = new AbortController();
      const registering = newLink().register(registration, controller.signal);
      await until(() => under.daemon.registrations.length === 1);
      controller.abort(new PalyraError('DAEMON_UNREACHABLE', { detail: 'too late' }));
      const error = await rejectsWith(registering, 'DAEMON_UNREACHABLE');
      assert.equal(error.detail, 'too late');
    });

    it('says hello first, then carries everything unchanged and in order, both ways', async () => {
      const { stream, messages, daemonSide } = await opened();
      const fence = { id: 'dsp_00000A', attempt: 2, epoch: 9 };
      const up: UpMessage[] = [
        { kind: 'heartbeat', active: [{ id: 'dsp_00000A', attempt: 2 }] },
        { kind: 'received', ...fence },
        { kind: 'mediation', ...fence },
        { kind: 'started', ...fence },
        { kind: 'progress', progressJson: '{"percent":50}', ...fence },
        { kind: 'result', state: 'succeeded', outputJson: '{"text":"ä😀"}', error: null, executionMs: 12, ...fence },
        {
          kind: 'result',
          state: 'failed',
          outputJson: null,
          error: { code: 'NO', message: 'no' },
          executionMs: 0,
          ...fence,
        },
        { kind: 'rejected', cause: 'past-deadline', message: 'too late', ...fence },
        { kind: 'cancelled', started: true, ...fence },
        { kind: 'stopping', reason: 'asked' },
      ];
      for (const message of up) stream.send(message);
      const down: DownMessage[] = [
        {
          kind: 'welcome',
          epoch: 9,
          heartbeatMs: 1_000,
          leaseMs: 15_000,
          keep: ['dsp_00000A'],
          drop: [],
          wantResults: [],
          cancel: [{ id: 'dsp_00000B', attempt: 1 }],
        },
        {
          kind: 'offer',
          capability: 'echo',
          inputJson: '{"text":"ä😀"}',
          runTimeoutMs: 1,
          deadlineInMs: 2,
          requestedBy: 'eva',
          ...fence,
        },
        { kind: 'cancel', id: 'dsp_00000A', attempt: 2 },
        { kind: 'result_ack', id: 'dsp_00000A', attempt: 2 },
        { kind: 'stale', id: 'dsp_00000A', reason: 'another attempt' },
        { kind: 'beat', daemonTimeMs: 1_700_000_000_000 },
        { kind: 'drain', reason: 'restart' },
        { kind: 'trust_bundle', certificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] },
        { kind: 'superseded', bootId: 'boot-2' },
        { kind: 'revoked', message: 'removed by eva' },
      ];
      for (const message of down) daemonSide.send(message);
      await until(() => daemonSide.received.length === up.length + 1 && messages.length === down.length);
      assert.deepEqual(daemonSide.hello, hello);
      assert.deepEqual(daemonSide.received.slice(1), up);
      assert.deepEqual(messages, down);
    });

    it('delivers the last messages before it ends, once', async () => {
      const { daemonSide, messages, ends, stream } = await opened();
      daemonSide.welcome();
      daemonSide.send({ kind: 'drain', reason: 'restart' });
      daemonSide.end();
      await until(() => ends.length > 0);
      assert.deepEqual(
        messages.map(({ kind }) => kind),
        ['welcome', 'drain'],
      );
      assert.deepEqual(ends, [null]);
      stream.send({ kind: 'stopping', reason: 'too late' });
      stream.finish();
    });

    it('delivers what was sent before it finishes, and ends when the daemon does', async () => {
      const { daemonSide, ends, stream } = await opened();
      daemonSide.welcome();
      for (let i = 0; i < 100; i++) stream.send({ kind: 'heartbeat', active: [] });
      stream.send({ kind: 'stopping', reason: 'asked' });
      stream.finish();
      await until(() => ends.length > 0 && daemonSide.left);
      assert.deepEqual(ends, [null]);
      assert.equal(daemonSide.received.length, 102);
    });

    it('is silent after it was destroyed, and the daemon notices', async () => {
      const { daemonSide, ends, messages, link } = await opened();
      link.destroy();
      link.destroy();
      daemonSide.welcome();
      await until(() => daemonSide.left);
      assert.deepEqual([messages, ends], [[], []]);
    });
  });
}
