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
import { sleep } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { Lifecycle } from '../base/lifecycle.js';
import { DENIAL_PENALTY_MS } from '../base/link-limits.js';
import { fullJitterDelayMs } from '../base/random.js';
import { toNodeHostConfig, type NodeHostConfig, type NodeHostOptions } from './config.js';
import { nodeEndpointsOf } from './addresses.js';
import { assembleHost, type HostEvents, type HostParts, type NodeHostDeps } from './host-parts.js';
import type { RenewalSchedule } from './renewal-schedule.js';
import { markRevoked } from './revocation.js';
import { runRound } from './round.js';
import { GOODBYE_MS, type SessionEnd, type StopSignals } from './session.js';
import type { HostStatus, StatusBoard } from './status.js';
import type { Worker } from './worker.js';

export type { NodeHostDeps } from './host-parts.js';

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
const MAX_TOLD_WAIT_MS = 10 * DENIAL_PENALTY_MS;

/** What a daemon says once and for all to who asks for a certificate. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'NODE_REVOKED',
  'CERTIFICATE_REVOKED',
  'CERTIFICATE_EXPIRED',
  'PAIRING_PROOF_INVALID',
]);

/** A daemon that has cut this node off says for how long; over QUIC it cannot say more than that it has. */
function toldToWaitMs(error: PalyraError | null): number {
  if (error?.reason !== 'NODE_CUT_OFF') return 0;
  const { retryAfterMs } = error.details;
  return typeof retryAfterMs === 'number' ? Math.min(Math.max(0, retryAfterMs), MAX_TOLD_WAIT_MS) : DENIAL_PENALTY_MS;
}

class Host implements NodeHost {
  readonly #config: NodeHostConfig;
  readonly #deps: NodeHostDeps;
  readonly #listeners = new Set<(status: HostStatus) => void>();
  /** Ends the loop without grace: the journal failed. */
  readonly #fatal = new AbortController();
  #board: StatusBoard | null = null;
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
      const parts = await assembleHost(this.#deps, this.#config, this.#events(), lifecycle);
      this.#board = parts.board;
      await this.#loop(parts, stop);
      this.#fatal.signal.throwIfAborted();
    } finally {
      await lifecycle.close();
    }
  }

  #events(): HostEvents {
    return {
      changed: (status) => {
        for (const listener of [...this.#listeners]) listener(status);
      },
      failed: (error) => this.#fatal.abort(error),
      retryNow: () => this.#retryNow.abort(),
    };
  }

  async #loop(parts: HostParts, stop: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const { timings } = this.#config;
    let attempts = 0;
    let graceUntil = clock.monotonic() + timings.stopGraceMs;
    // The daemon takes this node for connected, or did a moment ago.
    let owesGoodbye = false;
    const over = new AbortController();
    let cancelOver = () => {};
    const onStop = () => {
      graceUntil = clock.monotonic() + timings.stopGraceMs;
      parts.board.stopping();
      if (owesGoodbye && !this.#fatal.signal.aborted) cancelOver = clock.schedule(GOODBYE_MS, () => over.abort());
      else over.abort();
    };
    stop.addEventListener('abort', onStop, { once: true });
    while (!stop.aborted || (owesGoodbye && !over.signal.aborted)) {
      const end = parts.away.after(await this.#round(parts, { stop, over: over.signal }, attempts));
      owesGoodbye = end.verdict === 'change';
      if (stop.aborted && !owesGoodbye) break;
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
      const floorMs = end.verdict === 'retry' ? MIN_RETRY_MS : Math.max(timings.slowRetryMs, toldToWaitMs(end.error));
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
    cancelOver();
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
  async #round(parts: HostParts, { stop, over }: StopSignals, attempts: number): Promise<SessionEnd> {
    const { renewal } = parts;
    await renewal.reload();
    if (renewal.isExpired) {
      const failed = await this.#renewFirst(renewal, { byKey: false, signal: stop });
      if (failed !== null) return failed;
    }
    const end = await runRound(parts, { endpoints: nodeEndpointsOf(renewal.credentials.identity), stop, over });
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
