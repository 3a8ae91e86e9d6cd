/**
 * `palyra-quic-v1` on connections that have passed: reads the request of each stream, asks the policy and the allow list, and answers. Streams of one
 * connection are served beside each other; what is wrong with one harms no other.
 *
 * A device that is refused again and again is cut off, as over gRPC.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Hello } from '../../base/link-messages.js';
import type { Log } from '../../base/log.js';
import type { JsonValue } from '../../base/model.js';
import type { LinkSession, LinkSink, NodeRuntime } from '../../runtime/runtime.js';
import { MessageChannel, type ByteStream } from '../../wire/quic/channel.js';
import {
  empty,
  healthAnswer,
  readRequest,
  registeredAnswer,
  writeAnswer,
  writeError,
  type QuicRequest,
} from '../../wire/quic/methods.js';
import { encodeMessage } from '../../wire/quic/parts.js';
import type { DeviceCaller } from '../caller.js';
import type { DeviceDenials } from '../device-denials.js';
import { quicRow } from '../policy.js';
import type { NodePlugins } from '../node-plugins.js';
import { registerNode } from '../registration.js';
import { SessionTable } from '../session-table.js';
import { QuicSession } from './session.js';

/** A node sends its request in the first packet of a stream. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** The rest of a stream whose request was refused. */
const STREAM_REFUSED = 0x111;

/** Answers that tell a client not to ask again. */
const DENIALS: ReadonlySet<string> = new Set([
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'RESOURCE_EXHAUSTED',
]);

/** An open connection, as the service needs it. */
export interface QuicPeerConnection {
  readonly deviceId: string;
  /** Who this is now. Throws CERTIFICATE_REVOKED or NODE_REVOKED: asked again at every request. */
  caller(): DeviceCaller;
}

export interface QuicServiceDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly runtime: Pick<NodeRuntime, 'registerNode' | 'openLink'>;
  readonly plugins: Pick<NodePlugins, 'report'>;
  /** Ends the connections of a device that is refused too often. */
  readonly denials: Pick<DeviceDenials, 'denied'>;
  /** Connections of devices now. */
  readonly connections: () => number;
}

export class QuicService {
  readonly #deps: QuicServiceDeps;
  readonly #daemon: { readonly name: string; readonly version: string };
  readonly #startedAt: number;
  readonly #sessions: SessionTable<QuicSession>;

  constructor(deps: QuicServiceDeps, daemon: { readonly name: string; readonly version: string }) {
    this.#deps = deps;
    this.#daemon = daemon;
    this.#startedAt = deps.clock.monotonic();
    this.#sessions = new SessionTable(deps.clock);
  }

  get openSessions(): number {
    return this.#sessions.open;
  }

  /** Serves a stream that the peer has opened. */
  serve(stream: ByteStream, connection: QuicPeerConnection): void {
    const channel = new MessageChannel(stream);
    const stop = this.#deps.clock.schedule(REQUEST_TIMEOUT_MS, () =>
      refuse(new PalyraError('MESSAGE_INVALID', { detail: 'no request came within 10 s' })),
    );
    const refuse = (error: PalyraError) => {
      stop();
      this.#refuse(channel, connection, error);
    };
    let asked = false;
    channel.read({
      message: (value) => {
        if (asked) return refuse(new PalyraError('MESSAGE_INVALID', { detail: 'a request is one message' }));
        asked = true;
        stop();
        this.#answer(value, channel, connection).catch((error: unknown) => refuse(this.#toError(error)));
      },
      end: () => (asked ? undefined : refuse(new PalyraError('MESSAGE_INVALID', { detail: 'there is no request' }))),
      failed: (error) => {
        stop();
        if (error.reason === 'MESSAGE_INVALID' || error.reason === 'MESSAGE_TOO_LARGE') refuse(error);
        else channel.abort(STREAM_REFUSED);
      },
    });
  }

  /** The node has ended this connection of its own will. */
  left(deviceId: string, connection: QuicPeerConnection): void {
    for (const session of this.#sessions.of(deviceId)) session.left(connection);
  }

  /** Ends every session with DAEMON_STOPPING. */
  close(): void {
    this.#sessions.close();
  }

  async #answer(value: JsonValue, channel: MessageChannel, connection: QuicPeerConnection): Promise<void> {
    const request = readRequest(value);
    quicRow(request.method);
    const caller = connection.caller();
    switch (request.method) {
      case 'node.health':
        channel.end(writeAnswer('health', healthAnswer, this.#health()));
        return;
      case 'node.register': {
        if (request.deviceId !== '' && request.deviceId !== caller.nodeId) throw new PalyraError('DEVICE_MISMATCH');
        const registered = await registerNode(this.#deps, this.#daemon, caller, request);
        channel.end(writeAnswer('registered', registeredAnswer, registered));
        return;
      }
      case 'node.stream_events':
        this.#stream(request, caller, channel, connection);
        return;
      case 'node.publish': {
        const session = this.#sessions.find(caller.nodeId, request.sessionId);
        if (session === undefined) throw new PalyraError('LINK_SESSION_UNKNOWN');
        await session.publish(channel);
      }
    }
  }

  #stream(
    { sessionId, hello, resumeFrom }: Extract<QuicRequest, { method: 'node.stream_events' }>,
    caller: DeviceCaller,
    channel: MessageChannel,
    connection: QuicPeerConnection,
  ): void {
    const known = this.#sessions.find(caller.nodeId, sessionId);
    if (known?.canResume(resumeFrom) === true) {
      known.stream(channel, resumeFrom, connection);
      return;
    }
    if (this.#sessions.closed) throw new PalyraError('DAEMON_STOPPING');
    // What came after that number is not here: what the node has is told anew, or it asks again with a hello.
    const isNew = known === undefined && resumeFrom === 0;
    if (!isNew) {
      const reset = writeAnswer('reset', empty, {});
      if (hello === null) {
        channel.end(reset);
        return;
      }
      channel.write(encodeMessage(reset));
      known?.drop();
    }
    if (hello === null) throw new PalyraError('LINK_SESSION_UNKNOWN');
    this.#begin(caller, sessionId, hello).stream(channel, 0, connection);
  }

  #begin(caller: DeviceCaller, sessionId: string, hello: Hello): QuicSession {
    const open = async (sink: LinkSink): Promise<LinkSession> => this.#deps.runtime.openLink(caller, hello, sink);
    return this.#sessions.begin(
      caller.nodeId,
      sessionId,
      (onEnded) => new QuicSession({ clock: this.#deps.clock, open, onEnded }),
    );
  }

  #health() {
    const { clock, connections } = this.#deps;
    return {
      nodeRpcMtlsRequired: true,
      version: this.#daemon.version,
      daemonName: this.#daemon.name,
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
      timeMs: Math.round(clock.now()),
      load: { connections: connections(), sessions: this.#sessions.open },
    };
  }

  #refuse(channel: MessageChannel, connection: QuicPeerConnection, error: PalyraError): void {
    channel.end(writeError(error));
    channel.deafen(STREAM_REFUSED);
    if (DENIALS.has(error.code)) this.#deps.denials.denied(connection.deviceId);
  }

  #toError(error: unknown): PalyraError {
    const known = PalyraError.from(error);
    if (known.code === 'INTERNAL' || known.code === 'DATA_LOSS')
      this.#deps.log.error('QUIC request failed', { err: error });
    return known;
  }
}
