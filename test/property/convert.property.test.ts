import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PalyraError, REASONS, type Reason } from '../../src/lib/base/errors.js';
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
import { downMessages, machineFacts, printableLine, upMessages } from '../support/link-arbitraries.js';

describe('messages over gRPC, there and back', () => {
  it('every message up comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(upMessages, (message) => {
        const bytes = NodeEvent.encode(fromUpMessage(message)).finish();
        assert.deepEqual(toUpMessage(NodeEvent.decode(bytes)), message);
      }),
      { numRuns: 300 },
    );
  });

  it('every message down comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(downMessages, (message) => {
        const bytes = DaemonMessage.encode(fromDownMessage(message)).finish();
        assert.deepEqual(toDownMessage(DaemonMessage.decode(bytes)), message);
      }),
      { numRuns: 300 },
    );
  });

  it('what a machine says about itself comes back as it was, through bytes', () => {
    fc.assert(
      fc.property(machineFacts, (value) => {
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
      fc.property(upMessages, fc.nat(), fc.nat({ max: 255 }), (message, at, value) => {
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
  const options = fc.record({ detail: printableLine, hint: printableLine, details }, { requiredKeys: [] });

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
