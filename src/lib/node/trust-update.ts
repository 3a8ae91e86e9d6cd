/**
 * The CAs this machine trusts change: the daemon says so over a link that is authenticated both ways, and from the next connection on that is what holds.
 * What was pinned when the machine was paired, and everything that hangs on it, stays as it is: it is the same daemon.
 */
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { acquireLock } from '../base/lock.js';
import { writeNodeIdentity } from '../identity/node-identity.js';
import { readCredentials, toCredentials, type NodeCredentials } from './credentials.js';
import { readAuthorities } from './enroll-trust.js';

/**
 * Durable when it resolves; with what is on disk when that is the same already. One change of the identity at a time, renewals included.
 * Throws STATE_LOCKED while another one is under way, MESSAGE_INVALID when there is no CA among them, NODE_NOT_PAIRED or STATE_*.
 */
export async function storeTrustBundle(
  stateDirectory: string,
  certificates: readonly string[],
): Promise<NodeCredentials> {
  const trustBundle = readAuthorities(certificates);
  if (trustBundle.length === 0)
    throw new PalyraError('MESSAGE_INVALID', { detail: 'there is no CA in the trust bundle' });
  const lockDirectory = renewalLock(stateDirectory);
  await ensurePrivateDirectory(lockDirectory);
  const unlock = await acquireLock(lockDirectory);
  try {
    const now = await readCredentials(stateDirectory);
    if (now === null) throw new PalyraError('NODE_NOT_PAIRED');
    if (isSameBundle(now.identity.trustBundle, trustBundle)) return now;
    const identity = { ...now.identity, trustBundle };
    await writeNodeIdentity(stateDirectory, identity);
    return toCredentials(identity, now.key);
  } finally {
    await unlock();
  }
}

export function isSameBundle(a: readonly string[], b: readonly string[]): boolean {
  return fingerprintsOf(a) === fingerprintsOf(b);
}

function fingerprintsOf(bundle: readonly string[]): string {
  return readAuthorities(bundle)
    .map((pem) => new X509Certificate(pem).fingerprint256)
    .join();
}

/** Whether the CA that signs now, the first of the bundle, made this certificate. */
export function isOfSigner({ identity }: NodeCredentials): boolean {
  const [signer] = identity.trustBundle;
  if (signer === undefined) return true;
  const ca = new X509Certificate(signer);
  const certificate = new X509Certificate(identity.certificatePem);
  return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}

/** Where whoever changes the identity of this machine takes its turn. */
export function renewalLock(stateDirectory: string): string {
  return join(stateDirectory, 'renewal');
}
