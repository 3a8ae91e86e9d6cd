import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';
import { FRAME, FrameReader, frame, openHttp2, REQUEST_HEADERS } from '../support/raw-http2.js';

const END_HEADERS = 4;
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** Writes until the peer has hung up or said goodbye, or `limit` writes are through; resolves with the writes it took. */
async function flood(
  socket: TLSSocket,
  frames: FrameReader,
  limit: number,
  next: (round: number) => Buffer,
): Promise<number> {
  let hungUp = false;
  void frames.closed.then(() => (hungUp = true));
  for (let round = 0; round < limit; round += 1) {
    if (hungUp || frames.has(FRAME.goaway)) return round;
    if (!socket.write(next(round))) await new Promise((resolve) => setTimeout(resolve, 1));
    if (round % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return limit;
}

describe('HTTP/2 floods', () => {
  let target: TestDaemon;
  let credentials: { port: number; ca: string; key: string; cert: string };
  let anonymous: { port: number; ca: string };

  before(async () => {
    target = await startTestDaemon();
    const ca = await readFile(join(target.options.stateDirectory, 'identity', 'ca.crt'), 'utf8');
    const node = await pairTestNode(target);
    credentials = { port: target.ports.node, ca, key: node.keyPem, cert: node.certificatePem };
    anonymous = { port: target.ports.public, ca };
  });
  after(() => target.dispose());

  const attacks: { name: string; limit: number; next: (round: number) => Buffer }[] = [
    {
      name: 'streams that are opened and reset at once (CVE-2023-44487)',
      limit: 20_000,
      next: (round) =>
        Buffer.concat([
          frame(FRAME.headers, END_HEADERS, 2 * round + 1, REQUEST_HEADERS),
          frame(FRAME.reset, 0, 2 * round + 1, CANCEL),
        ]),
    },
    {
      name: 'headers that never end (CVE-2024-27983)',
      limit: 5000,
      next: (round) =>
        round === 0
          ? frame(FRAME.headers, 0, 1, REQUEST_HEADERS)
          : frame(
              FRAME.continuation,
              0,
              1,
              Buffer.concat([Buffer.from([0x00, 0x01, 0x61, 0x7f, 0x81, 0x07]), Buffer.alloc(1024, 0x62)]),
            ),
    },
    {
      name: 'a window that overflows (CVE-2026-21714)',
      limit: 5000,
      next: () => frame(FRAME.windowUpdate, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    },
    { name: 'bytes that are no frames', limit: 5000, next: () => Buffer.alloc(64, 0xff) },
  ];

  for (const { name, limit, next } of attacks) {
    for (const port of ['node', 'public'] as const) {
      it(`ends a connection with ${name} on the ${port} port and goes on`, async () => {
        const socket = await openHttp2(port === 'node' ? credentials : anonymous);
        const frames = new FrameReader(socket);
        const writes = await flood(socket, frames, limit, next);
        const startedAt = performance.now();
        const health = await ask({ socketPath: target.socketPath }, { path: '/healthz' });
        assert.equal(health.status, 200);
        assert.ok(performance.now() - startedAt < 500, 'the daemon answers while it is attacked');
        assert.ok(writes < limit, `still open after ${writes} writes`);
        socket.destroy();
        await frames.closed;
      });
    }
  }
});
