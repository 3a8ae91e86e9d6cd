/**
 * npm run bench -- --transport quic: durable dispatches with 64 in flight, over gRPC and over another transport of the node's link, in turns in one run of
 * one daemon, so that both meet the same machine. Prints one JSON document with the ratio; asserts nothing.
 */
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { Sandbox } from '../support/palyra.js';

const IN_FLIGHT = 64;
const DISPATCHES = 2_000;
/** Turns of each; the median counts. */
const TURNS = 3;

export async function compareTransports(transport: string): Promise<void> {
  const sandbox = new Sandbox();
  try {
    const status = await sandbox.startDaemon();
    const local = (status.listen as { url: string }[]).find(({ url }) => url.startsWith('unix:'))!;
    const client = new ControlPlaneClient({ socketPath: local.url.slice('unix:'.length) });
    const perSecond: Record<string, number[]> = { grpc: [], [transport]: [] };
    for (const name of Object.keys(perSecond)) {
      const { link } = await sandbox.invite(['--name', name]);
      await sandbox.startNode(name, [link, '--transport', name]);
      await run(client, name, 500);
    }
    for (let turn = 0; turn < TURNS; turn++)
      for (const [name, rates] of Object.entries(perSecond)) rates.push(await run(client, name, DISPATCHES));
    await client.close();
    const median = (name: string) => perSecond[name]!.toSorted((a, b) => a - b)[TURNS >> 1]!;
    const result = {
      node: process.version,
      inFlight: IN_FLIGHT,
      dispatches: DISPATCHES,
      perSecond,
      ratio: Math.round((median(transport) / median('grpc')) * 100) / 100,
    };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await sandbox.dispose();
  }
}

/** Dispatches a second. */
async function run(client: ControlPlaneClient, node: string, count: number): Promise<number> {
  let left = count;
  const at = performance.now();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) {
        const asked = { capability: 'echo', input: { text: 'x' } };
        const { state } = await client.createDispatch(node, asked, { waitMs: 60_000 });
        if (state !== 'succeeded') throw new Error(`echo ended ${state}`);
      }
    }),
  );
  return Math.round((count / (performance.now() - at)) * 1000);
}
