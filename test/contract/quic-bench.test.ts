/** The bench and the soak of QUIC run and show every row. What they measure is for people: figures of a busy test machine are not asserted. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Row {
  readonly name: string;
  readonly ours: number | null;
  readonly library: number | null;
}

/** Exit code 1 is a verdict about figures; anything on stderr, or no document, is a script that does not work. */
function runScript(name: string, ...options: string[]): Promise<unknown> {
  const script = fileURLToPath(new URL(`../bench/${name}`, import.meta.url));
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', script, ...options], (error, stdout, stderr) => {
      if (stdout === '') reject(error ?? new Error(stderr));
      else resolve(JSON.parse(stdout));
    });
  });
}

describe('The scripts that measure QUIC', () => {
  it('measure our driver, the classes of the library and the floors in one run', async function () {
    this.timeout(180_000);
    const { floors, newStreamToUdpPingPong, rows } = (await runScript('quic.ts', '--quick', '--json')) as {
      floors: Record<string, number>;
      newStreamToUdpPingPong: { ratio: number };
      rows: Row[];
    };
    assert.deepEqual(
      rows.map(({ name }) => name),
      [
        'handshakeMsP50',
        'newStreamMsP50',
        'newStreamMsP99',
        'pingPongMsP50',
        'pingPongMsP99',
        'requestsPerSecond64',
        'bulkMegabytesPerSecond',
        'kilobytesPerConnection',
        'fanOutDeliveriesPerSecond',
        'fanOutOf20DeliveriesPerSecond',
      ],
    );
    for (const { name, ours } of rows) assert.equal(typeof ours, 'number', `${name} of our driver stalls`);
    // The library may stall under load; when it can be measured alone it must have been.
    const alone = rows.find(({ name }) => name === 'newStreamMsP50')!;
    assert.ok(alone.library! > 0 && alone.ours! > 0);
    assert.ok(floors['udpPingPongMsP50']! > 0 && floors['tlsPingPongMsP50']! > 0 && newStreamToUdpPingPong.ratio > 0);
  });

  it('hold connections with events for a while, and lose none', async function () {
    this.timeout(60_000);
    const soak = (await runScript('quic-soak.ts', '0.07', '--connections', '8', '--json')) as {
      lost: number;
      samples: { server: { rssMb: number; timers: number }; clients: { received: number } }[];
    };
    assert.equal(soak.lost, 0);
    assert.ok(soak.samples.length >= 4);
    assert.ok(soak.samples.every(({ server }) => server.rssMb > 0 && server.timers > 0));
    assert.ok(soak.samples.at(-1)!.clients.received > 0);
  });
});
