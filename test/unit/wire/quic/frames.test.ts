/** Frames: the worked examples. The rules for every input are in test/property/quic-frames.property.test.ts. */
import assert from 'node:assert/strict';
import { DEFAULT_MAX_FRAME_BYTES, FrameDecoder, encodeFrame, frameOf } from '../../../../src/lib/wire/quic/frames.js';

const refusedWith = (reason: string) => (error: unknown) => (error as { reason?: string }).reason === reason;

const nothing = (got: unknown) => assert.fail(`a frame came out: ${JSON.stringify(got)}`);

describe('A frame on a QUIC stream', () => {
  it('is a big-endian length and JSON', () => {
    assert.deepEqual(encodeFrame({ a: 'é' }), Buffer.concat([Buffer.from([0, 0, 0, 10]), Buffer.from('{"a":"é"}')]));
  });

  it('may be as long as the limit and not a byte longer, for the writer and for the reader', () => {
    const text = JSON.stringify('x'.repeat(DEFAULT_MAX_FRAME_BYTES - 2));
    const frame = frameOf(text);
    const got: unknown[] = [];
    new FrameDecoder().push(frame, (value) => got.push(value));
    assert.equal(JSON.stringify(got[0]), text);
    assert.throws(() => frameOf(`${text} `), refusedWith('MESSAGE_TOO_LARGE'));
  });

  it('is refused from its length alone, and nothing of it is kept', () => {
    const decoder = new FrameDecoder();
    const header = Buffer.from([0, 8, 0, 1]);
    assert.throws(() => decoder.push(header, nothing), refusedWith('MESSAGE_TOO_LARGE'));
    assert.equal(decoder.heldBytes, 0);
    assert.throws(() => decoder.push(encodeFrame({}), nothing), refusedWith('MESSAGE_TOO_LARGE'));
  });

  const bad: Record<string, Buffer> = {
    'an empty frame': Buffer.alloc(4),
    'bytes that are not UTF-8': Buffer.from([0, 0, 0, 3, 0x22, 0xff, 0x22]),
    'half a value': frameOf('{"a":'),
    'two values': frameOf('1 2'),
    'a prototype': frameOf('{"__proto__":{}}'),
    'too deep a value': frameOf('['.repeat(40) + ']'.repeat(40)),
    'a byte order mark': Buffer.from([0, 0, 0, 5, 0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    it(`with ${what} is refused`, () => {
      assert.throws(() => new FrameDecoder().push(bytes, nothing), refusedWith('MESSAGE_INVALID'));
    });
  }

  it('is not finished when the stream ends in it', () => {
    for (const cut of [1, 4, 5]) {
      const decoder = new FrameDecoder();
      decoder.push(encodeFrame({ a: 1 }).subarray(0, cut), nothing);
      assert.throws(() => decoder.end(), refusedWith('MESSAGE_INVALID'));
    }
    new FrameDecoder().end();
  });
});
