/** `system.which`: where a program is on this machine, or that it is not there. It looks and runs nothing. */
import type { CapabilityDefinition } from './capability.js';
import { findProgram, type Environment } from './opener.js';

export function systemWhich(env: Environment, platform: NodeJS.Platform): CapabilityDefinition {
  return {
    name: 'system.which',
    version: '1.0.0',
    summary: 'Where a program is in the PATH of this node; null when it is not there',
    inputSchema: {
      type: 'object',
      required: ['name'],
      additionalProperties: false,
      properties: {
        name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$', description: 'Such as git' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['name', 'path'],
      additionalProperties: false,
      properties: { name: { type: 'string' }, path: { type: ['string', 'null'] } },
    },
    sideEffects: 'none',
    mediation: 'none',
    idempotent: true,
    executionTimeoutMs: 5_000,
    run: async ({ input }) => {
      const { name } = input as { name: string };
      return { name, path: findProgram(name, env, platform) };
    },
  };
}
