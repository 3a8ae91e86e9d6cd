/** Capabilities and registrations for tests: complete and valid unless a test says otherwise. */
import type { CapabilityDefinition, NodeFacts } from '../../src/lib/node/capabilities/capability.js';
import { BUILTIN_PLUGIN, type SourcedRegistration } from '../../src/lib/node/capabilities/catalog.js';

export const nodeFacts: NodeFacts = {
  deviceId: 'nod_01JTESTTESTTESTTESTTESTTES',
  name: 'pi-lab',
  daemonName: 'nas',
  version: '1.2.3',
  certificateFingerprint: 'ab'.repeat(32),
};

export function capability(over: Partial<CapabilityDefinition> = {}): CapabilityDefinition {
  return {
    name: 'test.run',
    version: '1.0.0',
    summary: 'Does what a test needs',
    inputSchema: { type: 'object' },
    outputSchema: {},
    sideEffects: 'none',
    mediation: 'none',
    idempotent: true,
    executionTimeoutMs: 60_000,
    run: async () => null,
    ...over,
  };
}

export function registration(...capabilities: CapabilityDefinition[]): SourcedRegistration {
  return { plugin: BUILTIN_PLUGIN, api: 1, capabilities };
}
