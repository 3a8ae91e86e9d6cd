/** Whether UDP reaches the daemon: `node.health` over QUIC with this node's certificate. For diagnosis; it changes nothing at the daemon. */
import { PalyraError } from '../base/errors.js';
import type { UdpAnswer } from '../base/udp-answer.js';
import { exportKey } from '../identity/device-key.js';
import { readDeviceKey, readNodeIdentity } from '../identity/material.js';
import { withDeadline } from './deadline.js';
import { QuicLink } from './link/quic.js';
import type { QuicDialDeps } from './link/quic-dial.js';
import type { StreamLinkMaterial } from './link/stream.js';

export type UdpCheck =
  | { readonly reachable: true; readonly rttMs: number; readonly daemonVersion: string }
  | { readonly reachable: false; readonly error: PalyraError };

/** Of one daemon; more of them would be no diagnosis any more. */
const MAX_ENDPOINTS = 8;

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

/** The same with the pairing of this machine, towards every address of its daemon at once; null when it is not paired. Reads, and writes nothing. */
export async function checkUdpOfMachine(
  stateDirectory: string,
  deps: QuicDialDeps,
  timeoutMs: number,
): Promise<UdpAnswer[] | null> {
  const [identity, key] = [await readNodeIdentity(stateDirectory), await readDeviceKey(stateDirectory)];
  if (identity === null || key === null) return null;
  const { certificatePem, trustBundle, nodeEndpoints } = identity;
  const material = { certificatePem, keyPem: exportKey(key), trustBundle };
  return Promise.all(
    nodeEndpoints.slice(0, MAX_ENDPOINTS).map(async (endpoint): Promise<UdpAnswer> => {
      const check = await checkUdp(endpoint, material, deps, timeoutMs);
      if (check.reachable) return { endpoint, rttMs: check.rttMs, problem: null };
      const { reason, detail, title } = check.error;
      return { endpoint, rttMs: null, problem: { reason, detail: detail ?? title } };
    }),
  );
}
