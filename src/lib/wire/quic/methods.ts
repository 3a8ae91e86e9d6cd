/**
 * Requests and answers of `palyra-quic-v1`: the first message of a bidirectional stream says what it is for.
 *
 *   node.health          one answer
 *   node.register        one answer
 *   node.stream_events   `stream` (or `reset`), then numbered messages down; what came is acknowledged on the same stream; `end` or `error` is the last word
 *   node.publish         `publishing` with what is here already, then numbered messages up; acknowledged on the same stream; its end is the goodbye
 *
 * A request is read strictly: what is not known is refused, with `{"kind":"error","ok":false,"error":<reason>,"detail":…}`. Answers may grow.
 */
import { invalid, writeText } from '../../base/fields.js';
import { PalyraError } from '../../base/errors.js';
import type { Hello } from '../../base/link-messages.js';
import type { JsonValue, MachineFacts } from '../../base/model.js';
import { hello, machineFacts, protocolRange } from './link-json.js';
import {
  counter,
  flag,
  id,
  line,
  list,
  milliseconds,
  named,
  object,
  optional,
  readObject,
  text,
  whole,
  words,
  type Shape,
} from './shape.js';

export const QUIC_PROTOCOL_VERSION = 1;
export const QUIC_METHODS = ['node.health', 'node.register', 'node.stream_events', 'node.publish'] as const;
export type QuicMethod = (typeof QUIC_METHODS)[number];

/** Closes of the protocol; below 0x100 are those of the transport. The reason of each is a reason of palyra or words. */
export const QUIC_PROTOCOL_CLOSE = {
  /** Revoked, removed or expired while the connection was open. */
  NOT_ALLOWED: 0x100,
  TOO_MANY_REFUSALS: 0x101,
  MOVED: 0x102,
} as const;

/** 128 unpredictable bits take 22 characters of base64url. */
const SESSION_ID = /^[0-9A-Za-z_-]{22,64}$/;
/** Ids that a node makes for its process and its journal. */
const NODE_MADE_ID = /^[0-9A-Za-z_-]{1,64}$/;
const MAX_PLUGIN_FAILURES = 256;

const sessionId = named((field, value) => (SESSION_ID.test(value) ? value : refuse(field, 'is not a session id')));
const nodeMadeId = named((field, value) => (NODE_MADE_ID.test(value) ? value : refuse(field, 'is not an id')));
const seq = whole(0, Number.MAX_SAFE_INTEGER);

export interface RegisterRequest {
  readonly deviceId: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly facts: MachineFacts;
  readonly bootId: string;
  readonly storeId: string;
  readonly pluginFailures: readonly { readonly plugin: string; readonly message: string }[];
  /** Wall time of the node, so that the daemon can name a clock that is off. */
  readonly nodeTimeMs?: number;
}

const registerRequest = object<RegisterRequest>({
  deviceId: words,
  protocol: protocolRange,
  facts: machineFacts,
  bootId: nodeMadeId,
  storeId: nodeMadeId,
  pluginFailures: list(object({ plugin: words, message: text }), MAX_PLUGIN_FAILURES),
  nodeTimeMs: optional(milliseconds(0, Number.MAX_SAFE_INTEGER)),
});

export type QuicRequest =
  | { readonly method: 'node.health' }
  | ({ readonly method: 'node.register' } & RegisterRequest)
  /** `hello` begins a session of this id; `resumeFrom` is the number of the last message that came, and goes on with one. */
  | {
      readonly method: 'node.stream_events';
      readonly sessionId: string;
      readonly resumeFrom: number;
      readonly hello: Hello | null;
    }
  | { readonly method: 'node.publish'; readonly sessionId: string };

/** Throws PROTOCOL_UNSUPPORTED, and MESSAGE_INVALID for a method, a field or a value that is not known. */
export function readRequest(value: JsonValue): QuicRequest {
  const { protocol_version: version, method, ...rest } = readObject('the request', value);
  if (version !== QUIC_PROTOCOL_VERSION) {
    throw new PalyraError('PROTOCOL_UNSUPPORTED', {
      detail: `only palyra-quic version ${QUIC_PROTOCOL_VERSION} is spoken here`,
    });
  }
  switch (QUIC_METHODS.find((each) => each === method)) {
    case 'node.health':
      object({}).read('the request', rest);
      return { method: 'node.health' };
    case 'node.register':
      return { method: 'node.register', ...registerRequest.read('', rest) };
    case 'node.publish':
      return { method: 'node.publish', ...object({ sessionId }).read('', rest) };
    case 'node.stream_events': {
      const { hello: said = null, resume_from: from = 0, ...more } = rest;
      const { sessionId: session } = object({ sessionId }).read('', more);
      const resumeFrom = seq.read('resume_from', from);
      if (said === null && !Object.hasOwn(rest, 'resume_from')) throw invalid('hello', 'and resume_from are missing');
      return {
        method: 'node.stream_events',
        sessionId: session,
        resumeFrom,
        hello: said === null ? null : hello.read('hello', said),
      };
    }
    case undefined:
      throw new PalyraError('MESSAGE_INVALID', { detail: 'the method is not known' });
  }
}

export function writeRequest(request: QuicRequest): JsonValue {
  const head = { protocol_version: QUIC_PROTOCOL_VERSION, method: request.method };
  switch (request.method) {
    case 'node.health':
      return head;
    case 'node.register':
      return { ...head, ...(registerRequest.write(request) as object) };
    case 'node.publish':
      return { ...head, session_id: request.sessionId };
    case 'node.stream_events':
      return {
        ...head,
        session_id: request.sessionId,
        resume_from: request.resumeFrom,
        ...(request.hello === null ? {} : { hello: hello.write(request.hello) }),
      };
  }
}

export interface HealthAnswer {
  readonly nodeRpcMtlsRequired: boolean;
  readonly version: string;
  readonly daemonName: string;
  readonly uptimeMs: number;
  readonly timeMs: number;
  readonly load: { readonly connections: number; readonly sessions: number };
}

export interface RegisteredAnswer {
  readonly deviceId: string;
  readonly name: string;
  readonly protocol: number;
  readonly grantedCapabilities: readonly string[];
  readonly daemonTimeMs: number;
  readonly daemonName: string;
  readonly daemonVersion: string;
}

export const healthAnswer: Shape<HealthAnswer> = object({
  nodeRpcMtlsRequired: flag,
  version: line,
  daemonName: line,
  uptimeMs: seq,
  timeMs: seq,
  load: object({ connections: seq, sessions: seq }),
});

export const registeredAnswer: Shape<RegisteredAnswer> = object({
  deviceId: id,
  name: line,
  protocol: counter,
  grantedCapabilities: list(line, 4096),
  daemonTimeMs: seq,
  daemonName: line,
  daemonVersion: line,
});

/** Numbers of what is here already. */
export const ackAnswer: Shape<{ readonly ack: number }> = object({ ack: seq });
export const empty: Shape<object> = object({});

export function writeAnswer<T>(kind: string, shape: Shape<T>, value: T): JsonValue {
  return { protocol_version: QUIC_PROTOCOL_VERSION, kind, ok: true, ...(shape.write(value) as object) };
}

export function writeError(error: PalyraError): JsonValue {
  return {
    protocol_version: QUIC_PROTOCOL_VERSION,
    kind: 'error',
    ok: false,
    error: error.reason,
    ...(error.detail === null ? {} : { detail: writeText(error.detail) }),
  };
}

export interface QuicAnswer {
  readonly kind: string;
  /** What is beside the head. */
  readonly body: Record<string, JsonValue>;
}

/** Throws the error that it is, and MESSAGE_INVALID. */
export function readAnswer(value: JsonValue): QuicAnswer {
  const { protocol_version: version, kind, ok, error, ...body } = readObject('the answer', value);
  if (version !== QUIC_PROTOCOL_VERSION || typeof kind !== 'string') throw invalid('the answer', 'cannot be read');
  if (ok === true) return { kind, body };
  const detail = typeof body['detail'] === 'string' ? text.read('detail', body['detail']) : null;
  throw PalyraError.fromFacts({ reason: typeof error === 'string' ? error : '', detail });
}

/** What is known of an answer of this kind; a newer daemon may say more. Throws like `readAnswer`. */
export function readAnswerOf<T>(kind: string, shape: Shape<T>, names: readonly string[], value: JsonValue): T {
  const answer = readAnswer(value);
  if (answer.kind !== kind) throw invalid('the answer', 'is of another kind');
  return shape.read('', Object.fromEntries(Object.entries(answer.body).filter(([name]) => names.includes(name))));
}

function refuse(field: string, problem: string): never {
  throw invalid(field, problem);
}
