/** From what a caller asks to what the mailbox accepts: the capability must be offered and granted, the input must fit, the times must be sane. */
import { PalyraError } from '../base/errors.js';
import { assertMatchesSchema } from '../base/json-schema.js';
import type { JsonValue, NodeRecord, NodeView } from '../base/model.js';
import type { NewDispatch } from './mailbox.js';
import { usableCapabilities } from './registry.js';

export interface DispatchRequest {
  /** Name, id or unique id prefix. */
  readonly node: string;
  readonly capability: string;
  /** The input as text, carried on as it is, */
  readonly inputJson: string;
  /** and parsed, for the schema. */
  readonly input: JsonValue;
  readonly timeoutMs?: number | undefined;
  readonly queueMs?: number | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** Beyond the run's own limit: delivery, answer and two writes. */
const DELIVERY_MARGIN_MS = 5_000;
/** What a person at the machine is given to answer, as the nodes do by default. */
const PERSON_MS = 60_000;

/** Throws NODE_NOT_TRUSTED, CAPABILITY_NOT_FOUND, CAPABILITY_NOT_GRANTED or INPUT_INVALID. */
export function planDispatch(
  node: NodeRecord,
  request: DispatchRequest,
): Omit<NewDispatch, 'id' | 'requestedBy' | 'requestedWith'> {
  if (node.trust === 'revoked') throw new PalyraError('NODE_NOT_TRUSTED', { detail: node.name });
  const descriptor = node.announced.find((candidate) => candidate.name === request.capability);
  if (descriptor === undefined) {
    const offered = usableCapabilities(node);
    throw new PalyraError('CAPABILITY_NOT_FOUND', {
      detail: `${node.name} has no "${request.capability}"${offered.length === 0 ? '' : `; it has ${offered.join(', ')}`}`,
      details: { node: node.name, capability: request.capability, offered },
    });
  }
  if (!node.granted.includes(descriptor.name)) {
    throw new PalyraError('CAPABILITY_NOT_GRANTED', {
      detail: `"${descriptor.name}" on ${node.name}`,
      details: { node: node.name, capability: descriptor.name },
    });
  }
  assertMatchesSchema(request.input, descriptor.inputSchema, 'input', { trusted: false });
  const personMs = descriptor.mediation === 'ask' ? PERSON_MS : 0;
  const timeoutMs = request.timeoutMs ?? descriptor.executionTimeoutMs + DELIVERY_MARGIN_MS + personMs;
  return {
    nodeId: node.id,
    capability: descriptor.name,
    inputJson: request.inputJson,
    idempotent: descriptor.idempotent,
    sideEffects: descriptor.sideEffects,
    idempotencyKey: request.idempotencyKey ?? null,
    runTimeoutMs: Math.min(descriptor.executionTimeoutMs, timeoutMs),
    timeoutMs: timeoutMs + (request.queueMs ?? 0),
    queueMs: request.queueMs ?? null,
  };
}

/** NODE_OFFLINE in words: since when and why. */
export function describeOffline(node: NodeView, wall: number): PalyraError {
  const since = node.lastSeenAt ?? node.presenceSince;
  const when = since === null ? '' : `, ${ago(wall - Date.parse(since))}`;
  const how = node.presenceReason ?? (node.presence === 'never-seen' ? 'never seen' : node.presence);
  return new PalyraError('NODE_OFFLINE', {
    detail: `${node.name} is offline (${how}${when})`,
    details: { node: node.name, lastSeenAt: node.lastSeenAt, presenceReason: node.presenceReason },
  });
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}
