/**
 * What a node process is made of, put together: the lock, the outbox, what runs dispatches, the links and the control socket. Whatever is opened here is in
 * the lifecycle, in the order in which it was opened, and is closed by its owner (`host.ts`), which decides when to connect.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import type { Lifecycle } from '../base/lifecycle.js';
import type { Log } from '../base/log.js';
import { NODE_PROTOCOL } from '../base/model.js';
import type { AskingChannel } from '../base/questions.js';
import type { Random } from '../base/random.js';
import { skewWords } from '../base/time-words.js';
import { DaemonAddresses, nodeEndpointsOf, type Reach } from './addresses.js';
import { AwayDiary } from './away.js';
import type { NodeFacts } from './capabilities/capability.js';
import { BUILTIN_PLUGIN, Catalog, type SourcedRegistration } from './capabilities/catalog.js';
import { DEFAULT_ASK_TIMEOUT_MS, type NodeHostConfig } from './config.js';
import { controlHandler } from './control-desk.js';
import { serveHostStatus } from './control.js';
import type { NodeCredentials } from './credentials.js';
import { Executor } from './executor.js';
import { machineFacts } from './facts.js';
import { Connector } from './link/connector.js';
import { assertWayUsable, leftOut } from './link/left-out.js';
import { chosenLinks, type LinkFactory } from './link/chosen-link.js';
import { assertTransportUsable, linkFactories } from './link/factories.js';
import type { Registered } from './link/link.js';
import { QuicLink } from './link/quic.js';
import { renewableLinks } from './link/renewable-links.js';
import { watchMachine } from './machine-watch.js';
import { MediationDesk } from './mediation/desk.js';
import { nobodyToAsk, type Mediator } from './mediator.js';
import { lockNode } from './node-lock.js';
import { Outbox } from './outbox.js';
import { NodePolicy } from './policy.js';
import { openRenewal } from './open-renewal.js';
import type { RenewalSchedule } from './renewal-schedule.js';
import { clearRevoked } from './revocation.js';
import type { RoundDeps } from './round.js';
import { StatusBoard, type HostStatus } from './status.js';
import { TransportChooser } from './transport-chooser.js';
import { Worker } from './worker.js';

export interface NodeHostDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly registrations: readonly SourcedRegistration[];
  /** Default: what this version has, with the identity on disk. */
  readonly links?: readonly LinkFactory[];
  /** Ways to ask the person at this machine, in the order they are tried; beside them there is the control socket. */
  readonly channels?: readonly AskingChannel[];
  /** Whose machine it is; the name beside their answers. */
  readonly person?: string;
  /** Asks in the embedder's own way instead. */
  readonly mediator?: Mediator;
}

export interface HostParts extends RoundDeps {
  readonly away: AwayDiary;
  readonly renewal: RenewalSchedule;
  readonly worker: Worker;
}

/** What the parts tell the host. */
export interface HostEvents {
  readonly changed: (status: HostStatus) => void;
  /** Nothing can be promised any more. */
  readonly failed: (error: PalyraError) => void;
  /** Something happened to this machine: the next try need not wait. */
  readonly retryNow: () => void;
}

/** Throws NODE_NOT_PAIRED, NODE_ALREADY_RUNNING, QUIC_UNAVAILABLE, STATE_* or STORAGE_FAILED; what was opened by then is in the lifecycle. */
export async function assembleHost(
  deps: NodeHostDeps,
  config: NodeHostConfig,
  events: HostEvents,
  lifecycle: Lifecycle,
): Promise<HostParts> {
  const { stateDirectory, controlSocketPath, version, credit, pluginFailures } = config;
  const { clock, random, log } = deps;
  if (deps.links === undefined) await assertTransportUsable(config.transport);
  await ensurePrivateDirectory(stateDirectory);
  lifecycle.add('lock', await lockNode(stateDirectory));
  const renewal = await openRenewal({ clock, random, log: log.scope('identity') }, config);
  const { identity } = renewal.credentials;
  const connector = new Connector({ clock }, { proxy: config.proxy });
  assertWayUsable(connector, nodeEndpointsOf(identity), config.transport);
  const outboxDeps = {
    clock,
    random,
    log: log.scope('outbox'),
    onFailed: (error: PalyraError) => {
      // A full disk passes: what matters is refused meanwhile. After a failed write nothing can be promised any more.
      log.error('the outbox could not be written', { err: error });
      if (error.reason === 'STORAGE_FAILED') events.failed(error);
    },
  };
  const outbox = await Outbox.open(stateDirectory, outboxDeps, { daemon: identity.caPin });
  lifecycle.add('outbox', () => outbox.close());

  const { catalog, failures } = Catalog.collect(deps.registrations);
  for (const { plugin, message } of failures) log.warn('a capability was left out', { plugin, problem: message });
  const executor = new Executor({ clock, log: log.scope('executor') }, { slots: credit });
  lifecycle.add('handlers', () => executor.abandonAll(new Error('The node stops')));
  const policy = await NodePolicy.open(stateDirectory, config.approvals.allow);
  const desk = deps.mediator === undefined ? mediationDesk(deps, config, policy, identity.daemonName) : null;
  const on = (name: string) => {
    const definition = catalog.get(name);
    return definition !== undefined && policy.isOn(definition) ? definition : undefined;
  };
  const names = { deviceId: identity.deviceId, name: identity.name, daemonName: identity.daemonName };
  const node = (): NodeFacts => ({
    ...names,
    name: board.view().name,
    version,
    certificateFingerprint: renewal.credentials.certificate.fingerprint,
  });
  const worker = new Worker({
    clock,
    log: log.scope('dispatch'),
    catalog: { get: on },
    outbox,
    executor,
    mediator: deps.mediator ?? desk ?? nobodyToAsk,
    node,
    allowed: (capability) => policy.patterns(capability),
  });

  const material = () => renewal.credentials.material;
  const addresses = daemonAddresses(deps, config, connector, () => renewal.credentials);
  const quic = { clock, random, log: log.scope('quic'), connector };
  const factories = deps.links ?? renewableLinks(material, (now) => linkFactories(now, quic));
  const available = factories.map(({ transport }) => transport);
  const chooser = new TransportChooser({ clock, random }, { mode: config.transport, available });
  const plugins = {
    loaded: catalog.plugins.filter((plugin) => plugin !== BUILTIN_PLUGIN).length,
    failed: [...pluginFailures, ...failures].map(({ plugin, message }) => ({ name: plugin, message })),
  };
  const board = new StatusBoard(
    {
      clock,
      running: () => worker.running,
      transport: () => chooser.view(),
      certificate: () => renewal.view(),
      changed: events.changed,
    },
    {
      pid: process.pid,
      version,
      ...names,
      capabilities: () => catalog.names().filter((name) => on(name) !== undefined),
      waiting: () =>
        catalog.names().filter((name) => catalog.get(name)?.plugin !== undefined && policy.isWaiting(name)),
      plugins,
    },
  );
  const control = controlHandler({ clock, catalog, policy, desk });
  lifecycle.add('control socket', await serveHostStatus(controlSocketPath, () => board.view(), control));

  const leaveOut = (endpoint: string) => leftOut(connector, endpoint);
  const connect = chosenLinks({ clock, chooser, leaveOut }, factories);
  const away = new AwayDiary();
  const lasting = {
    deviceId: identity.deviceId,
    protocol: NODE_PROTOCOL,
    bootId: random.bytes(16).toString('hex'),
    storeId: outbox.storeId,
    pluginFailures: [...pluginFailures, ...failures],
    wallMs: () => clock.now(),
    away: () => away.tell(),
  };
  const channels = () => desk?.channels();
  const stopWatching = watchMachine({ clock }, (what, gap) => {
    away.noticed(gap);
    log.info('something happened to this machine; looking again', { what });
    renewal.poke();
    events.retryNow();
  });
  lifecycle.add('machine watch', async () => stopWatching());
  const renewing = new AbortController();
  const renewed = renewal.run(renewing.signal);
  lifecycle.add('renewal', async () => {
    renewing.abort(new PalyraError('CANCELLED'));
    await renewed;
  });
  return {
    clock,
    random,
    log,
    credit,
    timings: config.timings,
    away,
    renewal,
    worker,
    onRenewed: (listener) => renewal.onRenewed(listener),
    onTrust: (certificates) => void renewal.trust(certificates),
    onOnline: (registered) => {
      away.online();
      online(deps, config, registered, board, renewal);
    },
    addresses,
    session: { clock, log: log.scope('link'), connect, worker, outbox },
    registration: () => ({ ...lasting, facts: machineFacts(version, catalog, policy, channels()) }),
    onFactsChanged: factsListener(policy, desk),
    board,
    chooser,
    factories,
  };
}

function mediationDesk(deps: NodeHostDeps, config: NodeHostConfig, policy: NodePolicy, daemon: string): MediationDesk {
  const { clock, log, channels = [], person = 'the person at the machine' } = deps;
  const { timeoutMs, wait } = config.approvals;
  return new MediationDesk(
    { clock, log: log.scope('approvals'), policy, channels },
    {
      daemon,
      person,
      timeoutMs: (capability) => timeoutMs[capability] ?? DEFAULT_ASK_TIMEOUT_MS,
      mayWait: (capability) => wait[capability] ?? false,
    },
  );
}

/** Tried over what would carry the link; an embedder's own links are not known here. */
function daemonAddresses(
  { clock, links, random, log }: NodeHostDeps,
  { transport }: NodeHostConfig,
  connector: Connector,
  credentials: () => NodeCredentials,
): DaemonAddresses {
  if (links !== undefined) return new DaemonAddresses({ clock });
  const overTls: Reach = (endpoint, signal) => {
    const { certificatePem, keyPem, trustBundle } = credentials().material;
    return connector.reach(endpoint, { trustBundle, client: { certificatePem, keyPem } }, signal);
  };
  const overUdp: Reach = async (endpoint, signal) => {
    const link = new QuicLink(endpoint, credentials().material, { clock, random, log: log.scope('quic') });
    await link.health(signal).finally(() => link.destroy());
  };
  return new DaemonAddresses({ clock, reach: transport === 'quic' ? overUdp : overTls });
}

function online(
  { clock, log }: NodeHostDeps,
  config: NodeHostConfig,
  registered: Registered,
  board: StatusBoard,
  renewal: RenewalSchedule,
): void {
  void clearRevoked(config.stateDirectory).catch(() => undefined);
  const { daemonTimeMs = 0 } = registered;
  const words = daemonTimeMs === 0 ? null : skewWords(clock.now() - daemonTimeMs);
  board.clockIs(words);
  if (words !== null) log.warn(`the clock of this machine is ${words} the daemon's`);
  renewal.poke();
}

/** What is on here, or whom one could ask, is another than it was. */
function factsListener(policy: NodePolicy, desk: MediationDesk | null) {
  return (listener: () => void) => {
    let before = desk?.channels().join() ?? '';
    const stops = [
      policy.onChange(listener),
      desk?.onChange(() => {
        const now = desk.channels().join();
        if (now === before) return;
        before = now;
        listener();
      }),
    ];
    return () => stops.forEach((stop) => stop?.());
  };
}
