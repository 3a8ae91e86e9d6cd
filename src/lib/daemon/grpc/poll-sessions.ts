/**
 * The polled sessions of every device: which call belongs to which. Who calls comes from the certificate, so a
 * session is found only by the device that began it.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Hello } from '../../base/link-messages.js';
import type { LinkSession } from '../../runtime/runtime.js';
import { toUpMessage } from '../../wire/grpc/convert.js';
import type {
  CompleteCapabilityRequest,
  CompleteCapabilityResponse,
  NodeEvent,
  PollCapabilityRequest,
  PollCapabilityResponse,
} from '../../wire/grpc/generated/palyra/node/v1/node.js';
import type { DeviceCaller } from '../caller.js';
import { SessionTable } from '../session-table.js';
import { PollSession, type OnCancelled } from './poll-session.js';

/** 128 unpredictable bits take 22 characters of base64url. */
const SESSION_ID = /^[0-9A-Za-z_-]{22,64}$/;

export interface PollSessionsDeps {
  readonly clock: Clock;
  open(caller: DeviceCaller, hello: Hello, session: PollSession): Promise<LinkSession>;
}

export class PollSessions {
  readonly #deps: PollSessionsDeps;
  readonly #table: SessionTable<PollSession>;

  constructor(deps: PollSessionsDeps) {
    this.#deps = deps;
    this.#table = new SessionTable(deps.clock);
  }

  /** Sessions that have not ended. */
  get open(): number {
    return this.#table.open;
  }

  /** Throws LINK_SESSION_UNKNOWN, MESSAGE_INVALID, DEVICE_MISMATCH, DAEMON_STOPPING and what opening throws. */
  async poll(
    caller: DeviceCaller,
    request: PollCapabilityRequest,
    onCancelled: OnCancelled,
  ): Promise<PollCapabilityResponse> {
    const { sessionId, firstSeq, events, leave } = request;
    const known = this.#find(caller, sessionId);
    if (known !== undefined) return known.poll(request, onCancelled);
    const [first] = events;
    if (firstSeq !== 1 || first === undefined || leave) throw new PalyraError('LINK_SESSION_UNKNOWN');
    if (this.#table.closed) throw new PalyraError('DAEMON_STOPPING');
    return this.#begin(caller, sessionId, first).poll(request, onCancelled);
  }

  /** Throws like `poll`. */
  async complete(
    caller: DeviceCaller,
    request: CompleteCapabilityRequest,
    onCancelled: OnCancelled,
  ): Promise<CompleteCapabilityResponse> {
    const session = this.#find(caller, request.sessionId);
    if (session === undefined) throw new PalyraError('LINK_SESSION_UNKNOWN');
    return session.complete(request, onCancelled);
  }

  /** Ends every session with DAEMON_STOPPING and begins no other. */
  close(): void {
    this.#table.close();
  }

  #find({ nodeId }: DeviceCaller, sessionId: string): PollSession | undefined {
    if (!SESSION_ID.test(sessionId)) throw new PalyraError('MESSAGE_INVALID', { detail: 'session_id is not an id' });
    return this.#table.find(nodeId, sessionId);
  }

  #begin(caller: DeviceCaller, sessionId: string, first: NodeEvent): PollSession {
    const hello = toUpMessage(first);
    if (hello.kind !== 'hello')
      throw new PalyraError('MESSAGE_INVALID', { detail: 'the first message must be node_started' });
    const deviceId = first.event?.$case === 'nodeStarted' ? first.event.nodeStarted.deviceId : '';
    if (deviceId !== '' && deviceId !== caller.nodeId) throw new PalyraError('DEVICE_MISMATCH');
    return this.#table.begin(
      caller.nodeId,
      sessionId,
      (onEnded) =>
        new PollSession({
          clock: this.#deps.clock,
          open: async (sink) => this.#deps.open(caller, hello, sink),
          onEnded,
        }),
    );
  }
}
