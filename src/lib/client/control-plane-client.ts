/**
 * The typed client of the control plane, for the CLI, the TUI and embedders. Every call is typed from the route table and its schemas; the schemas
 * themselves are imported as types only, so that a client starts without the validation library.
 *
 * Only reads that have no effect are retried. A wait that is longer than the request time-out carries its own deadline: the client never gives up
 * before the daemon does.
 */
import { PalyraError } from '../base/errors.js';
import { toPath } from '../wire/http/routes.js';
import type { RouteAnswer, RouteBody, RouteQuery } from '../wire/http/schemas.js';
import { AccessCalls } from './access-calls.js';
import { parseJson } from './answers.js';
import type { WaitOptions } from './calls.js';
import { watchEvents, type WatchItem, type WatchOptions } from './event-watch.js';

export type { OperatorView, SessionView, TokenView, WhoAmI } from './access-calls.js';
export type { CallOptions, ControlPlaneClientOptions } from './calls.js';
export type { WatchItem, WatchOptions } from './event-watch.js';
export type { NodeEvent, Ping, PublicEvent, Resync, Snapshot } from '../wire/http/event-schemas.js';

export type InventoryDevice = RouteAnswer<'inventory.list'>['devices'][number];
export type PruneCandidate = RouteAnswer<'nodes.prune'>['candidates'][number];

/** A key is made and an identity read again; on a slow disk that takes its time. */
const ROTATE_WAIT_MS = 20_000;

export class ControlPlaneClient extends AccessCalls {
  async daemonStatus(options: WaitOptions = {}) {
    return (await this.request('daemon.status', options)).daemon;
  }

  /** Measured for a quarter of a second. */
  async daemonVitals(options: WaitOptions = {}) {
    return (await this.request('daemon.vitals', options)).vitals;
  }

  /** The CA certificate of the daemon, PEM. */
  caCertificate(): Promise<string> {
    return this.text(toPath('ca.show'));
  }

  /** In the text form of Prometheus. */
  metrics(): Promise<string> {
    return this.text(toPath('metrics'));
  }

  /** `lan`, `loopback` or addresses of its machine; live, and for its next start. */
  exposeDaemon(listen: readonly string[]) {
    return this.request('daemon.expose', { body: { listen: [...listen] } });
  }

  /** How far the replacement of its CA is. */
  async caRotation() {
    return (await this.request('daemon.rotation')).rotation;
  }

  /** Begins to replace its CA; `force` does not wait for nodes that are away, `keepMs` keeps the old one at least so long. */
  rotateCa(how: RouteBody<'daemon.rotateCa'>) {
    return this.request('daemon.rotateCa', { body: how, waitMs: ROTATE_WAIT_MS });
  }

  stopDaemon(drainMs: number) {
    return this.request('daemon.stop', { body: { drainMs }, waitMs: drainMs });
  }

  /** All pages. */
  async listNodes() {
    const first = await this.request('nodes.list');
    const nodes = [...first.nodes];
    for (let cursor = first.nextCursor; cursor !== null;) {
      const page = await this.request('nodes.list', { query: { cursor } });
      nodes.push(...page.nodes);
      cursor = page.nextCursor;
    }
    return { nodes, summary: first.summary };
  }

  showNode(node: string) {
    return this.request('nodes.show', { params: { node } });
  }

  removeNode(node: string) {
    return this.request('nodes.remove', { params: { node } });
  }

  renameNode(node: string, name: string) {
    return this.request('nodes.rename', { params: { node }, body: { name } });
  }

  changeGrants(node: string, change: RouteBody<'nodes.grants'>) {
    return this.request('nodes.grants', { params: { node }, body: change });
  }

  labelNode(node: string, change: RouteBody<'nodes.label'>) {
    return this.request('nodes.label', { params: { node }, body: change });
  }

  /** What happens from now on, or from `from` on; goes on across lost connections. The first connection must succeed. */
  watchEvents(options: WatchOptions = {}): AsyncGenerator<WatchItem, void, undefined> {
    return watchEvents(this.transport, options);
  }

  /** Without `wait: false` it answers when the dispatch is settled; `waitMs` must then cover its deadline. */
  async createDispatch(node: string, body: RouteBody<'dispatches.create'>, options: WaitOptions = {}) {
    return (await this.request('dispatches.create', { params: { node }, body, ...options })).dispatch;
  }

  /** The dispatch when it is settled, or as it is after `waitMs`. */
  async showDispatch(id: string, options: WaitOptions = {}) {
    const query = options.waitMs === undefined ? {} : { waitMs: options.waitMs };
    return (await this.request('dispatches.show', { params: { id }, query, ...options })).dispatch;
  }

  cancelDispatch(id: string) {
    return this.request('dispatches.cancel', { params: { id } });
  }

  /** One page, newest first. */
  listDispatches(query: RouteQuery<'dispatches.list'> = {}) {
    return this.request('dispatches.list', { query });
  }

  /** All pages. */
  async listCapabilities() {
    const capabilities: RouteAnswer<'capabilities.list'>['capabilities'] = [];
    let cursor: string | null = null;
    do {
      const query: RouteQuery<'capabilities.list'> = cursor === null ? {} : { cursor };
      const page: RouteAnswer<'capabilities.list'> = await this.request('capabilities.list', { query });
      capabilities.push(...page.capabilities);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return capabilities;
  }

  /** What the fleet understands by a name, with schemas. */
  async showCapability(name: string) {
    return (await this.request('capabilities.show', { params: { name } })).offers;
  }

  /** The API as an OpenAPI 3.1 document. */
  openApi() {
    return this.request('openapi.show');
  }

  /** One page of every device, and the position from which events go on. */
  inventory(query: RouteQuery<'inventory.list'> = {}) {
    return this.request('inventory.list', { query });
  }

  /** One device, by name or id of the node, or id of the request. */
  async inventoryDevice(id: string) {
    return (await this.request('inventory.show', { params: { id } })).device;
  }

  revokeNode(node: string) {
    return this.request('nodes.revoke', { params: { node } });
  }

  restoreNode(node: string, body: RouteBody<'nodes.restore'> = {}) {
    return this.request('nodes.restore', { params: { node }, body });
  }

  pruneNodes(body: RouteBody<'nodes.prune'>) {
    return this.request('nodes.prune', { body });
  }

  async createInvite(body: RouteBody<'invites.create'>) {
    return (await this.request('invites.create', { body })).invite;
  }

  async listInvites() {
    return (await this.request('invites.list')).invites;
  }

  /** The invite when it changes, or as it is after `waitMs`. */
  async showInvite(id: string, options: WaitOptions = {}) {
    const query = options.waitMs === undefined ? {} : { waitMs: options.waitMs };
    return (await this.request('invites.show', { params: { id }, query, ...options })).invite;
  }

  revokeInvite(id: string) {
    return this.request('invites.revoke', { params: { id } });
  }

  async listApprovals(options: { readonly all?: boolean } = {}) {
    const query = options.all === true ? { all: 'true' as const } : {};
    return (await this.request('approvals.list', { query })).requests;
  }

  async showApproval(id: string) {
    return (await this.request('approvals.show', { params: { id } })).request;
  }

  approve(id: string, body: RouteBody<'approvals.approve'>) {
    return this.request('approvals.approve', { params: { id }, body });
  }

  reject(id: string, body: RouteBody<'approvals.reject'>) {
    return this.request('approvals.reject', { params: { id }, body });
  }

  /** One page, newest first. */
  listAudit(query: RouteQuery<'audit.list'> = {}) {
    return this.request('audit.list', { query });
  }

  /** Every line of the audit log, oldest first, in pages behind the scenes. */
  async *exportAudit(options: { readonly pageSize?: number } = {}): AsyncGenerator<string> {
    const { pageSize = 5000 } = options;
    for (let after = 0; ;) {
      const text = await this.text(`${toPath('audit.export')}?after=${after}&limit=${pageSize}`);
      const lines = text.split('\n').slice(0, -1);
      yield* lines;
      if (lines.length < pageSize) return;
      // By number and not by count: what is damaged has none, and must not be asked for for ever.
      const last = lines.findLast((line) => seqOf(line) !== null);
      const next = last === undefined ? null : seqOf(last);
      if (next === null || next <= after)
        throw new PalyraError('STATE_CORRUPT', { detail: 'the audit log is damaged' });
      after = next;
    }
  }

  /** May take seconds for a long log. */
  verifyAudit(options: WaitOptions = {}) {
    return this.request('audit.verify', { waitMs: 120_000, ...options });
  }
}

function seqOf(line: string): number | null {
  const entry = parseJson(line) as { seq?: unknown } | null | undefined;
  return typeof entry?.seq === 'number' ? entry.seq : null;
}
