/** This machine takes back its own trust: told to the daemon by the node itself, so that nobody has to be logged in. */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { readCredentials } from './credentials.js';
import { leaveOver } from './link/renewal-calls.js';
import { renewCertificate } from './renew.js';

/**
 * Resolves when the daemon has withdrawn its trust durably. An expired certificate is renewed first: leaving is a right that does not expire before the
 * pairing does. Throws NODE_NOT_PAIRED, NODE_REVOKED (it was done already), DAEMON_UNREACHABLE and what a renewal throws.
 */
export async function leaveDaemon(
  stateDirectory: string,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<void> {
  let credentials = await readCredentials(stateDirectory);
  if (credentials === null) throw new PalyraError('NODE_NOT_PAIRED');
  if (credentials.certificate.notAfter <= clock.now()) {
    const options = { stateDirectory, newKey: false, replacing: null, byKey: true, timeoutMs };
    ({ credentials } = await renewCertificate(options, { clock }));
  }
  let failure = new PalyraError('DAEMON_UNREACHABLE');
  const { nodeEndpoints } = credentials.identity;
  // Each twice: the daemon ends the connections of who left soon after it withdrew its trust, and a slow answer goes with them. Asked again, it says that
  // this device is removed.
  for (const endpoint of [...nodeEndpoints, ...nodeEndpoints]) {
    try {
      await leaveOver(clock, { endpoint, timeoutMs, signal: undefined }, credentials.material);
      return;
    } catch (error) {
      failure = PalyraError.from(error);
      if (failure.reason !== 'DAEMON_UNREACHABLE') break;
    }
  }
  throw failure;
}
