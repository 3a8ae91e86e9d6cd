/** Query, body and answer of the routes with which operators look after a fleet. Spread into `SCHEMAS`. */
import * as z from 'zod';
import { CAPABILITY_NAME, listeners, NODE_NAME, nodeView, none, pageQuery } from './node-schemas.js';

const timestamp = z.iso.datetime();

export const inventoryDevice = z.object({
  /** A paired machine, or a request to join. */
  kind: z.enum(['node', 'request']),
  id: z.string(),
  name: z.string(),
  hostname: z.string(),
  trust: z.enum(['paired', 'revoked', 'asking']),
  presence: z.enum([...nodeView.shape.presence.options, 'asking']),
  /** `pin`: whoever approves it types the PIN that the machine shows. */
  presenceReason: z.enum(['stopped', 'lost', 'pin']).nullable(),
  presenceSince: timestamp.nullable(),
  lastSeenAt: timestamp.nullable(),
  platform: z.string(),
  arch: z.string(),
  version: z.string(),
  address: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  certificate: nodeView.shape.certificate,
  /** Requests about this device that wait for a person. */
  approvals: z.array(z.string()),
  capabilities: z.object({ announced: z.int(), granted: z.int(), names: z.array(z.string()) }),
  queue: nodeView.shape.queue,
  /** What is possible now and allowed for who asks. `queue`: held until the node is back. */
  actions: z.array(
    z.enum(['invoke', 'queue', 'wait', 'rename', 'label', 'revoke', 'restore', 'remove', 'approve', 'reject']),
  ),
  warnings: z.array(
    z.object({
      code: z.enum(['certificate-expiring', 'outdated', 'offline-long', 'outcome-unknown', 'identity-copied']),
      message: z.string(),
    }),
  ),
});

export const pruneCandidate = z.object({
  node: nodeView,
  /** Not seen for so long while the daemon was there to see it. */
  unseenMs: z.int(),
  /** The daemon itself was away for so long of that time; it does not count. */
  daemonDownMs: z.int(),
});

export const rotation = z.object({
  phase: z.enum(['none', 'overlap', 'retiring', 'done']),
  startedAt: timestamp.nullable(),
  startedBy: z.string().nullable(),
  /** The old CA stays at least until then; when it is forced, at most. */
  keepUntil: timestamp.nullable(),
  forced: z.boolean(),
  endedAt: timestamp.nullable(),
  /** The words of the CA that is shown, and of the one that takes over. */
  ca: z.string(),
  nextCa: z.string().nullable(),
  nodes: z.object({
    holding: z.int(),
    total: z.int(),
    waiting: z.array(z.object({ name: z.string(), online: z.boolean() })),
  }),
  /** Open invites that end with the old CA; when it is over: that did. */
  invites: z.int(),
  /** Nodes that have to be paired again. */
  leftBehind: z.array(z.string()),
});

/** Milliseconds late, and bytes. */
export const vitals = z.object({
  eventLoop: z.object({ measuredMs: z.int(), p50Ms: z.int(), p99Ms: z.int(), maxMs: z.int() }),
  memory: z.object({ rssBytes: z.int(), heapUsedBytes: z.int(), heapLimitBytes: z.int() }),
});

const changedNode = z.object({ node: nodeView, changed: z.boolean() });

const capabilityNames = z.array(z.string().max(64).regex(CAPABILITY_NAME)).max(256);

export const fleetSchemas = {
  'inventory.list': {
    query: z.strictObject(pageQuery),
    body: none,
    answer: z.object({
      devices: z.array(inventoryDevice),
      nextCursor: z.string().nullable(),
      /** `Last-Event-ID` for the events after this answer. */
      position: z.string(),
    }),
  },
  'inventory.show': { query: none, body: none, answer: z.object({ device: inventoryDevice, position: z.string() }) },
  'nodes.revoke': { query: none, body: none, answer: changedNode },
  'nodes.restore': {
    query: none,
    /** Another name, when its own was given away meanwhile. */
    body: z.strictObject({ name: z.string().regex(NODE_NAME).optional() }),
    answer: changedNode,
  },
  'nodes.grants': {
    query: none,
    body: z
      .strictObject({ grant: capabilityNames.default([]), withhold: capabilityNames.default([]) })
      .refine(({ grant, withhold }) => !grant.some((name) => withhold.includes(name)), 'one name is in both lists'),
    answer: changedNode,
  },
  'daemon.expose': {
    query: none,
    /** `lan`, `loopback` or addresses of the daemon's machine. */
    body: z.strictObject({ listen: z.array(z.string().min(1).max(64)).min(1).max(16) }),
    answer: z.object({ changed: z.boolean(), listen: listeners }),
  },
  'daemon.vitals': { query: none, body: none, answer: z.object({ vitals }) },
  'daemon.rotation': { query: none, body: none, answer: z.object({ rotation }) },
  'daemon.rotateCa': {
    query: none,
    body: z.strictObject({
      /** Does not wait for nodes that are away. */
      force: z.boolean().default(false),
      /** The old one stays at least so long; up to a year. */
      keepMs: z.int().min(0).max(31_536_000_000).default(0),
    }),
    answer: z.object({ changed: z.boolean(), rotation }),
  },
  'nodes.prune': {
    query: none,
    body: z.strictObject({
      /** An hour to ten years. */
      notSeenForMs: z.int().min(3_600_000).max(315_360_000_000),
      /** False: only tells which ones. */
      apply: z.boolean().default(false),
      /** Of those that qualify only these ids: what somebody has seen and said yes to. */
      only: z.array(z.string().max(64)).max(10_000).optional(),
    }),
    answer: z.object({ candidates: z.array(pruneCandidate), removed: z.boolean() }),
  },
};
