/** The QUIC driver on bad networks: an in-memory wire that loses, doubles, reorders and delays, from a seed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { QuicBench, createPki, readAll, request } from '../support/quic.js';
import { MemoryWire, type WireRules } from '../support/quic-wire.js';
import { seededRandom } from '../support/seeded-random.js';

describe('QUIC over a bad network', () => {
  const pki = createPki();
  let bench: QuicBench;
  let wire: MemoryWire;
  beforeEach(() => (bench = new QuicBench(pki)));
  afterEach(async () => {
    await bench.dispose();
    wire.dispose();
  });

  const over = async (seed: number, rules: WireRules) => {
    const random = seededRandom(seed);
    wire = new MemoryWire(() => random.fraction(), rules);
    const server = await bench.server({ datagrams: wire.port() });
    return bench.client(server, { datagrams: wire.port() });
  };

  for (const seed of [1, 2, 3]) {
    it(`completes every transfer at 5 % loss, 20 ms delay, reordering and duplicates (seed ${seed})`, async function () {
      this.timeout(60_000);
      const client = await over(seed, { loss: 0.05, duplicate: 0.02, reorder: 0.1, delayMs: 20 });
      const bytes = randomBytes(256 * 1024);
      const requests = Array.from({ length: 40 }, (_, index) => request(client, Buffer.from(`request ${index}`)));
      const stream = await client.openStream();
      stream.end(bytes);
      assert.ok((await readAll(stream)).equals(bytes));
      assert.deepEqual(
        (await Promise.all(requests)).map(String),
        requests.map((_, index) => `request ${index}`),
      );
      assert.ok(wire.counts.lost > 0 && wire.counts.reordered > 0 && wire.counts.duplicated > 0);
    });
  }

  it('never stands still on a path that goes on losing: small messages both ways for 12 s', async function () {
    this.timeout(60_000);
    const client = await over(4, { loss: 0.05, reorder: 0.1, delayMs: 20 });
    const message = Buffer.alloc(300, 'x');
    const stream = await client.openStream();
    let sent = 0;
    let received = 0;
    let heardAt = performance.now();
    let longestMs = 0;
    stream.setReader({
      data: (chunk) => {
        longestMs = Math.max(longestMs, performance.now() - heardAt);
        heardAt = performance.now();
        received += chunk.length;
      },
      end: () => undefined,
      failed: () => undefined,
    });
    const endAt = heardAt + 12_000;
    while (performance.now() < endAt) {
      while (sent - received < 64 * message.length && stream.write(message)) sent += message.length;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    longestMs = Math.max(longestMs, performance.now() - heardAt);
    // The round trip has 40 ms; one that is believed to have seconds keeps what was lost from being sent again.
    assert.ok(client.stats().rttMs < 500, `${client.stats().rttMs} ms`);
    assert.ok(longestMs < 2_000, `${longestMs} ms`);
  });

  it('goes on after the path was dead for a while', async function () {
    this.timeout(60_000);
    const client = await over(9, { delayMs: 1 });
    assert.equal((await request(client, Buffer.from('before'))).toString(), 'before');
    wire.cut = true;
    const during = request(client, Buffer.from('during'));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    wire.cut = false;
    assert.equal((await during).toString(), 'during');
    assert.ok(wire.counts.lost > 0);
  });
});
