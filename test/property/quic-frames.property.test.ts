/** Frames of a QUIC stream hold for every value, every way to cut the bytes, and every kind of garbage. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PalyraError } from '../../src/lib/base/errors.js';
import type { JsonValue } from '../../src/lib/base/model.js';
import { FrameDecoder, encodeFrame } from '../../src/lib/wire/quic/frames.js';

const value = fc
  .jsonValue({ maxDepth: 4 })
  .map((any) => JSON.parse(JSON.stringify(any)) as JsonValue)
  .filter((any) => !JSON.stringify(any).includes('__proto__'));

const nothing = (got: JsonValue) => assert.fail(`a frame came out: ${JSON.stringify(got)}`);

function decode(chunks: readonly Uint8Array[], maxFrameBytes?: number): JsonValue[] {
  const decoder = new FrameDecoder(maxFrameBytes === undefined ? {} : { maxFrameBytes });
  const values: JsonValue[] = [];
  for (const chunk of chunks) decoder.push(chunk, (got) => values.push(got));
  decoder.end();
  return values;
}

describe('QUIC frames, for every input', () => {
  it('come out as they went in, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (values, cuts) => {
        const bytes = Buffer.concat(values.map((one) => encodeFrame(one)));
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((place, index) => bytes.subarray(places[index], place));
        assert.deepEqual(decode(chunks), values);
      }),
    );
  });

  it('come out the same for a cut at every single byte, and byte by byte', () => {
    const values: JsonValue[] = [{ method: 'node.health', protocol_version: 1 }, 'ü€😀', [1, null, { a: [] }]];
    const bytes = Buffer.concat(values.map((one) => encodeFrame(one)));
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(decode([bytes.subarray(0, cut), bytes.subarray(cut)]), values);
    }
    assert.deepEqual(decode([...bytes].map((byte) => Buffer.from([byte]))), values);
  });

  it('do not change when the chunk they came in is used again', () => {
    fc.assert(
      fc.property(value, fc.nat(), (one, at) => {
        const bytes = encodeFrame(one);
        const decoder = new FrameDecoder();
        const got: JsonValue[] = [];
        const cut = at % bytes.length;
        for (const [from, to] of [
          [0, cut],
          [cut, bytes.length],
        ]) {
          const chunk = Buffer.from(bytes.subarray(from, to));
          decoder.push(chunk, (found) => got.push(found));
          chunk.fill(0xaa);
        }
        assert.deepEqual(got, [one]);
      }),
    );
  });

  it('are refused with a registered reason or read: garbage does nothing else, and holds no more than a frame', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (chunks) => {
        const decoder = new FrameDecoder({ maxFrameBytes: 256 });
        for (const chunk of chunks) {
          try {
            decoder.push(chunk, () => undefined);
          } catch (error) {
            assert.ok(error instanceof PalyraError, String(error));
            assert.ok(['MESSAGE_TOO_LARGE', 'MESSAGE_INVALID'].includes(error.reason));
          }
          assert.ok(decoder.heldBytes <= 256);
        }
      }),
    );
  });

  it('with any hostile length are refused after four bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 512 * 1024 + 1, max: 2 ** 32 - 1 }), (length) => {
        const header = Buffer.alloc(4);
        header.writeUInt32BE(length);
        const decoder = new FrameDecoder();
        decoder.push(header.subarray(0, 3), nothing);
        assert.throws(
          () => decoder.push(header.subarray(3), nothing),
          (error) => error instanceof PalyraError && error.reason === 'MESSAGE_TOO_LARGE',
        );
      }),
    );
  });
});
