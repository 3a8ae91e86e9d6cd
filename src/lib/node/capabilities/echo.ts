/** `echo`: gives back what it was given. The smallest proof that a node is reachable and runs things; it changes nothing. */
import type { CapabilityDefinition } from './capability.js';

export const echo: CapabilityDefinition = {
  name: 'echo',
  version: '1.0.0',
  summary: 'Gives back its input, for example {"text": "hello"}',
  inputSchema: {
    type: 'object',
    properties: { text: { type: 'string', description: 'Anything; comes back unchanged' } },
    additionalProperties: true,
  },
  outputSchema: { type: 'object' },
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 5_000,
  run: async ({ input }) => input,
};
