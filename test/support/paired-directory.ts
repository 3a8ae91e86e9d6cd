/** A node's state directory as pairing leaves it, without the pairing. */
import type { KeyObject } from 'node:crypto';

import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { caPin } from '../../src/lib/identity/codes.js';
import { spkiOf } from '../../src/lib/identity/device-key.js';
import { readOrCreateDeviceKey, writeNodeIdentity, type NodeIdentity } from '../../src/lib/identity/material.js';

export const DEVICE_ID = 'nod_01JTESTTESTTESTTESTTESTTES';

export async function pairDirectory(
  directory: string,
  authority: Authority,
  nodeEndpoints: readonly string[],
): Promise<{ identity: NodeIdentity; key: KeyObject }> {
  const key = await readOrCreateDeviceKey(directory);
  const now = Date.now();
  const issued = authority.issueNode({ deviceId: DEVICE_ID, spki: spkiOf(key), now, random: systemRandom });
  const identity: NodeIdentity = {
    deviceId: DEVICE_ID,
    name: 'pi-lab',
    certificatePem: issued.certificatePem,
    trustBundle: [authority.certificatePem],
    nodeEndpoints,
    daemonName: 'nas',
    publicEndpoint: 'https://127.0.0.1:7443',
    caPin: caPin(authority.spki),
    grantedCapabilities: [],
    pairedAt: now,
  };
  await writeNodeIdentity(directory, identity);
  return { identity, key };
}
