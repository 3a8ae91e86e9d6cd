/** Bounds of what travels on a node's link, the same for every carrier: what one lets in, every other can carry. */
import { invalid } from './fields.js';

/** Depth: far above what people write, far below what a recursive reader survives. An output may wrap its input, hence the step. */
export const INPUT_LIMITS = { maxBytes: 512 * 1024, maxDepth: 64 } as const;
/** A node checks its outputs and its progress against these before it sends them: a message that is refused ends the link. */
export const OUTPUT_LIMITS = { maxBytes: 1024 * 1024, maxDepth: 128 } as const;
export const PROGRESS_LIMITS = { maxBytes: 64 * 1024, maxDepth: 128 } as const;
export const SCHEMA_LIMITS = { maxBytes: 64 * 1024, maxDepth: 32 } as const;

/** Far above what one node can hold: 16 at once, and results that wait for their acknowledgement. */
export const MAX_DISPATCHES = 1024;
/** More than this waiting for one node means that it does not keep up; who asks for more is told at once. */
export const MAX_QUEUE_PER_NODE = 256;
/** One machine with every plugin there is has a few dozen. */
export const MAX_DESCRIPTORS = 256;
export const MAX_CREDIT = 16;
/** CA certificates in a trust bundle: two while one replaces the other. */
export const MAX_AUTHORITIES = 4;
export const MAX_EXECUTION_MS = 3_600_000;
export const MAX_PROTOCOL = 65_535;
/** Of one absence and of one step of a clock: a hundred years. */
export const MAX_AWAY_MS = 36_525 * 86_400_000;
export const MAX_UINT32 = 2 ** 32 - 1;

/** How long a node that was refused too often is not let in, and does not come. */
export const DENIAL_PENALTY_MS = 60_000;

const CAPABILITY_NAME = /^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$/;
const MAX_CAPABILITY_NAME = 64;

/** `area.action`, lower case, at most 64 characters. */
export function readCapabilityName(field: string, value: string): string {
  if (value.length > MAX_CAPABILITY_NAME || !CAPABILITY_NAME.test(value))
    throw invalid(field, 'is not a capability name');
  return value;
}
