import assert from 'node:assert/strict';
import type { CapabilityDescriptor } from '../../../../src/lib/base/model.js';
import {
  fromDownMessage,
  fromFacts,
  fromUpMessage,
  toDescriptor,
  fromDescriptor,
  toDownMessage,
  toFacts,
  toUpMessage,
} from '../../../../src/lib/wire/grpc/convert.js';
import {
  DaemonMessage,
  NodeEvent,
  RejectCause,
  type Fence,
} from '../../../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';

const ID = 'dsp_01JD5Z3K9Q8V7W6X5Y4Z3A2B1C';
const fence: Fence = { id: ID, attempt: 1, epoch: 7 };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
const echo: CapabilityDescriptor = {
  name: 'echo',
  version: '1.0.0',
  summary: 'Gives back what it was given',
  inputSchema: { type: 'object' },
  outputSchema: {},
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 5_000,
};
const facts = { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '0.1.0', protocol: 1, capabilities: [echo] };

function refused(read: () => unknown, detail: RegExp): void {
  assert.throws(read, { reason: 'MESSAGE_INVALID', detail });
}

describe('reading what a machine says about itself', () => {
  it('refuses descriptors out of bounds', () => {
    const wire = fromDescriptor(echo);
    const changes: readonly (readonly [change: object, detail: RegExp])[] = [
      [{ name: '' }, /not a capability name/],
      [{ name: 'Echo' }, /not a capability name/],
      [{ name: 'a..b' }, /not a capability name/],
      [{ name: 'x'.repeat(65) }, /not a capability name/],
      [{ version: '' }, /version is empty/],
      [{ version: 'x'.repeat(1025) }, /longer than 1024 bytes/],
      [{ version: '1\u001b[2J' }, /control characters/],
      [{ summary: 'x'.repeat(9_000) }, /summary is longer/],
      [{ inputSchemaJson: Buffer.alloc(0) }, /input_schema_json is not acceptable JSON/],
      [{ inputSchemaJson: Buffer.from('{') }, /not acceptable JSON/],
      [{ inputSchemaJson: Buffer.from([0x7b, 0xff, 0x7d]) }, /not UTF-8/],
      [{ inputSchemaJson: json([]) }, /not an object/],
      [{ outputSchemaJson: json({ x: 'x'.repeat(65_536) }) }, /output_schema_json is longer than 65536/],
      [{ outputSchemaJson: nested(33) }, /not acceptable JSON/],
      [{ sideEffects: 0 }, /side_effects/],
      [{ sideEffects: 9 }, /side_effects/],
      [{ mediation: -1 }, /mediation/],
      [{ executionTimeoutMs: 0 }, /execution_timeout_ms/],
      [{ executionTimeoutMs: 3_600_001 }, /execution_timeout_ms/],
    ];
    for (const [change, detail] of changes) {
      refused(() => toDescriptor({ ...wire, ...change }), detail);
    }
    assert.deepEqual(toDescriptor(wire), echo);
  });

  it('refuses too many capabilities, the same one twice and broken facts', () => {
    const wire = fromFacts(facts);
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => fromDescriptor({ ...echo, name: `c.x${index}` }));
    assert.equal(toFacts({ ...wire, capabilities: many(256) }).capabilities.length, 256);
    refused(() => toFacts({ ...wire, capabilities: many(257) }), /more than 256/);
    refused(() => toFacts({ ...wire, capabilities: [...many(1), ...many(1)] }), /same name twice/);
    refused(() => toFacts({ ...wire, hostname: '' }), /hostname is empty/);
    refused(() => toFacts({ ...wire, hostname: 'a\nb' }), /hostname has control characters/);
    refused(() => toFacts({ ...wire, protocol: 0 }), /protocol/);
  });

  it('never repeats a value in its refusal', () => {
    try {
      toFacts({ ...fromFacts(facts), hostname: 'secret\n' });
      assert.fail();
    } catch (error) {
      assert.ok(!String(error).includes('secret'));
    }
  });
});

describe('reading what a node sends', () => {
  const up = (event: NodeEvent['event']) => () => toUpMessage({ event });
  const result = { fence, state: 1, outputJson: json(1), error: undefined, executionMs: 1 };
  const started = {
    deviceId: '',
    bootId: 'boot',
    storeId: 'store',
    protocol: { min: 1, max: 1 },
    version: '0.1.0',
    credit: 4,
    lastEpoch: 0,
    known: [],
    away: undefined,
  };

  it('refuses an event of no kind or of an unknown kind', () => {
    refused(up(undefined), /missing or of a kind/);
    refused(() => toUpMessage(NodeEvent.decode(Buffer.from('fa0700', 'hex'))), /missing or of a kind/);
  });

  it('refuses fences that are missing, incomplete or no ids', () => {
    const received = (value: Fence | undefined) =>
      up({ $case: 'capabilityReceived', capabilityReceived: { fence: value } });
    refused(received(undefined), /fence is missing/);
    refused(received({ ...fence, attempt: 0 }), /attempt/);
    refused(received({ ...fence, epoch: 0 }), /epoch/);
    for (const id of [
      '',
      'dsp_',
      'DSP_000000',
      'dsp_00000',
      `dsp_${'0'.repeat(41)}`,
      'dsp_00000-',
      `${ID}\n`,
      '__proto__',
    ]) {
      refused(received({ ...fence, id }), /is not an id/);
    }
  });

  it('refuses a hello out of bounds', () => {
    const known = { id: ID, attempt: 1, state: 1, alive: false };
    const hello = (change: object) => up({ $case: 'nodeStarted', nodeStarted: { ...started, ...change } });
    assert.equal(toUpMessage({ event: { $case: 'nodeStarted', nodeStarted: started } }).kind, 'hello');
    for (const [change, detail] of [
      [{ protocol: undefined }, /protocol is missing/],
      [{ protocol: { min: 0, max: 1 } }, /protocol\.min/],
      [{ protocol: { min: 2, max: 1 } }, /protocol\.max/],
      [{ bootId: '' }, /boot_id/],
      [{ storeId: 'a\u0000b' }, /store_id/],
      [{ credit: 0 }, /credit/],
      [{ credit: 17 }, /credit/],
      [{ known: [{ ...known, state: 0 }] }, /known\.state/],
      [{ known: Array.from({ length: 1025 }, () => known) }, /more than 1024/],
    ] as const) {
      refused(hello(change), detail);
    }
  });

  it('refuses results that contradict themselves or carry no JSON', () => {
    const read = (change: object) => up({ $case: 'capabilityResult', capabilityResult: { ...result, ...change } });
    for (const [change, detail] of [
      [{ state: 0 }, /result\.state/],
      [{ outputJson: Buffer.alloc(0) }, /output_json is not acceptable JSON/],
      [{ outputJson: Buffer.from('undefined') }, /not acceptable JSON/],
      [{ outputJson: nested(129) }, /not acceptable JSON/],
      [{ outputJson: json('x'.repeat(1024 * 1024)) }, /longer than 1048576/],
      [{ error: { code: 'X', message: '' } }, /beside a success/],
      [{ state: 2 }, /without a success/],
      [{ state: 2, outputJson: Buffer.alloc(0), error: { code: '', message: '' } }, /error\.code is empty/],
    ] as const) {
      refused(read(change), detail);
    }
  });

  it('refuses progress above 64 KiB and unknown causes', () => {
    refused(
      up({ $case: 'capabilityProgress', capabilityProgress: { fence, progressJson: json('x'.repeat(65_536)) } }),
      /longer than 65536/,
    );
    refused(
      up({ $case: 'capabilityRejected', capabilityRejected: { fence, cause: RejectCause.UNRECOGNIZED, message: '' } }),
      /rejected\.cause/,
    );
  });

  it('takes the cursor out of messages for people', () => {
    const message = toUpMessage({
      event: { $case: 'nodeStopping', nodeStopping: { reason: 'bye\u001b[2J\u0007\u009b\n\tnow' } },
    });
    assert.deepEqual(message, { kind: 'stopping', reason: 'bye [2J  \n\tnow' });
  });

  it('is never refused for the length of a text or a duration we wrote', () => {
    const message = {
      kind: 'result',
      ...fence,
      state: 'failed',
      outputJson: null,
      error: { code: `A\n${'x'.repeat(5_000)}`, message: 'ü'.repeat(9_000) },
      executionMs: 2 ** 40,
    } as const;
    const read = toUpMessage(NodeEvent.decode(NodeEvent.encode(fromUpMessage(message)).finish()));
    assert.ok(read.kind === 'result' && read.executionMs === 2 ** 32 - 1);
    assert.match(read.error?.message ?? '', /^ü+…$/);
  });
});

describe('reading what a daemon sends', () => {
  const down = (message: DaemonMessage['message']) => () => toDownMessage({ message });
  const offer = {
    fence,
    capability: 'echo',
    inputJson: json({}),
    runTimeoutMs: 1,
    deadlineInMs: 0,
    requestedBy: 'owner',
  };

  it('refuses a message of no kind', () => {
    refused(down(undefined), /missing or of a kind/);
  });

  it('refuses offers out of bounds', () => {
    for (const [change, detail] of [
      [{ fence: undefined }, /fence is missing/],
      [{ capability: 'Echo' }, /capability/],
      [{ inputJson: Buffer.from('{') }, /input_json/],
      [{ inputJson: json('x'.repeat(512 * 1024)) }, /longer than 524288/],
      [{ runTimeoutMs: 0 }, /run_timeout_ms/],
      [{ requestedBy: '' }, /requested_by/],
    ] as const) {
      refused(down({ $case: 'offer', offer: { ...offer, ...change } }), detail);
    }
  });

  it('refuses a welcome that names no ids or has no epoch', () => {
    const welcome = { epoch: 1, heartbeatMs: 15_000, leaseMs: 45_000, keep: [], drop: [], wantResults: [], cancel: [] };
    refused(down({ $case: 'welcome', welcome: { ...welcome, epoch: 0 } }), /epoch/);
    refused(down({ $case: 'welcome', welcome: { ...welcome, keep: ['x'] } }), /is not an id/);
    refused(down({ $case: 'welcome', welcome: { ...welcome, cancel: [{ id: ID, attempt: 0 }] } }), /attempt/);
    refused(down({ $case: 'welcome', welcome: { ...welcome, heartbeatMs: 0 } }), /heartbeat_ms/);
  });

  it('is never refused for a deadline we wrote, past or far', () => {
    for (const deadlineInMs of [-5, 0.4, 2 ** 50]) {
      const written = fromDownMessage({
        kind: 'offer',
        ...fence,
        capability: 'echo',
        inputJson: '{}',
        runTimeoutMs: 1.5,
        deadlineInMs,
        requestedBy: 'owner',
      });
      const read = toDownMessage(DaemonMessage.decode(DaemonMessage.encode(written).finish()));
      assert.ok(
        read.kind === 'offer' && read.deadlineInMs === Math.round(Math.min(Math.max(deadlineInMs, 0), 2 ** 32 - 1)),
      );
    }
  });
});
