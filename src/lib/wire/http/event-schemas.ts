/**
 * What `GET /v1/events` sends, and the lines that `--watch --json` and `events --json` print. Public facts only: ids, names, addresses, states, times;
 * never a code, an input or an output.
 *
 * `id` is a position, `<boot>-<seq>`: the start of the daemon that counted, and its count, without holes. It is what `Last-Event-ID` and `--from` take.
 */
import * as z from 'zod';
import { approvalView, dispatchListing, nodeView } from './schemas.js';

const timestamp = z.iso.datetime();
const stamp = { id: z.string(), seq: z.int(), at: timestamp };
const by = z.string().nullable();

export const NODE_CHANGES = [
  'joined',
  'presence',
  'facts',
  'renamed',
  'labels',
  'certificate',
  'revoked',
  'restored',
  'removed',
] as const;

const nodeEvent = z.object({
  type: z.literal('node'),
  ...stamp,
  change: z.enum(NODE_CHANGES),
  /** As it is when the event is sent; after a resume that may be later than the event. */
  node: nodeView,
  by,
});
const inviteEvent = z.object({
  type: z.literal('invite'),
  ...stamp,
  change: z.enum(['created', 'changed']),
  invite: z.string(),
  by,
});
const approvalEvent = z.object({
  type: z.literal('approval'),
  ...stamp,
  change: z.enum(['requested', 'decided']),
  approval: z.string(),
  kind: z.enum(['join', 'login', 'capabilities']),
  state: z.string(),
  name: z.string().nullable(),
  address: z.string().nullable(),
  by,
});
const pairingEvent = z.object({
  type: z.literal('pairing'),
  ...stamp,
  change: z.literal('refused'),
  address: z.string(),
  failures: z.int(),
});
const dispatchEvent = z.object({
  type: z.literal('dispatch'),
  ...stamp,
  change: z.enum(['state', 'late-result']),
  dispatch: z.string(),
  node: z.string(),
  nodeId: z.string(),
  capability: z.string().nullable(),
  state: z.string().nullable(),
  totalMs: z.int().nullable(),
  by,
});

export const publicEvent = z.discriminatedUnion('type', [
  nodeEvent,
  inviteEvent,
  approvalEvent,
  pairingEvent,
  dispatchEvent,
]);

/** Every node that is not removed, and the position at which that was so. */
export const snapshot = z.object({ type: z.literal('snapshot'), ...stamp, nodes: z.array(nodeView) });
/** Events were lost: the daemon was started anew, or the position is older than what it keeps. The nodes are the truth now. */
export const resync = z.object({
  type: z.literal('resync'),
  ...stamp,
  reason: z.enum(['restarted', 'gap']),
  nodes: z.array(nodeView),
});
/** Nothing happened, and the connection is alive. */
export const ping = z.object({ type: z.literal('ping'), at: timestamp });

/** A line of `nodes list --watch --json`. */
export const nodesLine = z.discriminatedUnion('type', [snapshot, nodeEvent, resync, ping]);
const queueOf = <T extends z.ZodRawShape>(queue: T) =>
  [
    z.object({ type: z.literal('snapshot'), ...stamp, ...queue }),
    z.object({ type: z.literal('resync'), ...stamp, reason: resync.shape.reason, ...queue }),
  ] as const;
/** A line of `approvals watch --json`; a request as it is when the line is written. Of kind `local`, `approval` is the id of the dispatch. */
export const approvalsLine = z.discriminatedUnion('type', [
  ...queueOf({ requests: z.array(approvalView) }),
  approvalEvent.extend({ kind: approvalView.shape.kind, request: approvalView.nullable() }),
  ping,
]);
/** A line of `dispatches watch --json`; the queue is what is open. */
export const dispatchesLine = z.discriminatedUnion('type', [
  ...queueOf({ dispatches: z.array(dispatchListing) }),
  dispatchEvent,
  ping,
]);
/** A line of `events --json`. */
export const eventsLine = z.discriminatedUnion('type', [snapshot, resync, ping, ...publicEvent.options]);

export type NodeChange = (typeof NODE_CHANGES)[number];
export type PublicEvent = z.output<typeof publicEvent>;
export type NodeEvent = z.output<typeof nodeEvent>;
export type Snapshot = z.output<typeof snapshot>;
export type Resync = z.output<typeof resync>;
export type Ping = z.output<typeof ping>;
/** What is sent before a snapshot that replaces lost events. */
export interface Reset {
  readonly reason: Resync['reason'];
}
