import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  formatMessage,
  formatPosition,
  parsePosition,
  readMessages,
  type StreamMessage,
} from '../../../../src/lib/wire/http/event-stream.js';

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(text: string, sizes: readonly number[] = [7]): Promise<StreamMessage[]> {
  const messages: StreamMessage[] = [];
  for await (const message of readMessages(inPieces(new TextEncoder().encode(text), sizes))) messages.push(message);
  return messages;
}

describe('the stream of events', () => {
  it('reads what it wrote, however the bytes are cut', async () => {
    const message = fc.record({ event: fc.constantFrom('node', 'ping'), data: fc.object() });
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 10 }), sizes, async (sent, cuts) => {
        const text = sent.map(({ event, data }, index) => formatMessage(event, data, `1-${index}`)).join('');
        const got = await read(text, cuts);
        assert.deepEqual(
          got,
          sent.map(({ event, data }) => ({ event, data: JSON.stringify(data) })),
        );
      }),
    );
  });

  it('skips comments and unknown fields, takes CRLF, joins data lines, and drops an unfinished message', async () => {
    const text = ': hello\r\nretry: 5\r\nevent: node\r\ndata: {\r\ndata: }\r\n\r\nevent: lonely\n\ndata:x\n\ndata: cut';
    assert.deepEqual(await read(text), [
      { event: 'node', data: '{\n}' },
      { event: 'message', data: 'x' },
    ]);
  });

  it('refuses a message without end', async () => {
    const part = new Uint8Array(4 * 1024 * 1024).fill(0x78);
    async function* endless() {
      for (;;) yield part;
    }
    await assert.rejects(readMessages(endless()).next(), { reason: 'MESSAGE_TOO_LARGE' });
  });

  it('takes positions and nothing else', () => {
    assert.deepEqual(parsePosition('3-812'), { boot: 3, seq: 812 });
    assert.equal(formatPosition({ boot: 3, seq: 812 }), '3-812');
    for (const text of ['', '812', '3-', '-1', '3-8-1', '3-x', ' 3-812', '1e3-1', `1-${'9'.repeat(16)}`]) {
      assert.throws(() => parsePosition(text), { reason: 'REQUEST_INVALID' }, text);
    }
  });
});
