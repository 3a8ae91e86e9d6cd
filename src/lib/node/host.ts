/**
 * The node process: composition root and the loop that keeps it connected. It never gives up but for one reason: the daemon says that this machine is no
 * longer paired. Then it stops, keeps its files (marked, so that this machine may join again), and its error carries exit code 78, so that a supervisor does not start it again.
 *
 *             ┌────────────── back-off, full jitter ──────────────┐
 *             ▼                                                   │
 *   connecting ──► online ──► (link lost) ──► offline ────────────┤
 *        └──► final: revoked                  conflict, versions ─┘ (slowly)
 *
 * Handlers run on while the link is down; the outbox and the next Hello bring both sides together again.
 */
import { sleep, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { Lifecycle } from '../base/lifecycle.js';
import type { Log } from '../base/log.js';
import { NODE_PROTOCOL } from '../base/model.js';
import type { AskingChannel } from '../base/questions.js';
import { skewWords } from '../base/time-words.js';
import { fullJitterDelayMs, type Random } from '../base/random.js';
import type { NodeFacts } from './capabilities/capability.js';
import { AwayDiary } from './away.js';
import { BUILTIN_PLUGIN, Catalog, type SourcedRegistration } from './capabilities/catalog.js';
import { DEFAULT_ASK_TIMEOUT_MS, toNodeHostConfig, type NodeHostConfig, type NodeHostOptions } from './config.js';
import { controlHandler } from './control-desk.js';
import { serveHostStatus } from './control.js';
import { Executor } from './executor.js';
import { machineFacts } from './facts.js';
import { readCredentials } from './credentials.js';
import { chosenLinks, type LinkFactory } from './link/chosen-link.js';
import { assertTransportUsable, linkFactories } from './link/factories.js';
import { renewableLinks } from './link/renewable-links.js';
import type { Registered } from './link/link.js';
import { watchMachine } from './machine-watch.js';
import { MediationDesk } from './mediation/desk.js';
import { nobodyToAsk, type Mediator } from './mediator.js';
import { lockNode } from './node-lock.js';
import { Outbox } from './outbox.js';
import { NodePolicy } from './policy.js';
import { renewCertificate } from './renew.js';
import { RenewalSchedule } from './renewal-schedule.js';
import { clearRevoked, markRevoked } from './revocation.js';
import { runRound, type RoundDeps } from './round.js';
import type { SessionEnd } from './session.js';
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

export interface NodeHost {
  /**
   * Runs until the signal aborts, then stops gracefully and resolves. At most once.
   * Rejects with NODE_NOT_PAIRED, NODE_ALREADY_RUNNING, STATE_*, NODE_REVOKED, CERTIFICATE_REVOKED or STORAGE_FAILED; everything is closed by then.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Null before it runs. */
  status(): HostStatus | null;
  /** Every change of state from now on. Returns what ends it. */
  onState(listener: (status: HostStatus) => void): () => void;
}

/** Throws CONFIG_INVALID, SOCKET_PATH_TOO_LONG or QUIC_UNAVAILABLE. Touches nothing yet. */
export function createNodeHost(options: NodeHostOptions, deps: NodeHostDeps): NodeHost {
  const available = deps.links?.map(({ transport }) => transport);
  return new Host(toNodeHostConfig(options, available), deps);
}

/** Never sooner than this: a daemon that accepts and drops at once is not to be hammered. */
const MIN_RETRY_MS = 50;
/** How often the daemon is asked by the key alone before a refused certificate is taken for the end. A wrong clock passes. */
const KEY_TRIES = 3;

/** What a daemon says once and for all to who asks for a certificate. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'NODE_REVOKED',
  'CERTIFICATE_REVOKED',
  'CERTIFICATE_EXPIRED',
  'PAIRING_PROOF_INVALID',
]);

class Host implements NodeHost {
  readonly #config: NodeHostConfig;
  readonly #deps: NodeHostDeps;
  readonly #listeners = new Set<(status: HostStatus) => void>();
  /** Ends the loop without grace: the journal failed. */
  readonly #fatal = new AbortController();
  #board: StatusBoard | null = null;
  readonly #away = new AwayDiary();
  /** Ends the wait for the next try. */
  #retryNow = new AbortController();

  constructor(config: NodeHostConfig, deps: NodeHostDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  status(): HostStatus | null {
    return this.#board?.view() ?? null;
  }

  onState(listener: (status: HostStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    const lifecycle = new Lifecycle();
    const stop = AbortSignal.any([signal, this.#fatal.signal]);
    try {
      const parts = await this.#assemble(lifecycle);
      await this.#loop(parts, stop);
      this.#fatal.signal.throwIfAborted();
    } finally {
      await lifecycle.close();
    }
  }

  async #assemble(lifecycle: Lifecycle): Promise<Parts> {
    const { stateDirectory, controlSocketPath, version, credit, pluginFailures } = this.#config;
    const { clock, random, log } = this.#deps;
    if (this.#deps.links === undefined) await assertTransportUsable(this.#config.transport);
    await ensurePrivateDirectory(stateDirectory);
    lifecycle.add('lock', await lockNode(stateDirectory));
    const renewal = await this.#openRenewal();
    const { identity } = renewal.credentials;
    const outboxDeps = {
      clock,
      random,
      log: log.scope('outbox'),
      onFailed: (error: PalyraError) => this.#notWritten(error),
    };
    const outbox = await Outbox.open(stateDirectory, outboxDeps, { daemon: identity.caPin });
    lifecycle.add('outbox', () => outbox.close());

    const { catalog, failures } = Catalog.collect(this.#deps.registrations);
    for (const { plugin, message } of failures) log.warn('a capability was left out', { plugin, problem: message });
    const executor = new Executor({ clock, log: log.scope('executor') }, { slots: credit });
    lifecycle.add('handlers', () => executor.abandonAll(new Error('The node stops')));
    const policy = await NodePolicy.open(stateDirectory, this.#config.approvals.allow);
    const desk = this.#deps.mediator === undefined ? this.#desk(policy, identity.daemonName) : null;
    const on = (name: string) => {
      const definition = catalog.get(name);
      return definition !== undefined && policy.isOn(definition) ? definition : undefined;
    };
    const names = { deviceId: identity.deviceId, name: identity.name, daemonName: identity.daemonName };
    const node = (): NodeFacts => ({
      ...names,
      name: this.status()?.name ?? names.name,
      version,
      certificateFingerprint: renewal.credentials.certificate.fingerprint,
    });
    const worker = new Worker({
      clock,
      log: log.scope('dispatch'),
      catalog: { get: on },
      outbox,
      executor,
      mediator: this.#deps.mediator ?? desk ?? nobodyToAsk,
      node,
      allowed: (capability) => policy.patterns(capability),
    });

    const changed = (status: HostStatus) => {
      for (const listener of [...this.#listeners]) listener(status);
    };
    const material = () => renewal.credentials.material;
    const quic = { clock, random, log: log.scope('quic') };
    const factories = this.#deps.links ?? renewableLinks(material, (now) => linkFactories(now, quic));
    const available = factories.map(({ transport }) => transport);
    const chooser = new TransportChooser({ clock, random }, { mode: this.#config.transport, available });
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
        changed,
      },
      {
        pid: process.pid,
        version,
        ...names,
        capabilities: () => catalog.names().filter((name) => on(name) !== undefined),
        plugins,
      },
    );
    this.#board = board;
    const control = controlHandler({ clock, catalog, policy, desk });
    lifecycle.add('control socket', await serveHostStatus(controlSocketPath, () => board.view(), control));

    const connect = chosenLinks({ clock, chooser }, factories);
    const lasting = {
      deviceId: identity.deviceId,
      protocol: NODE_PROTOCOL,
      bootId: random.bytes(16).toString('hex'),
      storeId: outbox.storeId,
      pluginFailures: [...pluginFailures, ...failures],
      wallMs: () => clock.now(),
      away: () => this.#away.tell(),
    };
    const channels = () => desk?.channels();
    const stopWatching = watchMachine({ clock }, (what, gap) => {
      this.#away.noticed(gap);
      log.info('something happened to this machine; looking again', { what });
      renewal.poke();
      this.#retryNow.abort();
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
      log,
      credit,
      timings: this.#config.timings,
      renewal,
      worker,
      onRenewed: (listener) => renewal.onRenewed(listener),
      onOnline: (registered) => this.#online(registered, board, renewal),
      session: { clock, log: log.scope('link'), connect, worker, outbox },
      registration: () => ({ ...lasting, facts: machineFacts(version, catalog, policy, channels()) }),
      onFactsChanged: factsListener(policy, desk),
      board,
      chooser,
      factories,
    };
  }

  #desk(policy: NodePolicy, daemon: string): MediationDesk {
    const { clock, log, channels = [], person = 'the person at the machine' } = this.#deps;
    const { timeoutMs, wait } = this.#config.approvals;
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

  async #openRenewal(): Promise<RenewalSchedule> {
    const { stateDirectory, timings } = this.#config;
    const { clock, random, log } = this.#deps;
    const credentials = await readCredentials(stateDirectory);
    if (credentials === null) throw new PalyraError('NODE_NOT_PAIRED');
    const fixed = { stateDirectory, newKey: false, timeoutMs: timings.connectTimeoutMs };
    return new RenewalSchedule(
      {
        clock,
        random,
        log: log.scope('identity'),
        renew: async (how) => (await renewCertificate({ ...fixed, ...how }, { clock })).credentials,
        read: () => readCredentials(stateDirectory).catch(() => null),
      },
      credentials,
    );
  }

  #online({ daemonTimeMs = 0 }: Registered, board: StatusBoard, renewal: RenewalSchedule): void {
    const { clock, log } = this.#deps;
    void clearRevoked(this.#config.stateDirectory).catch(() => undefined);
    this.#away.online();
    const words = daemonTimeMs === 0 ? null : skewWords(clock.now() - daemonTimeMs);
    board.clockIs(words);
    if (words !== null) log.warn(`the clock of this machine is ${words} the daemon's`);
    renewal.poke();
  }

  /** A full disk passes: what matters is refused meanwhile. After a failed write nothing can be promised any more. */
  #notWritten(error: PalyraError): void {
    this.#deps.log.error('the outbox could not be written', { err: error });
    if (error.reason === 'STORAGE_FAILED') this.#fatal.abort(error);
  }

  async #loop(parts: Parts, stop: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const { timings } = this.#config;
    let attempts = 0;
    let graceUntil = clock.monotonic() + timings.stopGraceMs;
    const onStop = () => {
      graceUntil = clock.monotonic() + timings.stopGraceMs;
      parts.board.stopping();
    };
    stop.addEventListener('abort', onStop, { once: true });
    while (!stop.aborted) {
      const end = this.#away.after(await this.#round(parts, stop, attempts));
      if (stop.aborted) break;
      if (end.verdict === 'final') {
        const revoked = end.error ?? new PalyraError('NODE_REVOKED');
        const { fingerprint } = parts.renewal.credentials.certificate;
        await markRevoked(this.#config.stateDirectory, fingerprint, revoked.reason, clock.now());
        throw revoked;
      }
      if ((end.onlineMs ?? 0) >= timings.stableAfterMs) attempts = 0;
      // Another transport is next: there is nothing to wait for.
      const changes = end.onlineMs !== null && parts.chooser.ended(end.onlineMs, end.error);
      if (end.verdict === 'change') continue;
      if (changes) attempts = 0;
      const floorMs = end.verdict === 'retry' ? MIN_RETRY_MS : timings.slowRetryMs;
      const limits = { baseMs: timings.backoffBaseMs, capMs: timings.backoffCapMs, floorMs };
      const delayMs = changes
        ? MIN_RETRY_MS
        : fullJitterDelayMs(attempts, random, limits) + (end.verdict === 'retry' ? 0 : random.fraction() * floorMs);
      attempts += 1;
      log.info('not connected', {
        reason: end.error?.reason,
        problem: end.error?.message,
        nextTryInMs: Math.round(delayMs),
      });
      parts.board.waiting(end.verdict === 'conflict' ? 'conflict' : 'offline', { attempts, delayMs, error: end.error });
      this.#retryNow = new AbortController();
      await sleep(clock, delayMs, AbortSignal.any([stop, this.#retryNow.signal])).catch(() => undefined);
    }
    await this.#finishRuns(parts.worker, graceUntil - clock.monotonic());
  }

  /** Without a link nothing can be confirmed, but what finishes now need not be run again. */
  async #finishRuns(worker: Worker, graceMs: number): Promise<void> {
    if (graceMs <= 0) return;
    const finished = new AbortController();
    void worker.drain().then(() => finished.abort());
    await sleep(this.#deps.clock, graceMs, finished.signal).catch(() => undefined);
  }

  /** A round with a certificate that can be used, or the reason why there is none. */
  async #round(parts: Parts, stop: AbortSignal, attempts: number): Promise<SessionEnd> {
    const { renewal } = parts;
    await renewal.reload();
    if (renewal.isExpired) {
      const failed = await this.#renewFirst(renewal, { byKey: false, signal: stop });
      if (failed !== null) return failed;
    }
    const end = await runRound(parts, { endpoints: renewal.credentials.identity.nodeEndpoints, stop });
    if (end.error?.reason !== 'CERTIFICATE_REVOKED' || stop.aborted || this.#deps.links !== undefined) return end;
    // The answer to a renewal was lost, or this machine was away for long: the key still tells who it is.
    const failed = await this.#renewFirst(renewal, { byKey: true, signal: stop });
    if (failed === null) return { ...end, verdict: 'retry' };
    return failed.verdict === 'retry' && (attempts < KEY_TRIES || failed.error?.reason === 'CLOCK_SKEW') ? failed : end;
  }

  /** Null when there is a new certificate. */
  async #renewFirst(
    renewal: RenewalSchedule,
    how: { readonly byKey: boolean; readonly signal: AbortSignal },
  ): Promise<SessionEnd | null> {
    try {
      await renewal.renewNow(how);
      return null;
    } catch (cause) {
      const error = PalyraError.from(cause);
      return { onlineMs: null, verdict: FOR_GOOD.has(error.reason) ? 'final' : 'retry', error };
    }
  }
}

interface Parts extends RoundDeps {
  readonly renewal: RenewalSchedule;
  readonly worker: Worker;
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
