/**
 * Measurements in the text form that Prometheus reads. What can be read from the state is computed when somebody asks; dispatches that end are counted as
 * they end, because rows are forgotten and a counter must not fall. Nothing is done for a heartbeat.
 *
 * Bounded: at most 2,000 nodes have series of their own, at most 100 capabilities a label of their own. Names and numbers only: no address, no input.
 * Counters start at zero with the daemon, as counters do.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../base/clock.js';
import { NODE_PROTOCOL, TERMINAL_STATES, type NodeView, type Presence } from '../base/model.js';
import { type LinkTransport, type QuicView } from '../base/transports.js';
import type { NodeRuntime } from '../runtime/runtime.js';

const MAX_NODES = 2000;
const MAX_CAPABILITIES = 100;
const OTHER = '(other)';
const PRESENCES: readonly Presence[] = ['online', 'late', 'offline', 'never-seen', 'expired', 'conflict'];
const TRANSPORTS: readonly LinkTransport[] = ['grpc', 'poll', 'quic'];
/** Seconds from request to outcome: a local echo to an hour on a machine that was away. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600];

export class Metrics {
  readonly #runtime: NodeRuntime;
  readonly #clock: Clock;
  readonly #quic: () => QuicView;
  readonly #registry = new Registry();
  readonly #capabilities = new Set<string>();
  readonly #unsubscribe: () => void;
  readonly #gauges: ReturnType<typeof createGauges>;

  constructor(
    deps: { readonly runtime: NodeRuntime; readonly clock: Clock; readonly quic: () => QuicView },
    options: { readonly version: string },
  ) {
    this.#runtime = deps.runtime;
    this.#clock = deps.clock;
    this.#quic = deps.quic;
    const registers = [this.#registry];
    this.#gauges = createGauges(registers);
    this.#gauges.build.set({ version: options.version, protocol: String(NODE_PROTOCOL.max) }, 1);
    const total = new Counter({
      name: 'palyra_dispatch_total',
      help: 'Dispatches that ended, by capability and outcome.',
      labelNames: ['capability', 'state'],
      registers,
    });
    const seconds = new Histogram({
      name: 'palyra_dispatch_seconds',
      help: 'Seconds from the request of a dispatch to its outcome.',
      labelNames: ['capability'],
      buckets: BUCKETS,
      registers,
    });
    this.#unsubscribe = deps.runtime.events.subscribe(({ event }) => {
      if (event.type !== 'dispatch.changed' || !(TERMINAL_STATES as readonly string[]).includes(event.state)) return;
      const capability = this.#labelOf(event.capability);
      total.inc({ capability, state: event.state });
      seconds.observe({ capability }, Math.max(0, event.totalMs ?? 0) / 1000);
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    this.#sample();
    return this.#registry.metrics();
  }

  /** Stops counting. */
  close(): void {
    this.#unsubscribe();
  }

  #sample(): void {
    const gauges = this.#gauges;
    const { nodes } = this.#runtime.listNodes({ limit: Infinity });
    const { approvals, dispatches } = this.#runtime.summary();
    const storage = this.#runtime.storeStatus();
    for (const gauge of [gauges.up, gauges.lastSeen, gauges.certificate]) gauge.reset();
    for (const node of nodes.slice(0, MAX_NODES)) this.#sampleNode(node);
    for (const presence of PRESENCES) {
      gauges.nodes.set({ presence }, nodes.filter((node) => node.presence === presence).length);
    }
    for (const transport of TRANSPORTS) {
      gauges.links.set({ transport }, nodes.filter((node) => node.transport === transport).length);
    }
    gauges.leftOut.set(Math.max(0, nodes.length - MAX_NODES));
    gauges.approvals.set(approvals.pending);
    gauges.open.set(dispatches.open);
    gauges.accepting.set(storage.accepting ? 1 : 0);
    gauges.journal.set(storage.journalBytes);
    const quic = this.#quic();
    gauges.quic.set(quic.connections);
    // The port counts them; it has done so from the start.
    gauges.refusals.reset();
    for (const [reason, count] of Object.entries(quic.refusals)) gauges.refusals.inc({ reason }, count);
  }

  #sampleNode({ name: node, presence, lastSeenAt, certificate }: NodeView): void {
    const now = this.#clock.now();
    const { up, lastSeen, certificate: expiry } = this.#gauges;
    up.set({ node }, ['online', 'late', 'conflict'].includes(presence) ? 1 : 0);
    if (lastSeenAt !== null) lastSeen.set({ node }, Math.max(0, now - Date.parse(lastSeenAt)) / 1000);
    if (certificate !== null) expiry.set({ node }, (Date.parse(certificate.notAfter) - now) / 1000);
  }

  #labelOf(capability: string): string {
    if (this.#capabilities.size < MAX_CAPABILITIES) this.#capabilities.add(capability);
    return this.#capabilities.has(capability) ? capability : OTHER;
  }
}

function createGauges(registers: Registry[]) {
  const gauge = <const L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  return {
    build: gauge('palyra_build_info', 'Always 1; what runs is in the labels.', ['version', 'protocol']),
    up: gauge('palyra_node_up', '1 when the node is online or late, else 0.', ['node']),
    lastSeen: gauge('palyra_node_last_seen_seconds', 'Seconds since the node was last heard from.', ['node']),
    certificate: gauge('palyra_node_cert_expiry_seconds', 'Seconds until the certificate of the node expires.', [
      'node',
    ]),
    nodes: gauge('palyra_nodes', 'Paired nodes, by presence.', ['presence']),
    links: gauge('palyra_node_links', 'Open links of nodes, by what carries them.', ['transport']),
    leftOut: gauge('palyra_nodes_left_out', `Nodes without series of their own: those after the first ${MAX_NODES}.`),
    approvals: gauge('palyra_approvals_pending', 'Requests that wait for a person.'),
    open: gauge('palyra_dispatches_open', 'Dispatches that are not over.'),
    accepting: gauge('palyra_storage_accepting', '1 when decisions can be stored, 0 when the disk is full.'),
    journal: gauge('palyra_journal_bytes', 'Size of the journal since the last snapshot.'),
    quic: gauge('palyra_quic_connections', 'Open QUIC connections of nodes.'),
    refusals: new Counter({
      name: 'palyra_quic_refusals_total',
      help: 'QUIC connections that were refused or thrown out, by reason.',
      labelNames: ['reason'],
      registers,
    }),
  };
}
