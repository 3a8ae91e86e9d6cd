/** Messages of a node's link and facts of machines, anything that the protocol allows: for the property tests of every carrier. */
import fc from 'fast-check';
import type { DownMessage, UpMessage } from '../../src/lib/base/link-messages.js';
import type { CapabilityDescriptor, JsonSchema, MachineFacts } from '../../src/lib/base/model.js';
import { CHANNELS } from '../../src/lib/base/questions.js';

/** Plain objects: records without a prototype are never deeply equal to what a decoder makes. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

const UINT32 = 2 ** 32 - 1;
// Printable in any script: control characters are a matter of the unit tests.
export const printable = (value: string) => !/[\p{Cc}\p{Cs}]/u.test(value);
export const printableLine = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter(printable);
const text = fc.string({ unit: 'binary', maxLength: 200 }).filter(printable);
const alphanumeric = '0123456789ABCDEFGHJKMNPQRSTVWXYZabcxyz'.split('');
const id = fc
  .string({ unit: fc.constantFrom(...alphanumeric), minLength: 6, maxLength: 40 })
  .map((rest) => `dsp_${rest}`);
const attempt = fc.integer({ min: 1, max: 2 ** 31 });
const fence = { id, attempt, epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) };
const ms = fc.integer({ min: 1, max: UINT32 });
const jsonText = fc.json({ maxDepth: 4 }).filter((json) => !json.includes('__proto__'));
const schema = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonSchema)
  .filter((value) => !JSON.stringify(value).includes('__proto__'));
const word = fc.string({ unit: fc.constantFrom(...'abcdefxyz'.split('')), minLength: 1, maxLength: 10 });
const capabilityName = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.'));
const known = record({ id, attempt, state: fc.constantFrom('received', 'started', 'done'), alive: fc.boolean() });

const FEW_YEARS_MS = 5 * 365 * 86_400_000;
const away = record({
  pausedMs: fc.nat({ max: FEW_YEARS_MS }),
  clockMs: fc.integer({ min: -FEW_YEARS_MS, max: FEW_YEARS_MS }),
  reason: fc.constantFrom('', 'DAEMON_UNREACHABLE', 'CLOCK_SKEW'),
  message: text.map((words) => words.slice(0, 60)).filter(printable),
});
const hello = {
  kind: fc.constant('hello' as const),
  bootId: printableLine,
  storeId: printableLine,
  protocol: fc
    .tuple(fc.integer({ min: 1, max: 99 }), fc.nat({ max: 99 }))
    .map(([min, more]) => ({ min, max: min + more })),
  version: printableLine,
  credit: fc.integer({ min: 1, max: 16 }),
  lastEpoch: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  known: fc.array(known, { maxLength: 20 }),
};

export const upMessages: fc.Arbitrary<UpMessage> = fc.oneof(
  record(hello) as fc.Arbitrary<UpMessage>,
  record({ ...hello, away }) as fc.Arbitrary<UpMessage>,
  record({
    kind: fc.constant('heartbeat' as const),
    active: fc.array(record({ id, attempt }), { maxLength: 16 }),
  }),
  record({ kind: fc.constant('heartbeat' as const), active: fc.constant([]), away }),
  record({ kind: fc.constant('stopping' as const), reason: text }),
  record({ kind: fc.constantFrom('received' as const, 'started' as const, 'mediation' as const), ...fence }),
  record({ kind: fc.constant('progress' as const), ...fence, progressJson: jsonText }),
  record({
    kind: fc.constant('result' as const),
    ...fence,
    state: fc.constant('succeeded' as const),
    outputJson: jsonText,
    error: fc.constant(null),
    executionMs: ms,
  }),
  record({
    kind: fc.constant('result' as const),
    ...fence,
    state: fc.constantFrom('failed' as const, 'denied' as const, 'timed-out' as const),
    outputJson: fc.constant(null),
    error: fc.option(record({ code: printableLine, message: text })),
    executionMs: ms,
  }),
  record({
    kind: fc.constant('rejected' as const),
    ...fence,
    cause: fc.constantFrom(
      'busy' as const,
      'unknown-capability' as const,
      'invalid-input' as const,
      'past-deadline' as const,
      'stopping' as const,
    ),
    message: text,
  }),
  record({ kind: fc.constant('cancelled' as const), ...fence, started: fc.boolean() }),
  record({
    kind: fc.constant('mediation' as const),
    ...fence,
    asking: record({ channel: fc.constantFrom(...CHANNELS), timeLeftMs: fc.integer({ min: 1, max: 86_400_000 }) }),
  }),
);

const ids = fc.array(id, { maxLength: 20 });
export const downMessages: fc.Arbitrary<DownMessage> = fc.oneof(
  record({
    kind: fc.constant('welcome' as const),
    epoch: fence.epoch,
    heartbeatMs: ms,
    leaseMs: ms,
    keep: ids,
    drop: ids,
    wantResults: ids,
    cancel: fc.array(record({ id, attempt }), { maxLength: 20 }),
  }),
  record({
    kind: fc.constant('offer' as const),
    ...fence,
    capability: capabilityName,
    inputJson: jsonText,
    runTimeoutMs: ms,
    deadlineInMs: fc.nat({ max: UINT32 }),
    requestedBy: printableLine,
  }),
  record({ kind: fc.constantFrom('cancel' as const, 'result_ack' as const), id, attempt }),
  record({ kind: fc.constant('stale' as const), id, reason: text }),
  record({ kind: fc.constant('beat' as const), daemonTimeMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }) }),
  record({ kind: fc.constant('drain' as const), reason: text }),
  record({ kind: fc.constant('revoked' as const), message: text }),
  record({ kind: fc.constant('trust_bundle' as const), certificates: fc.array(text, { maxLength: 4 }) }),
  record({ kind: fc.constant('superseded' as const), bootId: printableLine }),
);

const descriptor: fc.Arbitrary<CapabilityDescriptor> = record({
  name: capabilityName,
  version: printableLine,
  summary: text,
  inputSchema: schema,
  outputSchema: schema,
  sideEffects: fc.constantFrom('none', 'local', 'external'),
  mediation: fc.constantFrom('none', 'ask'),
  idempotent: fc.boolean(),
  executionTimeoutMs: fc.integer({ min: 1, max: 3_600_000 }),
});
export const machineFacts: fc.Arbitrary<MachineFacts> = record({
  hostname: printableLine,
  platform: printableLine,
  arch: printableLine,
  version: printableLine,
  protocol: fc.integer({ min: 1, max: 99 }),
  capabilities: fc.uniqueArray(descriptor, { selector: ({ name }) => name, maxLength: 6 }),
}).chain((facts) =>
  fc.option(fc.uniqueArray(fc.constantFrom(...CHANNELS)), { nil: undefined }).map((asksThrough) => ({
    ...facts,
    ...(asksThrough === undefined ? {} : { asksThrough }),
  })),
);
