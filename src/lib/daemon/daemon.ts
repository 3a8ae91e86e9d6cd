/**
 * The composition root of a daemon: makes every part, in an order in which each finds what it needs, and undoes them in reverse.
 *
 *   directory ─► lock ─► identity ─► state ─► runtime ─► local socket ─► public port ─► node port ─► console port ─► ticker
 *
 * A start that fails undoes what it began. Nothing is promised before the state is read and the boot epoch is durable. It knows no
 * environment, no signal and no exit: two daemons can live in one process.
 */
import { join } from 'node:path';
import { sleep, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { Deferred, Lifecycle, stopFailures } from '../base/lifecycle.js';
import { acquireLock } from '../base/lock.js';
import type { Log } from '../base/log.js';
import type { ListenerView } from '../base/model.js';
import type { QuicView } from '../base/transports.js';
import type { Random } from '../base/random.js';
import { loadOrCreateDaemonIdentity, type DaemonIdentity } from '../identity/material.js';
import { NodeRuntime } from '../runtime/runtime.js';
import { createOpenApi, type OpenApiDocument } from '../wire/http/openapi.js';
import { tellForgottenDispatches } from './audit-dispatches.js';
import { auditEvents } from './audit-events.js';
import { Auditor } from './auditor.js';
import { Authorities } from './authorities.js';
import { CaRotation } from './ca-rotation.js';
import { anonymousCaller, normalizeAddress, ownerCaller } from './caller.js';
import { CertificateAlarms } from './certificate-alarms.js';
import { certificateHosts, parseDaemonConfig, toAuthority } from './config.js';
import type { DaemonConfig, DaemonOptions } from './config.js';
import { logEvents } from './event-log.js';
import { Exposure } from './exposure.js';
import { EventFeed } from './http/event-feed.js';
import { createHandlers } from './http/handlers.js';
import { createApprovePage, createJoinPage } from './http/pages.js';
import { KeptAnswers } from './http/kept-answers.js';
import { Router } from './http/router.js';
import { HttpServer } from './http/server.js';
import { InviteDesk } from './invites.js';
import { LoginDesk } from './login-desk.js';
import { FileStateStore } from './journal.js';
import { listenOnLocalSocket } from './local-socket.js';
import { Metrics } from './metrics.js';
import { NodePlugins } from './node-plugins.js';
import { openPorts, type OpenPorts } from './ports.js';
import { LoginQueue } from './login-queue.js';
import { QUIC_NOT_YET, type QuicPort } from './quic/port.js';
import { startTicker } from './ticker.js';
import { listenTcp } from './tls-front.js';

export interface DaemonDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Stopped {
  readonly reason: string;
  /** Why it could not go on; the process exits with it. */
  readonly error?: PalyraError;
}

/** The console and the local socket serve people and their programs on this machine. */
const MAX_LOCAL_CONNECTIONS = 256;
const CONSOLE_ADDRESS = '127.0.0.1';
const CONSOLE_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);
const HTTP_CLOSE_GRACE_MS = 1000;
const DRAIN_POLL_MS = 50;

/** Starts a daemon; listening when it resolves. Throws what `parseDaemonConfig`, the state and the listeners throw. */
export async function createDaemon(options: DaemonOptions, deps: DaemonDeps): Promise<Daemon> {
  const daemon = new Daemon(parseDaemonConfig(options), deps);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.abandon();
    throw error;
  }
  return daemon;
}

export class Daemon {
  readonly config: DaemonConfig;
  readonly #deps: DaemonDeps;
  readonly #lifecycle = new Lifecycle();
  readonly #localListeners: ListenerView[] = [];
  readonly #consoleListeners: ListenerView[] = [];
  readonly #stopped = new Deferred<Stopped>();
  readonly #stopBegun = new Deferred<{ readonly drainMs: number }>();
  readonly #drainCut = new AbortController();
  readonly #plugins = new NodePlugins();
  readonly #authorities = new Authorities();
  #exposure: Exposure | null = null;
  #runtime: NodeRuntime | null = null;
  #router: Router | null = null;
  #quicPort: QuicPort | null = null;
  #stopping: Promise<void> | null = null;
  #fatal: PalyraError | null = null;

  /** Use `createDaemon`. */
  constructor(config: DaemonConfig, deps: DaemonDeps) {
    this.config = config;
    this.#deps = deps;
  }

  get runtime(): NodeRuntime {
    if (this.#runtime === null) throw new PalyraError('DAEMON_NOT_RUNNING');
    return this.#runtime;
  }

  /** Every listener with the port it got. */
  get listeners(): readonly ListenerView[] {
    return [...this.#localListeners, ...(this.#exposure?.listeners ?? []), ...this.#consoleListeners];
  }

  get quic(): QuicView {
    return this.#quicPort?.view() ?? QUIC_NOT_YET;
  }

  /** Resolves when it begins to stop, whoever asked for it, with how long it may wait for dispatches. */
  get stopBegun(): Promise<{ readonly drainMs: number }> {
    return this.#stopBegun.promise;
  }

  /** Resolves when everything is closed, whoever asked for it. Never rejects. */
  get stopped(): Promise<Stopped> {
    return this.#stopped.promise;
  }

  /**
   * Refuses new dispatches, waits up to `drainMs` for open ones, then closes everything; safe to call again, and a later call with
   * `drainMs` 0 ends the waiting of an earlier one. Resolves when everything is closed.
   */
  stop(options: { readonly drainMs?: number; readonly reason?: string } = {}): Promise<void> {
    const drainMs = options.drainMs ?? 0;
    if (this.#stopping !== null && drainMs === 0) this.#drainCut.abort();
    this.#stopping ??= this.#stop(drainMs, options.reason ?? 'stopped');
    return this.#stopping;
  }

  /** Part of `createDaemon`: undoes a start that failed. Its own failures are logged, so that the first one is seen. */
  async abandon(): Promise<void> {
    await this.#lifecycle
      .close()
      .catch((error: unknown) => this.#deps.log.error('undoing the start failed', { err: error }));
  }

  /** Part of `createDaemon`. */
  async start(): Promise<void> {
    const { config } = this;
    const lifecycle = this.#lifecycle;
    const { clock, random, log } = this.#deps;
    const startedAt = clock.now();
    await ensurePrivateDirectory(config.stateDirectory);
    lifecycle.add('lock', await acquireLock(config.stateDirectory));
    const identity = await this.#loadIdentity(config);
    const auditor = await Auditor.open(
      { clock, random, log: log.scope('audit') },
      { directory: join(config.stateDirectory, 'audit') },
    );
    lifecycle.add('audit log', () => auditor.close());
    auditor.onFatal((error) => this.#onFatal(error));
    const runtime = await this.#openRuntime();
    const forgotten = await tellForgottenDispatches(auditor, runtime);
    if (forgotten > 0) log.warn('dispatches of the last run had no entry in the audit log yet', { forgotten });
    lifecycle.add('audited decisions', auditEvents(runtime, auditor, log.scope('audit')));
    const authorities = this.#authorities;
    const metrics = new Metrics({ runtime, clock, quic: () => this.quic }, { version: config.version });
    lifecycle.add('metrics', () => metrics.close());
    const exposure = this.#createExposure();
    const rotation = new CaRotation(
      { clock, random, log: log.scope('identity'), auditor, runtime, authorities, exposure },
      { directory: identityDirectory(config), name: config.daemonName },
      identity.rotation,
    );
    await rotation.resume();
    const alarms = new CertificateAlarms({ clock, log: log.scope('identity'), auditor, runtime, authorities });
    let openApi: OpenApiDocument | null = null;
    const authority = () => authorities.shown;
    const invites = new InviteDesk({ runtime, authority, random }, exposure, () => exposure.port('public'));
    const handlers = createHandlers({
      runtime,
      plugins: this.#plugins,
      invites,
      loginQueue: new LoginQueue({ runtime, clock, random }, () => authorities.fingerprints),
      trail: auditor.trail,
      logins: new LoginDesk({ access: runtime.access, random }),
      clock,
      config,
      ca: authority,
      rotation,
      alarms,
      startedAt,
      pid: process.pid,
      isStopping: () => this.#stopping !== null,
      listeners: () => this.listeners,
      exposure,
      storage: () => runtime.storeStatus(),
      quic: () => this.quic,
      openApi: () => (openApi ??= createOpenApi()),
      stop: (stopOptions) => void this.stop(stopOptions),
    });
    const router = new Router({
      handlers,
      clock,
      log: log.scope('http'),
      caPem: () => authorities.shown.certificatePem,
      nextCa: () => authorities.nextForClients,
      joinPage: createJoinPage(),
      approvePage: createApprovePage(),
      metrics,
      events: new EventFeed({ runtime, clock, log: log.scope('http') }),
      auditor,
      access: runtime.access,
      durable: () => runtime.durable(),
      keptAnswers: new KeptAnswers({ repeats: runtime.repeats, random, log: log.scope('http') }),
    });
    this.#router = router;
    await this.#openLocalSocket(router);
    const doors = { clock, random, log, runtime, router, auditor, exposure, authorities, plugins: this.#plugins };
    const ports = await openPorts({ ...doors, lifecycle }, config);
    this.#quicPort = ports.quicPort;
    this.#startTicker(ports, { runtime, exposure, rotation, alarms });
    await this.#openConsole(router);
    log.info('daemon started', { listeners: this.listeners.map(({ url }) => url), bootEpoch: runtime.bootEpoch });
  }

  async #openRuntime(): Promise<NodeRuntime> {
    const { config } = this;
    const { clock, random, log } = this.#deps;
    const store = new FileStateStore({ clock, log: log.scope('state') }, { directory: config.stateDirectory });
    const { nodeCertificateMs: lifetimeMs } = config;
    const issuer = this.#authorities.issuer({ lifetimeMs, random });
    const runtime = await NodeRuntime.open(
      { store, clock, random, log: log.scope('runtime'), issuer },
      {
        ownerName: config.ownerName,
        version: config.version,
        ...(config.heartbeatMs === undefined ? {} : { heartbeatMs: config.heartbeatMs }),
      },
    ).catch(async (error: unknown) => {
      await store.close().catch(() => undefined);
      throw error;
    });
    this.#lifecycle.add('runtime', () => runtime.close());
    runtime.onFatal((error) => this.#onFatal(error));
    this.#lifecycle.add(
      'event log',
      logEvents(runtime.events, log, (nodeId) => runtime.nodeName(nodeId)),
    );
    this.#runtime = runtime;
    return runtime;
  }

  async #openLocalSocket(router: Router): Promise<void> {
    const { config } = this;
    const caller = ownerCaller(config.ownerName);
    const http = new HttpServer(
      { router, log: this.#deps.log.scope('http'), clock: this.#deps.clock },
      {
        secure: false,
        maxConnections: MAX_LOCAL_CONNECTIONS,
        entryOf: () => ({ caller, listener: 'local', secure: false }),
      },
    );
    await listenOnLocalSocket(http.server, config.socketPath);
    this.#lifecycle.add('local socket', () => http.close(HTTP_CLOSE_GRACE_MS));
    this.#localListeners.push({ purpose: 'local', url: `unix:${config.socketPath}` });
  }

  /** Reads it from disk, or makes and renews what has to be. */
  async #loadIdentity(config: DaemonConfig): Promise<DaemonIdentity> {
    const identity = await loadOrCreateDaemonIdentity(identityDirectory(config), {
      hosts: certificateHosts(config),
      name: config.daemonName,
      now: this.#deps.clock.now(),
      random: this.#deps.random,
    });
    this.#authorities.set(identity);
    return identity;
  }

  #createExposure(): Exposure {
    const log = this.#deps.log.scope('identity');
    const issue = async (config: DaemonConfig) => {
      await this.#loadIdentity(config);
      return this.#authorities.server;
    };
    const onRenewed = () => log.info('the server certificate was renewed');
    const onRenewalFailed = (err: unknown) => log.warn('the server certificate could not be renewed', { err });
    const deps = { issue, onRenewed, onRenewalFailed };
    return (this.#exposure = new Exposure(deps, this.config, this.#authorities.server));
  }

  #startTicker(
    ports: OpenPorts,
    parts: { runtime: NodeRuntime; exposure: Exposure; rotation: CaRotation; alarms: CertificateAlarms },
  ): void {
    const { runtime, exposure, rotation, alarms } = parts;
    const { clock, log } = this.#deps;
    const stopTicker = startTicker({ clock, log }, async () => {
      ports.look(this.#stopping === null && runtime.storeStatus().accepting);
      await exposure.renewWhenDue(clock);
      await rotation.look();
      await alarms.look();
      await runtime.tick();
    });
    this.#lifecycle.add('ticker', stopTicker);
  }

  async #openConsole(router: Router): Promise<void> {
    const http = new HttpServer(
      { router, log: this.#deps.log.scope('http'), clock: this.#deps.clock },
      {
        secure: false,
        maxConnections: MAX_LOCAL_CONNECTIONS,
        entryOf: ({ socket }) => ({
          caller: anonymousCaller(normalizeAddress(socket.remoteAddress)),
          listener: 'console',
          secure: false,
          hostNames: CONSOLE_NAMES,
        }),
      },
    );
    const port = await listenTcp(http.server, CONSOLE_ADDRESS, this.config.consolePort, '--console-port');
    this.#lifecycle.add('console port', () => http.close(HTTP_CLOSE_GRACE_MS));
    this.#consoleListeners.push({ purpose: 'console', url: `http://${toAuthority(CONSOLE_ADDRESS, port)}` });
  }

  #onFatal(error: PalyraError): void {
    this.#deps.log.error('the state cannot be written: stopping', { err: error });
    this.#fatal ??= error;
    void this.stop({ drainMs: 0, reason: 'the state cannot be written' });
  }

  async #stop(drainMs: number, reason: string): Promise<void> {
    const { log } = this.#deps;
    log.info('daemon stopping', { reason, drainMs });
    this.#stopBegun.resolve({ drainMs });
    this.#runtime?.drain(reason);
    await this.#drain(drainMs);
    this.#router?.abortWaits(new PalyraError('DAEMON_STOPPING'));
    await this.#lifecycle.close().catch((error: unknown) => {
      for (const { what, cause } of stopFailures(error)) log.error(what, { err: cause });
    });
    log.info('daemon stopped', { reason });
    this.#stopped.resolve({ reason, ...(this.#fatal === null ? {} : { error: this.#fatal }) });
  }

  async #drain(drainMs: number): Promise<void> {
    const { clock } = this.#deps;
    const until = clock.monotonic() + drainMs;
    const { signal } = this.#drainCut;
    while (!signal.aborted && clock.monotonic() < until && this.runtime.openDispatchCount() > 0) {
      await sleep(clock, DRAIN_POLL_MS, signal).catch(() => undefined);
    }
  }
}

function identityDirectory({ stateDirectory }: DaemonConfig): string {
  return join(stateDirectory, 'identity');
}
