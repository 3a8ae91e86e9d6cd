/**
 * The messages of a node's link, and what a machine says about itself, as JSON. The same bounds as over gRPC (`base/link-limits.ts`); inputs, outputs and
 * schemas travel as JSON text inside. Says nothing about sense: whether an id exists or a fence matches is decided elsewhere.
 */
import { invalid, readSchema } from '../../base/fields.js';
import { CHANNELS } from '../../base/questions.js';
import {
  INPUT_LIMITS,
  MAX_AUTHORITIES,
  MAX_AWAY_MS,
  MAX_CREDIT,
  MAX_DESCRIPTORS,
  MAX_DISPATCHES,
  MAX_EXECUTION_MS,
  MAX_PROTOCOL,
  MAX_UINT32,
  OUTPUT_LIMITS,
  PROGRESS_LIMITS,
  readCapabilityName,
  SCHEMA_LIMITS,
} from '../../base/link-limits.js';
import type { Away } from '../../base/absences.js';
import type { Asking, DownMessage, Hello, UpMessage } from '../../base/link-messages.js';
import type { CapabilityDescriptor, JsonSchema, JsonValue, MachineFacts } from '../../base/model.js';
import * as shape from './shape.js';

const { counter, flag, id, line, list, milliseconds, nullable, object, oneOf, optional, text, variants, whole, words } =
  shape;

type Body<T> = Omit<T, 'kind'>;
type Kind<T extends { kind: string }, K extends T['kind']> = Body<Extract<T, { kind: K }>>;

export const protocolRange: shape.Shape<{ readonly min: number; readonly max: number }> = ordered(
  object({ min: whole(1, MAX_PROTOCOL), max: whole(1, MAX_PROTOCOL) }),
);
const fence = { id, attempt: counter, epoch: counter };
const run = object({ id, attempt: counter });
const runs = list(run, MAX_DISPATCHES);
const ids = list(id, MAX_DISPATCHES);
const fenced = object(fence);
const duration = (min: number) => milliseconds(min, MAX_UINT32);

/** What a node knows about why it was away. */
const away = object<Away>({
  pausedMs: whole(0, MAX_AWAY_MS),
  clockMs: whole(-MAX_AWAY_MS, MAX_AWAY_MS),
  reason: words,
  message: words,
});

const helloBody = object<Body<Hello>>({
  bootId: line,
  storeId: line,
  protocol: protocolRange,
  version: line,
  credit: whole(1, MAX_CREDIT),
  lastEpoch: whole(0, Number.MAX_SAFE_INTEGER),
  known: list(
    object({ id, attempt: counter, state: oneOf('received', 'started', 'done'), alive: flag }),
    MAX_DISPATCHES,
  ),
  away: optional(away),
});

export const hello: shape.Shape<Hello> = {
  read: (field, value) => ({ kind: 'hello', ...helloBody.read(field, value) }),
  write: (value) => helloBody.write(value),
};

/** Output and error exclude each other: exactly a success has an output. */
const result = checked(
  object<Kind<UpMessage, 'result'>>({
    ...fence,
    state: oneOf('succeeded', 'failed', 'denied', 'timed-out'),
    outputJson: nullable(shape.jsonText(OUTPUT_LIMITS)),
    error: nullable(object({ code: line, message: text })),
    executionMs: duration(0),
  }),
  ({ state, outputJson, error }) => {
    const succeeded = state === 'succeeded';
    if (succeeded !== (outputJson !== null))
      throw invalid('result.output_json', 'belongs to a success, and only there');
    if (succeeded && error !== null) throw invalid('result.error', 'is set beside a success');
  },
);

/** How a person is asked, and for how much longer. */
const asking = object<Asking>({ channel: oneOf(...CHANNELS), timeLeftMs: duration(1) });

/** Node to daemon. */
export const upMessage: shape.Shape<UpMessage> = variants<UpMessage>({
  hello: helloBody,
  heartbeat: object<Kind<UpMessage, 'heartbeat'>>({ active: runs, away: optional(away) }),
  stopping: object({ reason: text }),
  received: fenced,
  started: fenced,
  mediation: object<Kind<UpMessage, 'mediation'>>({ ...fence, asking: optional(asking) }),
  progress: object({ ...fence, progressJson: shape.jsonText(PROGRESS_LIMITS) }),
  result,
  rejected: object({
    ...fence,
    cause: oneOf('busy', 'unknown-capability', 'invalid-input', 'past-deadline', 'stopping'),
    message: text,
  }),
  cancelled: object({ ...fence, started: flag }),
});

/** Daemon to node. */
export const downMessage: shape.Shape<DownMessage> = variants<DownMessage>({
  welcome: object({
    epoch: counter,
    heartbeatMs: duration(1),
    leaseMs: duration(1),
    keep: ids,
    drop: ids,
    wantResults: ids,
    cancel: runs,
  }),
  offer: object({
    ...fence,
    capability: shape.named(readCapabilityName),
    inputJson: shape.jsonText(INPUT_LIMITS),
    runTimeoutMs: duration(1),
    deadlineInMs: duration(0),
    requestedBy: line,
  }),
  cancel: run,
  result_ack: run,
  stale: object({ id, reason: text }),
  beat: object({ daemonTimeMs: milliseconds(0, Number.MAX_SAFE_INTEGER) }),
  drain: object({ reason: text }),
  revoked: object({ message: text }),
  superseded: object({ bootId: words }),
  trust_bundle: object({ certificates: list(text, MAX_AUTHORITIES) }),
});

const schema: shape.Shape<JsonSchema> = {
  read: (field, value) => {
    if (typeof value !== 'string') throw invalid(field, 'is not a text');
    return readSchema(field, Buffer.from(value), SCHEMA_LIMITS);
  },
  write: (value) => JSON.stringify(value),
};

const descriptor = object<CapabilityDescriptor>({
  name: shape.named(readCapabilityName),
  version: line,
  summary: text,
  inputSchema: schema,
  outputSchema: schema,
  sideEffects: oneOf('none', 'local', 'external'),
  mediation: oneOf('none', 'ask'),
  idempotent: flag,
  executionTimeoutMs: whole(1, MAX_EXECUTION_MS),
});

/** Also refuses a capability that is announced twice. */
export const machineFacts: shape.Shape<MachineFacts> = checked(
  object<MachineFacts>({
    hostname: line,
    platform: line,
    arch: line,
    version: line,
    protocol: whole(1, MAX_PROTOCOL),
    capabilities: list(descriptor, MAX_DESCRIPTORS),
    asksThrough: optional(list(oneOf(...CHANNELS), CHANNELS.length)),
  }),
  ({ capabilities }) => {
    if (new Set(capabilities.map(({ name }) => name)).size < capabilities.length)
      throw invalid('capabilities', 'has the same name twice');
  },
);

function checked<T>({ read, write }: shape.Shape<T>, check: (value: T) => void): shape.Shape<T> {
  return {
    read: (field, value: JsonValue) => {
      const known = read(field, value);
      check(known);
      return known;
    },
    write,
  };
}

function ordered<T extends { readonly min: number; readonly max: number }>(range: shape.Shape<T>): shape.Shape<T> {
  return checked(range, ({ min, max }) => {
    if (max < min) throw invalid('protocol', 'ends before it begins');
  });
}
