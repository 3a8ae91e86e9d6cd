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
