/**
 * Schemas of every route's query, body and answer, by route id. The daemon validates requests with them; the typed client takes only their types
 * (`import type`), so that zod is not loaded by the CLI; `docs/schemas` and the contract tests are made from them.
 *
 * Requests are strict: an unknown field is refused, because a typo that is ignored is a wrong run. Answers are open: fields may be added in v1.
 */
import * as z from 'zod';
import type { RouteId } from './routes.js';
import { fleetSchemas, rotation } from './fleet-schemas.js';
import {
  absenceView,
  CAPABILITY_NAME,
  label,
  labels,
  listeners,
  NODE_NAME,
  nodeSummary,
  nodeView,
  none,
  pageQuery,
} from './node-schemas.js';
import { DISPATCH_STATE_NAMES, type JsonValue } from '../../base/model.js';
import { CHANNELS } from '../../base/questions.js';
import { OPERATOR_NAME, SESSION_SCHEMAS } from './session-schemas.js';

const timestamp = z.iso.datetime();
const askedPerson = z
  .object({ channel: z.enum(CHANNELS), askedAt: timestamp, expiresAt: timestamp })
  .describe('How the person at the machine is or was asked, and until when they can answer; null: nobody was.');
export { CAPABILITY_NAME, NODE_NAME, nodeSummary, nodeView } from './node-schemas.js';
export const jsonValue = z.json() as z.ZodType<JsonValue>;

const presence = z.enum(['online', 'late', 'offline', 'never-seen', 'revoked', 'expired', 'conflict']);
const purposeText = z.string().min(1).max(200);
export const capabilityView = z.object({
  name: z.string(),
  version: z.string(),
  summary: z.string(),
  inputSchema: z.record(z.string(), z.unknown()),
  outputSchema: z.record(z.string(), z.unknown()),
  sideEffects: z.enum(['none', 'local', 'external']),
  mediation: z.enum(['none', 'ask']),
  idempotent: z.boolean(),
  executionTimeoutMs: z.int(),
  granted: z.boolean(),
});

export const dispatchView = z.object({
  id: z.string(),
  node: z.string(),
  nodeId: z.string(),
  capability: z.string(),
  state: z.enum(DISPATCH_STATE_NAMES),
  attempt: z.int(),
  input: jsonValue,
  output: jsonValue,
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  sideEffects: z.enum(['none', 'local', 'external']),
  idempotent: z.boolean(),
  retrySafe: z.boolean(),
  timings: z.object({
    queuedAt: timestamp,
    deliveredAt: timestamp.nullable(),
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    totalMs: z.int().nullable(),
  }),
  deadlineAt: timestamp,
  requestedBy: z.string(),
  approval: askedPerson.nullable(),
});

/** Rows of lists: what may be large is left out. */
export const dispatchListing = dispatchView.omit({ input: true, output: true });
export const capabilityOffer = capabilityView
  .omit({ granted: true })
  .extend({ nodes: z.array(z.object({ id: z.string(), name: z.string(), granted: z.boolean() })) });
export const capabilitySummary = capabilityOffer.omit({ inputSchema: true, outputSchema: true });

export const inviteView = z.object({
  id: z.string(),
  state: z.enum(['open', 'used', 'expired', 'revoked']),
  createdAt: timestamp,
  createdBy: z.string(),
  expiresAt: timestamp,
  uses: z.object({ max: z.int(), left: z.int() }),
  approval: z.enum(['none', 'person']),
  name: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  purpose: z.string().nullable(),
  replaces: z
    .object({ nodeId: z.string(), name: z.string(), evenOnline: z.boolean() })
    .nullable()
    .describe('The node whose place the machine takes that joins by it; evenOnline: also while that one is connected.'),
  ephemeral: z.boolean(),
  ephemeralMs: z.int().nullable().describe('Who joins by it is removed by itself when not seen for this long.'),
  redeemedBy: z.array(z.object({ nodeId: z.string(), name: z.string(), at: timestamp })),
});

export const newInviteView = inviteView.extend({
  link: z.string(),
  code: z.string(),
  caFingerprint: z.string(),
  addresses: z.array(z.string()),
});

/** Of a node, as it said when it registered last. */
export const pluginFailure = z.object({ name: z.string(), message: z.string() });
export const daemonStatus = z.object({
  running: z.literal(true),
  version: z.string(),
  protocol: z.object({ min: z.int(), max: z.int() }),
  pid: z.int(),
  startedAt: timestamp,
  owner: z.string(),
  listen: listeners,
  ca: z.object({ fingerprint: z.string(), notAfter: timestamp }),
  rotation,
  alarms: z
    .array(
      z.object({
        code: z.enum(['ca-ending', 'server-certificate-ending', 'node-certificates-ending']),
        level: z.int().describe('Days: 30, 7, 1, or 0 when it is over.'),
        endsAt: timestamp,
        message: z.string(),
        fix: z.string(),
      }),
    )
    .describe('Certificates near their end, the most urgent first.'),
  nodes: nodeSummary,
  approvals: z.object({ pending: z.int() }),
  dispatches: z.object({ open: z.int(), lastHour: z.int(), failedLastHour: z.int(), unknownLastHour: z.int() }),
  quic: z.object({
    state: z.enum(['on', 'off']),
    why: z.string().nullable(),
    connections: z.int(),
    handshaking: z.int(),
    sessions: z.int(),
    refusals: z.record(z.string(), z.int()),
  }),
  plugins: z.object({ failed: z.array(pluginFailure.extend({ node: z.string() })) }),
  storage: z.object({ accepting: z.boolean(), journalBytes: z.int(), journalRecords: z.int() }),
  stateDirectory: z.string(),
});

export const approvalView = z.object({
  id: z.string(),
  kind: z.enum(['join', 'login', 'capabilities', 'local']),
  state: z.enum(['pending', 'approved', 'issued', 'rejected', 'expired', 'withdrawn']),
  subject: z.object({
    name: z.string(),
    hostname: z.string(),
    platform: z.string(),
    arch: z.string(),
    version: z.string(),
    address: z.string(),
    keyWords: z.string(),
    purpose: z.string().nullable(),
  }),
  /** Of a login: whom it was approved as, before that whom it asks for; null: whoever approves decides. */
  operator: z.string().nullable(),
  wants: z.array(z.string()),
  /** The node whose place it took; while it waits, the one that has the name it asks for. */
  replaces: z.object({ nodeId: z.string(), name: z.string(), presence, lastSeenAt: timestamp.nullable() }).nullable(),
  takesPlace: z.boolean().describe('While it waits: yes alone puts it into that place, because its invite says so.'),
  requestedAt: timestamp,
  expiresAt: timestamp,
  asked: z
    .object({
      dispatch: z.string(),
      capability: z.string(),
      requestedBy: z.string(),
      channel: z.enum(CHANNELS).nullable(),
      what: z.string().nullable(),
    })
    .nullable()
    .describe(
      'Of kind local, what a person at a machine is being asked; what is null without the scope dispatches:read.',
    ),
  answerableHere: z.boolean(),
  pinRequired: z.boolean(),
  decidedAt: timestamp.nullable(),
  decidedBy: z.string().nullable(),
  reason: z.string().nullable(),
  nodeId: z.string().nullable(),
});

const approvalAnswer = z.object({
  request: approvalView,
  decidedBy: z.string(),
  decidedAt: timestamp,
  changed: z.boolean(),
});
export const approvedAnswer = approvalAnswer.extend({
  decision: z.literal('approved'),
  /** Null for a login, and when the node was removed since. */
  node: nodeView.nullable(),
});
export const rejectedAnswer = approvalAnswer.extend({ decision: z.literal('rejected') });
export const auditEntry = z.object({
  seq: z.int(),
  at: timestamp,
  actor: z.object({ kind: z.string(), name: z.string(), credential: z.string() }),
  origin: z.object({ listener: z.string(), address: z.string() }),
  action: z.string(),
  target: z.record(z.string(), z.union([z.string(), z.number()])),
  outcome: z.string(),
  requestId: z.string().nullable(),
  prevHash: z.string(),
  hash: z.string(),
});

export const auditReport = z.object({
  ok: z.boolean(),
  entries: z.int(),
  head: z.object({ seq: z.int(), hash: z.string() }),
  firstBad: z.object({ line: z.int(), seq: z.int().nullable(), problem: z.string() }).nullable(),
});

/** Of `audit.export`, which answers with lines and not with one JSON value. */
export const auditExportQuery = z.strictObject({
  /** Only entries after this number. */
  after: z.coerce.number<string | number>().int().min(0).default(0),
  limit: z.coerce.number<string | number>().int().min(1).optional(),
});

const stateWord = DISPATCH_STATE_NAMES.join('|');
const stateList = z
  .string()
  .max(200)
  .regex(new RegExp(`^(${stateWord})(,(${stateWord}))*$`), `states are ${DISPATCH_STATE_NAMES.join(', ')}`);
const waitMs = z.coerce.number<string | number>().int().min(0).max(120_000).optional();

/** Query, body and answer of each JSON route. */
export const SCHEMAS = {
  'daemon.status': { query: none, body: none, answer: z.object({ daemon: daemonStatus }) },
  'daemon.stop': {
    query: none,
    /** How long to wait for running dispatches before stopping anyway; 0 stops at once. */
    body: z.strictObject({ drainMs: z.int().min(0).max(600_000).default(0) }),
    answer: z.object({ stopping: z.literal(true), pid: z.int(), waitingFor: z.int() }),
  },
  'nodes.list': {
    query: z.strictObject(pageQuery),
    body: none,
    answer: z.object({ nodes: z.array(nodeView), summary: nodeSummary, nextCursor: z.string().nullable() }),
  },
  'nodes.show': {
    query: none,
    body: none,
    answer: z.object({
      node: nodeView,
      capabilities: z.array(capabilityView),
      recentDispatches: z.array(dispatchView),
      absences: z.array(absenceView),
      pluginFailures: z.array(pluginFailure),
    }),
  },
  'nodes.remove': { query: none, body: none, answer: z.object({ node: nodeView, changed: z.boolean() }) },
  'nodes.rename': {
    query: none,
    body: z.strictObject({ name: z.string().regex(NODE_NAME) }),
    answer: z.object({ node: nodeView, changed: z.boolean() }),
  },
  'nodes.label': {
    query: none,
    body: z.strictObject({ set: labels.default({}), remove: z.array(label.min(1)).max(64).default([]) }),
    answer: z.object({ node: nodeView, changed: z.boolean() }),
  },
  'dispatches.create': {
    query: none,
    body: z.strictObject({
      capability: z.string().min(1).max(64).regex(CAPABILITY_NAME),
      input: jsonValue.default({}),
      /** Until the dispatch must be over. Default: the capability's own time limit plus 5 s. */
      timeoutMs: z.int().min(100).max(86_400_000).optional(),
      /** Hold it this long for a node that is away; without it an offline node is refused at once. */
      queueMs: z.int().min(1000).max(86_400_000).optional(),
      idempotencyKey: z.string().min(1).max(128).optional(),
      wait: z.boolean().default(true),
    }),
    answer: z.object({ dispatch: dispatchView }),
  },
  'dispatches.show': { query: z.strictObject({ waitMs }), body: none, answer: z.object({ dispatch: dispatchView }) },
  'dispatches.cancel': { query: none, body: none, answer: z.object({ dispatch: dispatchView, changed: z.boolean() }) },
  'invites.create': {
    query: none,
    body: z.strictObject({
      name: z.string().regex(NODE_NAME).optional(),
      labels: labels.default({}),
      purpose: purposeText.optional(),
      uses: z.int().min(1).max(10_000).default(1),
      /** 30 s to 24 h. */
      expiresInMs: z.int().min(30_000).max(86_400_000).default(600_000),
      approval: z.enum(['none', 'person']).default('none'),
      capabilities: z.array(z.string().regex(CAPABILITY_NAME)).max(256).optional(),
      /** Name or id of a node: who joins takes its place, with its name, labels, purpose and grants; its key is revoked in the same step. One use. */
      replace: z.string().min(1).max(200).optional(),
      /** The node that is replaced may be connected; otherwise that refuses the invite, and its use. */
      replaceOnline: z.boolean().default(false),
      /** Who joins is removed by itself when not seen for this long while the daemon was there: a minute to a year. */
      ephemeralMs: z.int().min(60_000).max(31_536_000_000).optional(),
      /** host:port to put into the link instead of the daemon's own. */
      address: z.string().min(3).max(255).optional(),
    }),
    answer: z.object({ invite: newInviteView }),
  },
  'invites.list': { query: none, body: none, answer: z.object({ invites: z.array(inviteView) }) },
  'invites.show': { query: z.strictObject({ waitMs }), body: none, answer: z.object({ invite: inviteView }) },
  'invites.revoke': { query: none, body: none, answer: z.object({ invite: inviteView, changed: z.boolean() }) },
  'dispatches.list': {
    query: z.strictObject({
      ...pageQuery,
      node: z.string().min(1).max(200).optional(),
      capability: z.string().max(64).regex(CAPABILITY_NAME).optional(),
      /** Comma separated. */
      state: stateList.optional(),
      /** Asked for at or after this instant. */
      since: z.iso.datetime({ offset: true }).optional(),
    }),
    body: none,
    answer: z.object({ dispatches: z.array(dispatchListing), nextCursor: z.string().nullable() }),
  },
  'capabilities.list': {
    query: z.strictObject(pageQuery),
    body: none,
    answer: z.object({ capabilities: z.array(capabilitySummary), nextCursor: z.string().nullable() }),
  },
  'capabilities.show': {
    query: none,
    body: none,
    answer: z.object({ name: z.string(), offers: z.array(capabilityOffer) }),
  },
  'openapi.show': { query: none, body: none, answer: z.looseObject({ openapi: z.string() }) },
  'approvals.list': {
    query: z.strictObject({ all: z.enum(['true', 'false']).optional() }),
    body: none,
    answer: z.object({ requests: z.array(approvalView) }),
  },
  'approvals.show': { query: none, body: none, answer: z.object({ request: approvalView }) },
  'approvals.approve': {
    query: none,
    body: z.strictObject({
      /** Six digits; spaces and dashes do not matter. */
      pin: z.string().max(32).optional(),
      /** Owner only: approves without it. */
      noPin: z.boolean().default(false),
      name: z.string().regex(NODE_NAME).optional(),
      labels: labels.optional(),
      purpose: purposeText.optional(),
      only: z.array(z.string().regex(CAPABILITY_NAME)).max(256).optional(),
      /** Name or id of a node: the machine takes its place, with its name, labels, purpose and grants; its key is revoked in the same step. */
      replace: z.string().min(1).max(200).optional(),
      /** Of a login, owner only: whom the program may act as, in place of who approves. */
      as: z.string().regex(OPERATOR_NAME).optional(),
    }),
    answer: approvedAnswer,
  },
  'approvals.reject': {
    query: none,
    body: z.strictObject({ reason: z.string().min(1).max(200).optional() }),
    answer: rejectedAnswer,
  },
  'audit.list': {
    query: z.strictObject({
      since: timestamp.optional(),
      /** Name of who did it. */
      actor: z.string().max(200).optional(),
      /** `nodes.remove`, or `nodes.` for all that begin so. */
      action: z.string().max(200).optional(),
      /** Name or id. */
      node: z.string().max(200).optional(),
      cursor: z.coerce.number<string | number>().int().min(1).optional(),
      limit: z.coerce.number<string | number>().int().min(1).max(1000).default(100),
    }),
    body: none,
    answer: z.object({ entries: z.array(auditEntry), nextCursor: z.int().nullable() }),
  },
  'audit.verify': { query: none, body: none, answer: auditReport },
  ...fleetSchemas,
  ...SESSION_SCHEMAS,
  healthz: { query: none, body: none, answer: z.object({ status: z.literal('ok') }) },
  readyz: { query: none, body: none, answer: z.object({ status: z.enum(['ready', 'stopping', 'read-only']) }) },
} as const satisfies Partial<Record<RouteId, { query: z.ZodType; body: z.ZodType; answer: z.ZodType }>>;

/** Routes that speak JSON; the others answer with text or a page. */
export type JsonRouteId = keyof typeof SCHEMAS;
export type RouteQuery<R extends JsonRouteId> = z.input<(typeof SCHEMAS)[R]['query']>;
export type RouteBody<R extends JsonRouteId> = z.input<(typeof SCHEMAS)[R]['body']>;
export type ParsedBody<R extends JsonRouteId> = z.output<(typeof SCHEMAS)[R]['body']>;
export type ParsedQuery<R extends JsonRouteId> = z.output<(typeof SCHEMAS)[R]['query']>;
export type RouteAnswer<R extends JsonRouteId> = z.output<(typeof SCHEMAS)[R]['answer']>;
