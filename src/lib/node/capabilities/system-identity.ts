/** `system.identity`: who this node is, to the daemon and to itself. Public facts only; the key is not among them. */
import { arch, hostname, platform, release } from 'node:os';

import type { CapabilityDefinition } from './capability.js';

const text = { type: 'string' };

export const systemIdentity: CapabilityDefinition = {
  name: 'system.identity',
  version: '1.0.0',
  summary: 'Name, device id, host name, platform and certificate fingerprint of this node',
  inputSchema: { type: 'object', properties: {}, additionalProperties: false },
  outputSchema: {
    type: 'object',
    required: [
      'deviceId',
      'name',
      'daemonName',
      'version',
      'certificateFingerprint',
      'hostname',
      'platform',
      'release',
      'arch',
    ],
    additionalProperties: false,
    properties: {
      deviceId: text,
      name: text,
      daemonName: text,
      version: text,
      certificateFingerprint: { type: 'string', pattern: '^[0-9a-f]{64}$' },
      hostname: text,
      platform: text,
      release: text,
      arch: text,
    },
  },
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 5_000,
  run: async ({ node }) => ({
    deviceId: node.deviceId,
    name: node.name,
    daemonName: node.daemonName,
    version: node.version,
    certificateFingerprint: node.certificateFingerprint,
    hostname: hostname(),
    platform: platform(),
    release: release(),
    arch: arch(),
  }),
};
