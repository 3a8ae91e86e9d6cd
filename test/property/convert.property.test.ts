import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PalyraError, REASONS, type Reason } from '../../src/lib/base/errors.js';
import type { DownMessage, UpMessage } from '../../src/lib/base/link-messages.js';
import type { CapabilityDescriptor, JsonSchema, MachineFacts } from '../../src/lib/base/model.js';
import {
  fromDownMessage,
  fromFacts,
  fromUpMessage,
  toDownMessage,
  toFacts,
  toUpMessage,
} from '../../src/lib/wire/grpc/convert.js';
import { MachineFacts as WireFacts } from '../../src/lib/wire/grpc/generated/palyra/common/v1/common.js';
import { DaemonMessage, NodeEvent } from '../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { fromServiceError, toServiceError } from '../../src/lib/wire/grpc/status.js';

/** Plain objects: records without a prototype are never deeply equal to what a decoder makes. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

const UINT32 = 2 ** 32 - 1;
// Printable in any script: control characters are a matter of the unit tests.
const printable = (value: string) => !/[\p{Cc}\p{Cs}]/u.test(value);
const line = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter(printable);
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

const up: fc.Arbitrary<UpMessage> = fc.oneof(
  record({
    kind: fc.constant('hello' as const),
    bootId: line,
    storeId: line,
    protocol: fc
      .tuple(fc.integer({ min: 1, max: 99 }), fc.nat({ max: 99 }))
      .map(([min, more]) => ({ min, max: min + more })),
    version: line,
    credit: fc.integer({ min: 1, max: 16 }),
    lastEpoch: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    known: fc.array(known, { maxLength: 20 }),
  }) as fc.Arbitrary<UpMessage>,
  record({
    kind: fc.constant('heartbeat' as const),
    active: fc.array(record({ id, attempt }), { maxLength: 16 }),
  }),
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
    error: fc.option(record({ code: line, message: text })),
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
);

const ids = fc.array(id, { maxLength: 20 });
const down: fc.Arbitrary<DownMessage> = fc.oneof(
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
    requestedBy: line,
  }),
  record({ kind: fc.constantFrom('cancel' as const, 'result_ack' as const), id, attempt }),
  record({ kind: fc.constant('stale' as const), id, reason: text }),
  record({ kind: fc.constant('beat' as const), daemonTimeMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }) }),
  record({ kind: fc.constant('drain' as const), reason: text }),
  record({ kind: fc.constant('revoked' as const), message: text }),
  record({ kind: fc.constant('superseded' as const), bootId: line }),
);

const descriptor: fc.Arbitrary<CapabilityDescriptor> = record({
  name: capabilityName,
  version: line,
  summary: text,
  inputSchema: schema,
  outputSchema: schema,
  sideEffects: fc.constantFrom('none', 'local', 'external'),
  mediation: fc.constantFrom('none', 'ask'),
  idempotent: fc.boolean(),
  executionTimeoutMs: fc.integer({ min: 1, max: 3_600_000 }),
});
const facts: fc.Arbitrary<MachineFacts> = record({
  hostname: line,
  platform: line,
  arch: line,
  version: line,
  protocol: fc.integer({ min: 1, max: 99 }),
  capabilities: fc.uniqueArray(descriptor, { selector: ({ name }) => name, maxLength: 6 }),
});

describe('messages over gRPC, there and back', () => {
  it('every message up comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(up, (message) => {
        const bytes = NodeEvent.encode(fromUpMessage(message)).finish();
        assert.deepEqual(toUpMessage(NodeEvent.decode(bytes)), message);
      }),
      { numRuns: 300 },
    );
  });

  it('every message down comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(down, (message) => {
        const bytes = DaemonMessage.encode(fromDownMessage(message)).finish();
        assert.deepEqual(toDownMessage(DaemonMessage.decode(bytes)), message);
      }),
      { numRuns: 300 },
    );
  });

  it('what a machine says about itself comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(facts, (value) => {
        const bytes = WireFacts.encode(fromFacts(value)).finish();
        assert.deepEqual(toFacts(WireFacts.decode(bytes)), value);
      }),
    );
  });

  it('text of any length and content can be written so that it is read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20_000, size: 'max' }), (anything) => {
        const message = { kind: 'stopping', reason: anything } as const;
        const read = toUpMessage(NodeEvent.decode(NodeEvent.encode(fromUpMessage(message)).finish()));
        assert.ok(read.kind === 'stopping' && Buffer.byteLength(read.reason) <= 8 * 1024);
      }),
      { numRuns: 50 },
    );
  });

  it('noise is a message or is refused, and only ever as a malformed one', () => {
    fc.assert(
      fc.property(up, fc.nat(), fc.nat({ max: 255 }), (message, at, value) => {
        const bytes = Buffer.from(NodeEvent.encode(fromUpMessage(message)).finish());
        if (bytes.length > 0) bytes.writeUInt8(value, at % bytes.length);
        let event: NodeEvent;
        try {
          event = NodeEvent.decode(bytes);
        } catch {
          return; // Not protobuf: the transport refuses it.
        }
        try {
          toUpMessage(event);
        } catch (error) {
          assert.ok(error instanceof PalyraError, String(error));
          assert.equal(error.reason, 'MESSAGE_INVALID');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('errors over gRPC, there and back', () => {
  const details = fc
    .dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
    .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)
    .filter((value) => !JSON.stringify(value).includes('__proto__') && JSON.stringify(value).length < 1_000);
  const options = fc.record({ detail: line, hint: line, details }, { requiredKeys: [] });

  for (const reason of Object.keys(REASONS) as Reason[]) {
    it(`${reason} stays itself`, () => {
      fc.assert(
        fc.property(options, (given) => {
          const error = new PalyraError(reason, given);
          const sent = toServiceError(error);
          assert.equal(sent.code, error.grpcStatus);
          const back = fromServiceError(sent);
          assert.deepEqual(back.toFacts(), error.toFacts());
          assert.equal(back.message, error.message);
          assert.equal(back.exitCode, error.exitCode);
        }),
        { numRuns: 10 },
      );
    });
  }
});
