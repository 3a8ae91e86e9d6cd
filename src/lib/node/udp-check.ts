/** Whether UDP reaches the daemon: `node.health` over QUIC with this node's certificate. For diagnosis; it changes nothing at the daemon. */
import { PalyraError } from '../base/errors.js';
import { withDeadline } from './deadline.js';
import { QuicLink } from './link/quic.js';
import type { QuicDialDeps } from './link/quic-dial.js';
import type { StreamLinkMaterial } from './link/stream.js';

export type UdpCheck =
  | { readonly reachable: true; readonly rttMs: number; readonly daemonVersion: string }
  | { readonly reachable: false; readonly error: PalyraError };

/** Never rejects. `rttMs` is of one request on a connection that stands. */
export async function checkUdp(
  endpoint: string,
  material: StreamLinkMaterial,
  deps: QuicDialDeps,
  timeoutMs = 5_000,
): Promise<UdpCheck> {
  const { clock } = deps;
  const link = new QuicLink(endpoint, material, deps);
  const late = () => new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it did not answer over UDP` });
  try {
    const never = new AbortController().signal;
    return await withDeadline(clock, { timeoutMs, signal: never, late }, async (signal) => {
      await link.health(signal);
      const askedAt = clock.monotonic();
      const { version } = await link.health(signal);
      return { reachable: true, rttMs: clock.monotonic() - askedAt, daemonVersion: version };
    });
  } catch (error) {
    return { reachable: false, error: PalyraError.from(error) };
  } finally {
    link.destroy();
  }
}
