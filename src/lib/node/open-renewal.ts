/** The certificate of this machine from what is on disk, renewed and stored there. */
import { PalyraError } from '../base/errors.js';
import type { NodeHostConfig } from './config.js';
import { readCredentials } from './credentials.js';
import { renewCertificate } from './renew.js';
import { RenewalSchedule, type RenewalScheduleDeps } from './renewal-schedule.js';
import { storeTrustBundle } from './trust-update.js';

/** Throws NODE_NOT_PAIRED or STATE_*. */
export async function openRenewal(
  deps: Pick<RenewalScheduleDeps, 'clock' | 'random' | 'log'>,
  { stateDirectory, timings, proxy }: NodeHostConfig,
): Promise<RenewalSchedule> {
  const credentials = await readCredentials(stateDirectory);
  if (credentials === null) throw new PalyraError('NODE_NOT_PAIRED');
  const fixed = { stateDirectory, newKey: false, timeoutMs: timings.connectTimeoutMs, proxy };
  return new RenewalSchedule(
    {
      ...deps,
      renew: async (how) => (await renewCertificate({ ...fixed, ...how }, { clock: deps.clock })).credentials,
      trust: (certificates) => storeTrustBundle(stateDirectory, certificates),
      read: () => readCredentials(stateDirectory).catch(() => null),
    },
    credentials,
  );
}
