/**
 * One try to be online, from the first byte to the end of the link, whatever ends it.
 *
 *   register ─► hello ─► welcome ─► online: offers, results, heartbeats ─► ended
 *                                      └─ stop asked: stopping ─► results confirmed ─► ended
 *
 * It never rejects: how it ended, and what that means for the next try, is its result. It leaves no timer, listener or connection behind.
 */
import type { Away } from '../base/absences.js';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { Deferred } from '../base/lifecycle.js';
import type { DownMessage, UpMessage, Welcome } from '../base/link-messages.js';
import type { Log } from '../base/log.js';
import type { LinkConnector, LinkStream, NodeLink, Registered, Registration } from './link/link.js';
import type { AwayDiary } from './away.js';
import type { NodeTimings } from './config.js';
import { withDeadline } from './deadline.js';
import type { Outbox } from './outbox.js';
import type { Worker } from './worker.js';

/** Without a word from the daemon for this many heartbeats the link is dead, whatever the socket says. A dark network is noticed sooner: `link/keepalive.ts`. */
const SILENT_HEARTBEATS = 4;
/** A result that is not confirmed for this many heartbeats is sent again. */
const RESEND_HEARTBEATS = 2;

export interface SessionDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly connect: LinkConnector;
  readonly worker: Worker;
  readonly outbox: Outbox;
}

export interface SessionOptions {
  readonly endpoint: string;
  readonly registration: () => Registration;
  /** Calls back whenever `registration` answers something else. Returns what ends that. */
  readonly onFactsChanged: (listener: () => void) => () => void;
  readonly credit: number;
  readonly timings: NodeTimings;
  /** Asks for the graceful end. */
  readonly stop: AbortSignal;
  /** From then on no link is made any more. Later than `stop` where one is needed to say goodbye. */
  readonly over: AbortSignal;
  /** Ends it at once, because a better link can be had: what is under way goes on over that one. */
  readonly change: AbortSignal;
  /** From then on it neither hears nor says anything: another session has said hello, and ends this one when it is welcome. */
  readonly mute?: AbortSignal;
  /** Called right before it says hello. */
  readonly onHello?: () => void;
  readonly onOnline: (registered: Registered) => void;
  /** The daemon says which CAs to trust from now on. */
  readonly onTrust?: (certificates: readonly string[]) => void;
  /** What happened to this machine and the daemon does not know yet: told with heartbeats until one that told it is answered. */
  readonly news?: Pick<AwayDiary, 'tell' | 'told'>;
  readonly onRoundTrip: (rttMs: number) => void;
}

/** What ends everything of a node, in two steps. */
export type StopSignals = Pick<SessionOptions, 'stop' | 'over'>;

export interface SessionEnd {
  /** Milliseconds online; null when it never was. */
  readonly onlineMs: number | null;
  /** `retry`: soon. `slow`: an immediate try cannot help. `conflict`: another process uses this identity. `final`: never again. `change`: at once. */
  readonly verdict: 'retry' | 'change' | 'slow' | 'conflict' | 'final' | 'stopped';
  readonly error: PalyraError | null;
}

export function runSession(deps: SessionDeps, options: SessionOptions): Promise<SessionEnd> {
  try {
    return new Session(deps, options).run();
  } catch (error) {
    // There is no way to this address, which is known before anything is opened.
    return Promise.resolve({ ...verdictOn(PalyraError.from(error)), onlineMs: null });
  }
}

class Session {
  readonly #deps: SessionDeps;
  readonly #options: SessionOptions;
  readonly #link: NodeLink;
  readonly #ended = new Deferred<Omit<SessionEnd, 'onlineMs'>>();
  #stream: LinkStream | null = null;
  #registered: Registered | null = null;
  #registering = false;
  #factsChanged = false;
  #onlineSince: number | null = null;
  #heardAt = 0;
  #beatAskedAt: number | null = null;
  #beatsUnanswered = 0;
  /** What the last heartbeat told, and how many answers are due before it is known that it arrived. */
  #telling: { readonly away: Away; answers: number } | null = null;
  #stopTimer: () => void = () => {};
  #muted = false;

  constructor(deps: SessionDeps, options: SessionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#link = deps.connect(options.endpoint);
  }

  async run(): Promise<SessionEnd> {
    const { worker, clock } = this.#deps;
    const { stop, over, change, mute } = this.#options;
    const onMute = () => this.#mute();
    const onStop = () => void this.#stop();
    const onChange = () => this.#end({ verdict: 'change', error: null });
    let unlisten = () => {};
    try {
      await this.#register();
      if (over.aborted) return { onlineMs: null, verdict: 'stopped', error: null };
      stop.addEventListener('abort', onStop, { once: true });
      change.addEventListener('abort', onChange, { once: true });
      unlisten = this.#options.onFactsChanged(() => void this.#registerAgain());
      mute?.addEventListener('abort', onMute, { once: true });
      this.#greet();
      if (stop.aborted) onStop();
      const end = await this.#ended.promise;
      return { ...end, onlineMs: this.#onlineSince === null ? null : clock.monotonic() - this.#onlineSince };
    } catch (error) {
      if (stop.aborted) return { onlineMs: null, verdict: 'stopped', error: null };
      return { ...verdictOn(PalyraError.from(error)), onlineMs: null };
    } finally {
      stop.removeEventListener('abort', onStop);
      change.removeEventListener('abort', onChange);
      unlisten();
      mute?.removeEventListener('abort', onMute);
      this.#stopTimer();
      if (!this.#muted) worker.detach();
      this.#link.destroy();
    }
  }

  async #register(): Promise<void> {
    const { endpoint, over, timings } = this.#options;
    const registration = this.#options.registration();
    const deadline = { timeoutMs: timings.connectTimeoutMs, signal: over, late: () => silent(endpoint) };
    this.#registered = await withDeadline(this.#deps.clock, deadline, (signal) =>
      this.#link.register(registration, signal),
    );
    if (this.#registered.deviceId !== registration.deviceId) throw new PalyraError('DEVICE_MISMATCH');
  }

  /** One at a time; what changed meanwhile is said after it. A daemon that does not take it hears it with the next link. */
  async #registerAgain(): Promise<void> {
    this.#factsChanged = true;
    if (this.#registering) return;
    this.#registering = true;
    try {
      // A muted session has a successor, which says it; one that stops has nobody to say it for.
      while (this.#factsChanged && !this.#muted && !this.#options.stop.aborted) {
        this.#factsChanged = false;
        await this.#register();
      }
    } catch (error) {
      if (!this.#options.stop.aborted) this.#end(verdictOn(PalyraError.from(error)));
    } finally {
      this.#registering = false;
    }
  }

  #greet(): void {
    const { worker, outbox, clock } = this.#deps;
    const { credit, timings, endpoint } = this.#options;
    const { bootId, storeId, protocol, facts, ...registration } = this.#options.registration();
    const away = registration.away?.();
    this.#options.onHello?.();
    this.#stopTimer = clock.schedule(timings.connectTimeoutMs, () => this.#end(verdictOn(silent(endpoint))));
    this.#stream = this.#link.open(
      {
        kind: 'hello',
        bootId,
        storeId,
        protocol,
        version: facts.version,
        credit,
        lastEpoch: outbox.lastEpoch,
        known: worker.known(),
        ...(away === undefined ? {} : { away }),
      },
      {
        message: (message) => this.#receive(message),
        ended: (error) => this.#end(verdictOn(error ?? closedByDaemon(endpoint))),
      },
    );
  }

  #receive(message: DownMessage): void {
    if (this.#muted) return;
    this.#heardAt = this.#deps.clock.monotonic();
    switch (message.kind) {
      case 'welcome':
        this.#welcome(message);
        return;
      case 'beat':
        if (this.#beatAskedAt !== null) this.#options.onRoundTrip(this.#heardAt - this.#beatAskedAt);
        this.#beatAskedAt = null;
        this.#answered();
        return;
      case 'drain':
        this.#deps.log.info('the daemon is about to stop', { reason: message.reason });
        return;
      case 'revoked':
        this.#end(
          verdictOn(new PalyraError('NODE_REVOKED', message.message === '' ? {} : { detail: message.message })),
        );
        return;
      case 'trust_bundle':
        this.#options.onTrust?.(message.certificates);
        return;
      case 'superseded':
        this.#end(this.#superseded(message.bootId));
        return;
      default:
        if (this.#onlineSince === null)
          this.#end(verdictOn(new PalyraError('MESSAGE_INVALID', { detail: 'no welcome' })));
        else this.#deps.worker.receive(message);
    }
  }

  #welcome(welcome: Welcome): void {
    const { outbox, worker, clock } = this.#deps;
    if (this.#onlineSince !== null) return;
    if (welcome.epoch < outbox.lastEpoch) {
      const detail = `it is at epoch ${welcome.epoch}, this node has seen ${outbox.lastEpoch}`;
      this.#end(verdictOn(new PalyraError('DAEMON_STATE_REGRESSED', { detail })));
      return;
    }
    outbox.sawEpoch(welcome.epoch);
    this.#onlineSince = clock.monotonic();
    worker.attach(welcome, (message) => this.#send(message));
    this.#options.onOnline(this.#registered!);
    this.#stopTimer();
    this.#beat(welcome.heartbeatMs);
    if (this.#options.stop.aborted) void this.#stop();
  }

  /** Goes on whatever the handlers do: they never hold up a heartbeat. */
  #beat(heartbeatMs: number): void {
    const { clock, worker } = this.#deps;
    const now = clock.monotonic();
    if (now - this.#heardAt > SILENT_HEARTBEATS * heartbeatMs) {
      this.#end(verdictOn(silent(this.#options.endpoint)));
      return;
    }
    this.#beatAskedAt ??= now;
    const away = this.#options.news?.tell();
    this.#beatsUnanswered += 1;
    if (away !== undefined) this.#telling = { away, answers: this.#beatsUnanswered };
    this.#send({ kind: 'heartbeat', active: worker.active(), ...(away === undefined ? {} : { away }) });
    worker.resend(RESEND_HEARTBEATS * heartbeatMs);
    this.#stopTimer = clock.schedule(heartbeatMs, () => this.#beat(heartbeatMs));
  }

  /** Each heartbeat has its answer, in order: what was told before a connection died is told again. */
  #answered(): void {
    this.#beatsUnanswered = Math.max(0, this.#beatsUnanswered - 1);
    if (this.#telling === null || --this.#telling.answers > 0) return;
    this.#options.news?.told(this.#telling.away);
    this.#telling = null;
  }

  #send(message: UpMessage): void {
    if (this.#muted) return;
    if (message.kind === 'progress' && this.#stream!.congested) return;
    this.#stream!.send(message);
  }

  /** Lets handlers finish and their results be confirmed, within the grace period; then says goodbye. */
  async #stop(): Promise<void> {
    const stopped = { verdict: 'stopped', error: null } as const;
    if (this.#muted) {
      this.#end(stopped);
      return;
    }
    if (this.#onlineSince === null) {
      // The daemon may have taken the hello, and this node for connected: its welcome leads back here.
      this.#stopTimer();
      this.#stopTimer = this.#deps.clock.schedule(GOODBYE_MS, () => this.#end(stopped));
      return;
    }
    this.#send({ kind: 'stopping', reason: 'the node was asked to stop' });
    const graceOver = new Deferred<void>();
    const stopGrace = this.#deps.clock.schedule(this.#options.timings.stopGraceMs, () => graceOver.resolve());
    await Promise.race([this.#deps.worker.drain(), graceOver.promise, this.#ended.promise]);
    stopGrace();
    // The daemon ends the link once it has read everything: waiting for that is waiting for the goodbye to arrive.
    const stopGoodbye = this.#deps.clock.schedule(GOODBYE_MS, () => this.#end(stopped));
    this.#stream!.finish();
    await this.#ended.promise;
    stopGoodbye();
  }

  #mute(): void {
    this.#muted = true;
    this.#stopTimer();
    this.#deps.worker.detach();
    if (this.#options.stop.aborted) this.#end({ verdict: 'stopped', error: null });
  }

  #superseded(bootId: string): Omit<SessionEnd, 'onlineMs'> {
    if (bootId === this.#options.registration().bootId)
      return { verdict: 'retry', error: closedByDaemon(this.#options.endpoint) };
    const detail = 'another process, perhaps on a copy of this machine, uses the same identity';
    return { verdict: 'conflict', error: new PalyraError('NODE_ALREADY_RUNNING', { detail }) };
  }

  #end(end: Omit<SessionEnd, 'onlineMs'>): void {
    // A stop that has begun is finished on this link.
    if (this.#options.stop.aborted && end.verdict === 'change') return;
    this.#ended.resolve(
      this.#options.stop.aborted && end.verdict === 'retry' ? { verdict: 'stopped', error: null } : end,
    );
  }
}

/** How long a busy daemon may take to hear a goodbye. Who stops a node waits for that at most, when the daemon is not there any more and nobody knows. */
export const GOODBYE_MS = 2_000;

/** What an error means for the next try. */
function verdictOn(error: PalyraError): Omit<SessionEnd, 'onlineMs'> {
  switch (error.reason) {
    case 'NODE_REVOKED':
    case 'CERTIFICATE_REVOKED':
      return { verdict: 'final', error };
    case 'NODE_CONFLICT':
      return { verdict: 'conflict', error };
    case 'PROTOCOL_UNSUPPORTED':
    case 'MESSAGE_INVALID':
    case 'DEVICE_MISMATCH':
    case 'DAEMON_STATE_REGRESSED':
    case 'DAEMON_IDENTITY_MISMATCH':
    case 'PROXY_UNUSABLE':
    case 'NODE_CUT_OFF':
      return { verdict: 'slow', error };
    default:
      return { verdict: 'retry', error };
  }
}

function silent(endpoint: string): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it did not answer in time` });
}

function closedByDaemon(endpoint: string): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: the daemon closed the link` });
}
