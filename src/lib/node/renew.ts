/**
 * One renewal of this machine's certificate, from asking to the identity on disk. A crash between any two steps leaves an identity that works:
 *
 *   (new key written) ─► asked: over the node port, or by the key alone ─► checked ─► identity.json replaced ─► (new key adopted)
 *
 * One at a time on a machine, whoever starts it: the running node or `palyra node renew`. What was asked and never arrived is asked again; the daemon
 * accepts the old certificate for a while, and the key for as long as the pairing lasts.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { acquireLock } from '../base/lock.js';
import { fingerprintOf, spkiOf } from '../identity/device-key.js';
import { adoptNextKey, readNextKey, readOrCreateNextKey } from '../identity/device-keys.js';
import { writeNodeIdentity } from '../identity/node-identity.js';
import { signPossession } from '../identity/pairing-proof.js';
import { renewMessage, rotateMessage } from '../identity/renewal.js';
import { readCredentials, toCredentials, type NodeCredentials } from './credentials.js';
import { toRenewedIdentity } from './enroll-trust.js';
import { renewByKeyOver, rotateOver, type RenewalAnswer } from './link/renewal-calls.js';
import { renewalLock } from './trust-update.js';

/** After each of these a crash is harmless; a test crashes there. */
export type RenewalStep = 'key-written' | 'signed' | 'identity-written' | 'done';

export interface RenewOptions {
  readonly stateDirectory: string;
  readonly newKey: boolean;
  /** Fingerprint of the certificate to replace: when another one is there already, that is the answer. Null: whatever is there. */
  readonly replacing: string | null;
  /** The daemon no longer accepts the certificate: only the key is left to prove who this is. */
  readonly byKey: boolean;
  /** For each address. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (step: RenewalStep) => void;
}

export interface RenewalOutcome {
  readonly credentials: NodeCredentials;
  readonly changed: boolean;
}

/**
 * Throws NODE_NOT_PAIRED, STATE_LOCKED (another renewal is under way), DAEMON_UNREACHABLE, CLOCK_SKEW, DAEMON_IDENTITY_MISMATCH, NODE_REVOKED,
 * CERTIFICATE_REVOKED, CERTIFICATE_EXPIRED, PAIRING_PROOF_INVALID or STATE_*.
 */
export async function renewCertificate(
  options: RenewOptions,
  deps: { readonly clock: Clock },
): Promise<RenewalOutcome> {
  const { stateDirectory, replacing } = options;
  const lockDirectory = renewalLock(stateDirectory);
  await ensurePrivateDirectory(lockDirectory);
  const unlock = await acquireLock(lockDirectory);
  try {
    const credentials = await readCredentials(stateDirectory);
    if (credentials === null) throw new PalyraError('NODE_NOT_PAIRED');
    if (replacing !== null && credentials.certificate.fingerprint !== replacing) return { credentials, changed: false };
    return { credentials: await renew(credentials, options, deps.clock), changed: true };
  } finally {
    await unlock();
  }
}

async function renew(now: NodeCredentials, options: RenewOptions, clock: Clock): Promise<NodeCredentials> {
  const { stateDirectory, onStep } = options;
  const { answer, key } = await ask(now, options, clock);
  onStep?.('signed');
  const identity = toRenewedIdentity(now.identity, answer, { spki: spkiOf(key), now: clock.now() });
  await writeNodeIdentity(stateDirectory, identity);
  onStep?.('identity-written');
  if (key !== now.key) await adoptNextKey(stateDirectory, key);
  onStep?.('done');
  return toCredentials(identity, key);
}

async function ask(
  now: NodeCredentials,
  options: RenewOptions,
  clock: Clock,
): Promise<{ answer: RenewalAnswer; key: KeyObject }> {
  const { stateDirectory, newKey, byKey, onStep } = options;
  if (byKey || now.certificate.notAfter <= clock.now()) return askByKey(now, options, clock);
  const key = newKey ? await readOrCreateNextKey(stateDirectory) : now.key;
  if (newKey) onStep?.('key-written');
  const { deviceId, nodeEndpoints } = now.identity;
  const { serial } = now.certificate;
  const { timeoutMs, signal } = options;
  const answer = await firstOf(nodeEndpoints, (endpoint) => {
    const signedAtMs = Math.round(clock.now());
    const possessionProof = signPossession(key, rotateMessage({ deviceId, serial, signedAtMs }));
    const request = { publicKey: spkiOf(key), signedAtMs, possessionProof };
    return rotateOver(clock, { endpoint, timeoutMs, signal }, now.material, request);
  }).catch((error: unknown) => {
    // The daemon knows a newer certificate, whose answer never arrived here.
    if (PalyraError.from(error).reason === 'CERTIFICATE_REVOKED') return null;
    throw error;
  });
  return answer === null ? askByKey(now, options, clock) : { answer, key };
}

/** The daemon may know the key that was to replace this one, if its answer was lost: both are tried. */
async function askByKey(
  now: NodeCredentials,
  options: RenewOptions,
  clock: Clock,
): Promise<{ answer: RenewalAnswer; key: KeyObject }> {
  const { timeoutMs, signal, stateDirectory } = options;
  const { deviceId, trustBundle } = now.identity;
  const over = (key: KeyObject) =>
    firstOf(publicEndpoints(now), (endpoint) =>
      renewByKeyOver(clock, { endpoint, timeoutMs, signal }, trustBundle, (serverCertificateSha256) => {
        const signedAtMs = Math.round(clock.now());
        const message = renewMessage({ deviceId, serverCertificateSha256, signedAtMs });
        return { deviceId, publicKey: spkiOf(key), signedAtMs, possessionProof: signPossession(key, message) };
      }),
    );
  try {
    return { answer: await over(now.key), key: now.key };
  } catch (error) {
    const next = await readNextKey(stateDirectory);
    if (PalyraError.from(error).reason !== 'PAIRING_PROOF_INVALID' || next === null) throw error;
    if (fingerprintOf(spkiOf(next)) === fingerprintOf(spkiOf(now.key))) throw error;
    return { answer: await over(next), key: next };
  }
}

/** Where it was paired, then the same port where the nodes are served: the daemon may have moved. */
function publicEndpoints({ identity }: NodeCredentials): string[] {
  const { host, port } = new URL(identity.publicEndpoint);
  const publicPort = port === '' ? '443' : port;
  const paired = port === '' ? `${host}:443` : host;
  const moved = identity.nodeEndpoints.map((endpoint) => endpoint.replace(/:\d+$/, `:${publicPort}`));
  return [...new Set([paired, ...moved])];
}

/** One after the other; what the network did is tried at the next, what the daemon says is the answer. */
async function firstOf<T>(endpoints: readonly string[], call: (endpoint: string) => Promise<T>): Promise<T> {
  let failure = new PalyraError('DAEMON_UNREACHABLE', { detail: 'no address of the daemon is known' });
  for (const endpoint of endpoints) {
    try {
      return await call(endpoint);
    } catch (error) {
      failure = PalyraError.from(error);
      if (failure.reason !== 'DAEMON_UNREACHABLE' && failure.reason !== 'DAEMON_IDENTITY_MISMATCH') break;
    }
  }
  throw failure;
}
