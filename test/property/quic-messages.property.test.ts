import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { JsonValue } from '../../src/lib/base/model.js';
import { downMessage, machineFacts as facts, upMessage } from '../../src/lib/wire/quic/link-json.js';
import { encodeMessage, MessageDecoder } from '../../src/lib/wire/quic/parts.js';
import type { Shape } from '../../src/lib/wire/quic/shape.js';
import { downMessages, machineFacts, upMessages } from '../support/link-arbitraries.js';

/** Through bytes, cut anywhere. */
function travel(value: JsonValue, cut: number): JsonValue {
  const decoder = new MessageDecoder();
  const bytes = encodeMessage(value);
  const read: JsonValue[] = [];
  const at = cut % (bytes.length + 1);
  for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) decoder.push(part, (message) => read.push(message));
  assert.equal(read.length, 1);
  return read[0]!;
}

const thereAndBack = <T>(shape: Shape<T>, values: fc.Arbitrary<T>) =>
  fc.assert(
    fc.property(values, fc.nat(), (value, cut) => {
      assert.deepEqual(shape.read('message', travel(shape.write(value), cut)), value);
    }),
    { numRuns: 300 },
  );

const readOrRefused = (shape: Pick<Shape<unknown>, 'read'>, value: JsonValue) => {
  try {
    shape.read('message', value);
    return 'read';
  } catch (error) {
    assert.equal(PalyraError.from(error).reason, 'MESSAGE_INVALID', String(error));
    return 'refused';
  }
};

describe('messages over QUIC, there and back', () => {
  it('every message up comes back as it was, through bytes cut anywhere', () => thereAndBack(upMessage, upMessages));
  it('every message down comes back as it was, through bytes cut anywhere', () =>
    thereAndBack(downMessage, downMessages));
  it('what a machine says about itself comes back as it was', () => thereAndBack(facts, machineFacts));

  it('a field that is missing, unknown or of another kind is refused, and only ever as a malformed message', () => {
    fc.assert(
      fc.property(upMessages, fc.nat(), fc.jsonValue({ maxDepth: 2 }), (message, pick, other) => {
        const written = upMessage.write(message) as Record<string, JsonValue>;
        assert.equal(readOrRefused(upMessage, { ...written, surprise: 1 }), 'refused');
        const names = Object.keys(written);
        const name = names[pick % names.length]!;
        const { [name]: _gone, ...rest } = written;
        if (name !== 'asking' && name !== 'away') assert.equal(readOrRefused(upMessage, rest), 'refused', name);
        readOrRefused(upMessage, { ...written, [name]: JSON.parse(JSON.stringify(other)) as JsonValue });
      }),
      { numRuns: 500 },
    );
  });

  it('noise is a message or is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as JsonValue;
        for (const shape of [upMessage, downMessage, facts]) readOrRefused(shape, json);
      }),
      { numRuns: 500 },
    );
  });

  it('a message larger than a frame arrives whole, whatever its characters', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('a', 'é', '😀', '\n', '"', '\\'),
        fc.integer({ min: 1, max: 300_000 }),
        fc.nat(),
        (unit, count, cut) => {
          const text = unit.repeat(count);
          assert.deepEqual(travel({ text }, cut), { text });
        },
      ),
      { numRuns: 30 },
    );
  });
});
