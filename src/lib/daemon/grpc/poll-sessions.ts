/**
 * The polled sessions of every device: which call belongs to which, and how long an ended one is remembered. Who calls comes from the certificate, so a
 * session is found only by the device that began it.
 *
 * Bounded: `MAX_SESSIONS_PER_DEVICE`, ended ones included; the oldest gives way. A session that ended is remembered for `REMEMBERED_MS`, because the answer
 * that said so may have been lost, and because its first call, repeated late, must not begin it again.
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
import { PollSession, type OnCancelled } from './poll-session.js';

export const MAX_SESSIONS_PER_DEVICE = 4;
export const REMEMBERED_MS = 60_000;
/** 128 unpredictable bits take 22 characters of base64url. */
const SESSION_ID = /^[0-9A-Za-z_-]{22,64}$/;

export interface PollSessionsDeps {
  readonly clock: Clock;
  open(caller: DeviceCaller, hello: Hello, session: PollSession): Promise<LinkSession>;
}

type SessionsOfDevice = Map<string, PollSession>;

export class PollSessions {
  readonly #deps: PollSessionsDeps;
  readonly #devices = new Map<string, SessionsOfDevice>();
  readonly #forgetting = new Map<PollSession, () => void>();
  #closed = false;

  constructor(deps: PollSessionsDeps) {
    this.#deps = deps;
  }

  /** Sessions that have not ended. */
  get open(): number {
    let count = 0;
    for (const sessions of this.#devices.values()) for (const { ended } of sessions.values()) if (!ended) count += 1;
    return count;
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
    if (this.#closed) throw new PalyraError('DAEMON_STOPPING');
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
    this.#closed = true;
    for (const sessions of this.#devices.values())
      for (const session of sessions.values()) session.close('daemon-stopped');
    for (const cancel of this.#forgetting.values()) cancel();
    this.#forgetting.clear();
  }

  #find({ nodeId }: DeviceCaller, sessionId: string): PollSession | undefined {
    if (!SESSION_ID.test(sessionId)) throw new PalyraError('MESSAGE_INVALID', { detail: 'session_id is not an id' });
    return this.#devices.get(nodeId)?.get(sessionId);
  }

  #begin(caller: DeviceCaller, sessionId: string, first: NodeEvent): PollSession {
    const hello = toUpMessage(first);
    if (hello.kind !== 'hello')
      throw new PalyraError('MESSAGE_INVALID', { detail: 'the first message must be node_started' });
    const deviceId = first.event?.$case === 'nodeStarted' ? first.event.nodeStarted.deviceId : '';
    if (deviceId !== '' && deviceId !== caller.nodeId) throw new PalyraError('DEVICE_MISMATCH');
    const sessions = this.#devices.get(caller.nodeId) ?? new Map<string, PollSession>();
    this.#devices.set(caller.nodeId, sessions);
    const forget = (id: string, session: PollSession) => {
      this.#forgetting.get(session)?.();
      this.#forgetting.delete(session);
      if (sessions.get(id) === session) sessions.delete(id);
      if (sessions.size === 0 && this.#devices.get(caller.nodeId) === sessions) this.#devices.delete(caller.nodeId);
    };
    const session: PollSession = new PollSession({
      clock: this.#deps.clock,
      open: async (sink) => this.#deps.open(caller, hello, sink),
      onEnded: () => {
        if (this.#closed) return;
        const cancel = this.#deps.clock.schedule(REMEMBERED_MS, () => forget(sessionId, session));
        this.#forgetting.set(session, cancel);
      },
    });
    sessions.set(sessionId, session);
    const [oldest] = sessions;
    if (sessions.size > MAX_SESSIONS_PER_DEVICE && oldest !== undefined) {
      oldest[1].drop();
      forget(...oldest);
    }
    return session;
  }
}
