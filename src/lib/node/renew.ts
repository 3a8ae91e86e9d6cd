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
import { WITHOUT_PROXY, type ProxySettings } from '../base/proxy.js';
import { isUnreachable } from '../base/unreachable.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { acquireLock } from '../base/lock.js';
import { fingerprintOf, spkiOf } from '../identity/device-key.js';
import { adoptNextKey, readNextKey, readOrCreateNextKey } from '../identity/device-keys.js';
import { writeNodeIdentity } from '../identity/node-identity.js';
import { signPossession } from '../identity/pairing-proof.js';
import { renewMessage, rotateMessage } from '../identity/renewal.js';
import { readCredentials, toCredentials, type NodeCredentials } from './credentials.js';
import { toRenewedIdentity } from './enroll-trust.js';
import { DaemonAddresses, nodeEndpointsOf } from './addresses.js';
import type { ChannelTrust } from './link/channel.js';
import { Connector } from './link/connector.js';
import { renewByKeyOver, rotateOver, type CallDeps, type RenewalAnswer } from './link/renewal-calls.js';
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
  /** Default: none, straight to the daemon. */
  readonly proxy?: ProxySettings;
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
    return { credentials: await renew(credentials, options, callDeps(deps, options)), changed: true };
  } finally {
    await unlock();
  }
}

function callDeps({ clock }: { readonly clock: Clock }, { proxy = WITHOUT_PROXY }: RenewOptions): CallDeps {
  return { clock, connector: new Connector({ clock }, { proxy }) };
}

async function renew(now: NodeCredentials, options: RenewOptions, deps: CallDeps): Promise<NodeCredentials> {
  const { stateDirectory, onStep } = options;
  const { answer, key } = await ask(now, options, deps);
  onStep?.('signed');
  const identity = toRenewedIdentity(now.identity, answer, { spki: spkiOf(key), now: deps.clock.now() });
  await writeNodeIdentity(stateDirectory, identity);
  onStep?.('identity-written');
  if (key !== now.key) await adoptNextKey(stateDirectory, key);
  onStep?.('done');
  return toCredentials(identity, key);
}

async function ask(
  now: NodeCredentials,
  options: RenewOptions,
  deps: CallDeps,
): Promise<{ answer: RenewalAnswer; key: KeyObject }> {
  const { stateDirectory, newKey, byKey, onStep } = options;
  if (byKey || now.certificate.notAfter <= deps.clock.now()) return askByKey(now, options, deps);
  const key = newKey ? await readOrCreateNextKey(stateDirectory) : now.key;
  if (newKey) onStep?.('key-written');
  const { deviceId } = now.identity;
  const { serial } = now.certificate;
  const { timeoutMs, signal } = options;
  const answer = await firstOf(toTrust(now), nodeEndpointsOf(now.identity), options, deps, (endpoint) => {
    const signedAtMs = Math.round(deps.clock.now());
    const possessionProof = signPossession(key, rotateMessage({ deviceId, serial, signedAtMs }));
    const request = { publicKey: spkiOf(key), signedAtMs, possessionProof };
    return rotateOver(deps, { endpoint, timeoutMs, signal }, now.material, request);
  }).catch((error: unknown) => {
    // The daemon knows a newer certificate, whose answer never arrived here.
    if (PalyraError.from(error).reason === 'CERTIFICATE_REVOKED') return null;
    throw error;
  });
  return answer === null ? askByKey(now, options, deps) : { answer, key };
}

/** The daemon may know the key that was to replace this one, if its answer was lost: both are tried. */
async function askByKey(
  now: NodeCredentials,
  options: RenewOptions,
  deps: CallDeps,
): Promise<{ answer: RenewalAnswer; key: KeyObject }> {
  const { timeoutMs, signal, stateDirectory } = options;
  const { deviceId, trustBundle } = now.identity;
  const over = (key: KeyObject) =>
    firstOf({ trustBundle }, publicEndpoints(now), options, deps, (endpoint) =>
      renewByKeyOver(deps, { endpoint, timeoutMs, signal }, trustBundle, (serverCertificateSha256) => {
        const signedAtMs = Math.round(deps.clock.now());
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

function toTrust({ material: { trustBundle, ...client } }: NodeCredentials): ChannelTrust {
  return { trustBundle, client };
}

/** One after the other, those that answer first; what the network did is tried at the next, what the daemon says is the answer. */
async function firstOf<T>(
  trust: ChannelTrust,
  endpoints: readonly string[],
  { signal }: RenewOptions,
  { clock, connector }: CallDeps,
  call: (endpoint: string) => Promise<T>,
): Promise<T> {
  const addresses = new DaemonAddresses({ clock, reach: (each, own) => connector.reach(each, trust, own) });
  let failure = new PalyraError('DAEMON_UNREACHABLE', { detail: 'no address of the daemon is known' });
  for (const endpoint of await addresses.inOrder(endpoints, signal)) {
    try {
      return await call(endpoint);
    } catch (error) {
      failure = PalyraError.from(error);
      if (!isUnreachable(failure) && failure.reason !== 'DAEMON_IDENTITY_MISMATCH') break;
    }
  }
  throw failure;
}
