/**
 * What each route does, as one table from route id to function. A handler calls the runtime or a desk and answers; who may call it, what its
 * input looks like and how errors travel is decided before and after, in the router.
 */
import { createHash } from 'node:crypto';
import type { AuditTarget } from '../../base/audit-chain.js';
import type { Clock } from '../../base/clock.js';
import { toTimestamp } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { NODE_PROTOCOL, type Caller, type DispatchStateName, type ListenerView } from '../../base/model.js';
import { type QuicView } from '../../base/transports.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import type { StoreStatus } from '../../runtime/state.js';
import { MAX_INPUT_BYTES } from '../../wire/http/routes.js';
import type { JsonRouteId, ParsedBody, ParsedQuery, RouteAnswer } from '../../wire/http/schemas.js';
import type { OpenApiDocument } from '../../wire/http/openapi.js';
import { ApprovalDesk } from '../approvals.js';
import type { DaemonConfig } from '../config.js';
import type { Exposure } from '../exposure.js';
import type { AuditLog } from '../audit-log.js';
import type { CertificateAlarms } from '../certificate-alarms.js';
import type { CaRotation } from '../ca-rotation.js';
import type { NodePlugins } from '../node-plugins.js';
import type { InviteDesk } from '../invites.js';
import { assertScope, hasScope } from '../policy.js';
import type { LoginDesk } from '../login-desk.js';
import type { LoginQueue } from '../login-queue.js';
import { accessHandlers } from './access-routes.js';
import { fleetHandlers } from './fleet-routes.js';
import { listAudit } from './audit-routes.js';
import type { Credential } from './authenticator.js';
import { loginHandlers } from './login-routes.js';
import type { Entry } from './router.js';

/** The daemon answers a waiting request this long after the dispatch's deadline at the latest. */
const DEADLINE_SLACK_MS = 5000;

export interface RouteRequest<R extends JsonRouteId> {
  readonly caller: Caller;
  readonly listener: Entry['listener'];
  /** Every parameter the path names. */
  readonly param: (name: string) => string;
  readonly query: ParsedQuery<R>;
  readonly body: ParsedBody<R>;
  /** Aborts when the client is gone or the daemon stops; ends the wait, never the work. */
  readonly signal: AbortSignal;
  /** Runs once the answer has been handed to the network. */
  readonly afterAnswer: (action: () => void) => void;
  /** How the caller is known; `none` on routes for anybody, whatever the request carries. */
  readonly credential: Credential;
  /** Where it comes from: an address, or `local` for the local socket. */
  readonly address: string;
  /** The live session whose cookie came with a request to log in: the new one takes its place. */
  readonly replaces: string | null;
  /** A header of the answer; a refusal has none of them. */
  readonly setHeader: (name: string, value: string) => void;
  /** Another status than 200. */
  readonly setStatus: (status: 503) => void;
  /** Tells the audit log more about what the request is done to. Never anything secret. */
  readonly note: (facts: AuditTarget) => void;
  /** Says durably that it is about to be done; only a route that `beginsLate` has to. */
  readonly begin: () => Promise<void>;
  /** For what is decided before it is answered: writes the entry now. */
  readonly decided: () => Promise<void>;
  /** Nothing was changed: the audit log has nothing to tell. */
  readonly unchanged: () => void;
}

export type Handlers = {
  readonly [R in JsonRouteId]: (request: RouteRequest<R>) => Promise<Writable<RouteAnswer<R>>>;
};

/** The nouns are read-only, the schemas' types are not; an answer is only ever read. */
type Writable<T> = T extends readonly (infer Item)[]
  ? readonly Writable<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Writable<T[K]> }
    : T;

export interface HandlerDeps {
  readonly runtime: NodeRuntime;
  readonly plugins: NodePlugins;
  readonly invites: InviteDesk;
  readonly loginQueue: LoginQueue;
  readonly trail: AuditLog;
  readonly logins: LoginDesk;
  readonly clock: Clock;
  readonly config: DaemonConfig;
  readonly ca: () => { readonly fingerprint: string; readonly notAfter: number };
  readonly rotation: Pick<CaRotation, 'view' | 'begin'>;
  readonly alarms: Pick<CertificateAlarms, 'view'>;
  readonly startedAt: number;
  readonly pid: number;
  readonly isStopping: () => boolean;
  readonly exposure: Pick<Exposure, 'move' | 'dropClosed'>;
  listeners(): readonly ListenerView[];
  storage(): StoreStatus;
  quic(): QuicView;
  openApi(): OpenApiDocument;
  stop(options: { readonly drainMs: number; readonly reason: string }): void;
}

export function createHandlers(deps: HandlerDeps): Handlers {
  const { runtime, invites, clock, config } = deps;
  const approvals = new ApprovalDesk(runtime, clock);
  return {
    'daemon.status': async () => ({
      daemon: {
        running: true,
        version: config.version,
        protocol: NODE_PROTOCOL,
        pid: deps.pid,
        startedAt: timestamp(deps.startedAt),
        owner: config.ownerName,
        listen: deps.listeners(),
        ca: { fingerprint: `sha256:${deps.ca().fingerprint}`, notAfter: timestamp(deps.ca().notAfter) },
        rotation: deps.rotation.view(),
        alarms: deps.alarms.view(),
        ...runtime.summary(),
        plugins: { failed: deps.plugins.all((nodeId) => runtime.nodeName(nodeId)) },
        storage: deps.storage(),
        quic: deps.quic(),
        stateDirectory: config.stateDirectory,
      },
    }),
    'daemon.stop': async ({ body, caller, afterAnswer }) => {
      const reason = `stopped by ${caller.kind === 'owner' ? caller.name : caller.kind}`;
      afterAnswer(() => deps.stop({ drainMs: body.drainMs, reason }));
      const waitingFor = body.drainMs > 0 ? runtime.openDispatchCount() : 0;
      return { stopping: true, pid: deps.pid, waitingFor };
    },

    'nodes.list': async ({ query }) => runtime.listNodes(query),
    'nodes.show': async ({ param }) => {
      const details = runtime.nodeDetails(param('node'));
      return { ...details, pluginFailures: deps.plugins.of(details.node.id) };
    },
    'nodes.remove': async ({ caller, param, note }) => {
      const removed = await runtime.removeNode(caller, param('node'));
      note({ nodeId: removed.node.id, name: removed.node.name });
      return removed;
    },
    'nodes.rename': async ({ caller, param, body }) => runtime.fleet.rename(caller, param('node'), body.name),
    'nodes.label': async ({ caller, param, body }) => runtime.fleet.label(caller, param('node'), body),

    'dispatches.create': async ({ caller, param, body, signal, note, decided }) => {
      const inputJson = JSON.stringify(body.input);
      const inputSha256 = createHash('sha256').update(inputJson).digest('hex');
      assertScope(caller, `invoke:${body.capability}`);
      note({ capability: body.capability, inputSha256, inputBytes: Buffer.byteLength(inputJson) });
      if (Buffer.byteLength(inputJson) > MAX_INPUT_BYTES) throw new PalyraError('INPUT_TOO_LARGE');
      const dispatch = await runtime.requestDispatch(caller, {
        node: param('node'),
        capability: body.capability,
        inputJson,
        input: body.input,
        ...(body.timeoutMs === undefined ? {} : { timeoutMs: body.timeoutMs }),
        ...(body.queueMs === undefined ? {} : { queueMs: body.queueMs }),
        ...(body.idempotencyKey === undefined ? {} : { idempotencyKey: body.idempotencyKey }),
      });
      note({ dispatch: dispatch.id, nodeId: dispatch.nodeId, name: dispatch.node });
      // Beside the wait, not before it: the node is at work already.
      const told = decided();
      const timeoutMs = Math.max(0, Date.parse(dispatch.deadlineAt) - clock.now()) + DEADLINE_SLACK_MS;
      const settled = body.wait ? runtime.awaitSettled(dispatch.id, { timeoutMs, signal }) : dispatch;
      return { dispatch: (await Promise.all([settled, told]))[0] };
    },
    'dispatches.show': async ({ caller, param, query, signal }) => {
      const id = param('id');
      if (!hasScope(caller, 'dispatches:read')) runtime.assertRequestedWith(caller, id);
      const { waitMs } = query;
      const waits = waitMs !== undefined && waitMs > 0;
      return {
        dispatch: waits ? await runtime.awaitSettled(id, { timeoutMs: waitMs, signal }) : runtime.dispatchView(id),
      };
    },
    'dispatches.cancel': async ({ caller, param }) => {
      if (!hasScope(caller, 'dispatches:write')) runtime.assertRequestedWith(caller, param('id'));
      return runtime.cancelDispatch(caller, param('id'));
    },

    'invites.create': async ({ caller, body, note }) => {
      if (body.replace !== undefined) assertScope(caller, 'nodes:write');
      const invite = await invites.create(caller, body);
      note({ invite: invite.id, uses: invite.uses.max, approval: invite.approval, expiresAt: invite.expiresAt });
      if (invite.name !== null) note({ name: invite.name });
      if (invite.replaces !== null) note({ replaces: invite.replaces.nodeId });
      if (invite.ephemeralMs !== null) note({ ephemeralMs: invite.ephemeralMs });
      return { invite };
    },
    'invites.list': async () => ({ invites: runtime.invites.list() }),
    'invites.show': async ({ param, query, signal }) => {
      const id = param('id');
      const { waitMs } = query;
      const waits = waitMs !== undefined && waitMs > 0;
      return {
        invite: waits ? await runtime.invites.awaitChange(id, { timeoutMs: waitMs, signal }) : runtime.invites.view(id),
      };
    },
    'invites.revoke': async ({ caller, param }) => runtime.invites.revoke(caller, param('id')),

    'dispatches.list': async ({ query: { state, since, ...query } }) =>
      runtime.overview.dispatches({
        ...query,
        // The schema has checked the words.
        states: state?.split(',') as DispatchStateName[] | undefined,
        since: since === undefined ? undefined : Date.parse(since),
      }),
    'capabilities.list': async ({ query }) => runtime.overview.capabilities(query),
    'capabilities.show': async ({ param }) => {
      const name = param('name');
      return { name, offers: runtime.overview.capability(name) };
    },
    'openapi.show': async () => deps.openApi(),
    ...accessHandlers(deps),
    ...loginHandlers(deps),
    'approvals.list': async ({ caller, query }) => approvals.list(caller, query),
    'approvals.show': async ({ caller, param }) => approvals.show(caller, param('id')),
    'approvals.approve': async ({ caller, param, body }) => approvals.approve(caller, param('id'), body),
    'approvals.reject': async ({ caller, param, body }) => approvals.reject(caller, param('id'), body),
    'audit.list': async ({ query }) => listAudit(deps.trail, runtime, query),
    'audit.verify': async () => deps.trail.verify(),

    ...fleetHandlers(deps),

    healthz: async () => ({ status: 'ok' }),
    readyz: async ({ setStatus }) => {
      const status = deps.isStopping() ? 'stopping' : deps.storage().accepting ? 'ready' : 'read-only';
      if (status !== 'ready') setStatus(503);
      return { status };
    },
  };
}

function timestamp(ms: number): string {
  return toTimestamp(ms) ?? '';
}
