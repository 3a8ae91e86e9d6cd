/** This machine takes back its own trust: told to the daemon by the node itself, so that nobody has to be logged in. */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { WITHOUT_PROXY, type ProxySettings } from '../base/proxy.js';
import { isUnreachable } from '../base/unreachable.js';
import { DaemonAddresses, nodeEndpointsOf } from './addresses.js';
import { readCredentials } from './credentials.js';
import { Connector } from './link/connector.js';
import { leaveOver } from './link/renewal-calls.js';
import { renewCertificate } from './renew.js';

/**
 * Resolves when the daemon has withdrawn its trust durably. An expired certificate is renewed first: leaving is a right that does not expire before the
 * pairing does. Throws NODE_NOT_PAIRED, NODE_REVOKED (it was done already), DAEMON_UNREACHABLE and what a renewal throws.
 */
export async function leaveDaemon(
  stateDirectory: string,
  { clock }: { readonly clock: Clock },
  { timeoutMs, proxy = WITHOUT_PROXY }: { readonly timeoutMs: number; readonly proxy?: ProxySettings },
): Promise<void> {
  let credentials = await readCredentials(stateDirectory);
  if (credentials === null) throw new PalyraError('NODE_NOT_PAIRED');
  if (credentials.certificate.notAfter <= clock.now()) {
    const options = { stateDirectory, newKey: false, replacing: null, byKey: true, timeoutMs, proxy };
    ({ credentials } = await renewCertificate(options, { clock }));
  }
  let failure = new PalyraError('DAEMON_UNREACHABLE');
  const { material, identity } = credentials;
  const connector = new Connector({ clock }, { proxy });
  const { trustBundle, ...client } = material;
  const reach = (each: string, own: AbortSignal) => connector.reach(each, { trustBundle, client }, own);
  const addresses = new DaemonAddresses({ clock, reach });
  const endpoints = await addresses.inOrder(nodeEndpointsOf(identity), undefined);
  // Each twice: the daemon ends the connections of who left soon after it withdrew its trust, and a slow answer goes with them. Asked again, it says that
  // this device is removed.
  for (const endpoint of [...endpoints, ...endpoints]) {
    try {
      await leaveOver({ clock, connector }, { endpoint, timeoutMs, signal: undefined }, material);
      return;
    } catch (error) {
      failure = PalyraError.from(error);
      if (!isUnreachable(failure)) break;
    }
  }
  throw failure;
}
