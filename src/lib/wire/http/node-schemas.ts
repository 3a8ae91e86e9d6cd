/** The parts that schemas of several routes are made of: nodes, their names and labels, pages. */
import * as z from 'zod';
import { ABSENCE_REASONS } from '../../base/absences.js';
import { CHANNELS } from '../../base/questions.js';

const timestamp = z.iso.datetime();

/** Names of nodes: letters, digits, dot, dash, underscore; 1 to 63; starts with a letter or digit. */
export const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const CAPABILITY_NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;
export const label = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9._/-]*$/);
export const labels = z
  .record(label.min(1), label)
  .refine((value) => Object.keys(value).length <= 32, 'at most 32 labels');

const certificate = z.object({ fingerprint: z.string(), notAfter: timestamp, daysLeft: z.int() });

export const nodeView = z.object({
  id: z.string(),
  name: z.string(),
  hostname: z.string(),
  purpose: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  presence: z.enum(['online', 'late', 'offline', 'never-seen', 'revoked', 'expired', 'conflict']),
  presenceReason: z.enum(['stopped', 'lost']).nullable(),
  presenceSince: timestamp.nullable(),
  lastSeenAt: timestamp.nullable(),
  trust: z.enum(['paired', 'revoked']),
  platform: z.string(),
  arch: z.string(),
  version: z.string(),
  protocol: z.int(),
  outdated: z.boolean(),
  address: z.string().nullable(),
  transport: z.enum(['grpc', 'poll', 'quic']).nullable(),
  certificate: certificate.nullable(),
  capabilities: z.array(z.string()),
  asksThrough: z
    .array(z.enum(CHANNELS))
    .nullable()
    .describe('How a person at the machine could be asked, in that order; empty: nobody could; null: it does not say.'),
  queue: z.object({ waiting: z.int(), running: z.int() }),
  rival: z
    .object({ address: z.string(), since: timestamp })
    .nullable()
    .describe('While the presence is conflict: another machine that uses its identity.'),
  ephemeralMs: z
    .int()
    .nullable()
    .describe('It is removed by itself when nobody has seen it for this long; null: it stays.'),
  replaces: z
    .object({ nodeId: z.string(), name: z.string() })
    .nullable()
    .describe('The node whose place it took, by the name that one had then.'),
  pairedAt: timestamp,
  pairedBy: z.string(),
});

/** One time that a node was away. */
export const absenceView = z.object({
  from: timestamp,
  to: timestamp.nullable().describe('Null: it is away now.'),
  reason: z.enum(ABSENCE_REASONS),
  message: z.string().describe('The reason, for people.'),
  times: z.int().describe('How often the link was lost in that time.'),
});

export const nodeSummary = z.object({
  total: z.int(),
  online: z.int(),
  late: z.int(),
  offline: z.int(),
  asking: z.int(),
  /** Of the total: trust was withdrawn, the record is kept. */
  revoked: z.int(),
  /** Of those online: two machines use their identity. */
  conflict: z.int(),
});

export const none = z.strictObject({});
/** Query values arrive as text. */
export const pageQuery = {
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number<string | number>().int().min(1).max(1000).optional(),
};

/** Where the daemon is served. */
export const listeners = z.array(
  z.object({ purpose: z.enum(['local', 'public', 'node-rpc', 'console']), url: z.string() }),
);
