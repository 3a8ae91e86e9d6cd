/** The identity on disk with its key, as connections use it. */
import type { KeyObject } from 'node:crypto';
import { readCertificate, type CertificateFacts } from '../identity/certificate.js';
import { exportKey } from '../identity/device-key.js';
import { readKeyFor } from '../identity/device-keys.js';
import { readNodeIdentity, type NodeIdentity } from '../identity/node-identity.js';
import type { StreamLinkMaterial } from './link/stream.js';

export interface NodeCredentials {
  readonly identity: NodeIdentity;
  readonly key: KeyObject;
  readonly certificate: CertificateFacts;
  readonly material: StreamLinkMaterial;
}

/** Null when this machine is not paired. Throws STATE_*. */
export async function readCredentials(stateDirectory: string): Promise<NodeCredentials | null> {
  const identity = await readNodeIdentity(stateDirectory);
  return identity === null ? null : toCredentials(identity, await readKeyFor(stateDirectory, identity.certificatePem));
}

export function toCredentials(identity: NodeIdentity, key: KeyObject): NodeCredentials {
  const { certificatePem, trustBundle } = identity;
  const material = { certificatePem, keyPem: exportKey(key), trustBundle };
  return { identity, key, certificate: readCertificate(certificatePem), material };
}
