/**
 * When this machine's certificate is renewed: at two thirds of its life, drawn once for each, and again and again until it works. Wall time decides, looked
 * at every minute at least, so that a suspended machine or a set clock is noticed; what `palyra node renew` wrote meanwhile is taken up.
 *
 * Invariants: at most one renewal at a time; nothing here ends a link; whoever runs it ends it by the signal.
 */
import { sleep, toTimestamp, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { fullJitterDelayMs, type Random } from '../base/random.js';
import { issuedAt, renewalDueAt } from '../identity/renewal.js';
import type { NodeCredentials } from './credentials.js';
import { isOfSigner, isSameBundle } from './trust-update.js';

/** The longest time without a look at the clock and at the file. */
const LOOK_EVERY_MS = 60_000;
/** Tries after a failure: full jitter up to a thirtieth of the life, never more often than each second, never less often than hourly. */
const RETRY_BASE_MS = 5_000;
const RETRY_CAP_MS = 3_600_000;
const RETRY_FLOOR_MS = 1_000;
const RETRY_SHARE = 30;
/** What could not be kept because something else changes the identity just then is tried again after this long; a renewal takes a few seconds. */
const TRUST_AGAIN_MS = 1_000;
/** A fleet that is told of another CA at once does not renew at once. */
const SIGNER_SPREAD_MS = 1_000;

export interface RenewalView {
  readonly notAfter: string;
  readonly renewsAt: string;
  /** Why the last try failed; null when it did not. */
  readonly problem: { readonly reason: string; readonly message: string } | null;
}

export interface RenewalScheduleDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Renews unless another certificate than this one is there already. */
  readonly renew: (how: {
    readonly replacing: string;
    readonly byKey: boolean;
    readonly signal: AbortSignal;
  }) => Promise<NodeCredentials>;
  /** Makes durable which CAs to trust. */
  readonly trust: (certificates: readonly string[]) => Promise<NodeCredentials>;
  /** What is on disk now; null when it cannot be read or is gone. */
  readonly read: () => Promise<NodeCredentials | null>;
}

export class RenewalSchedule {
  readonly #deps: RenewalScheduleDeps;
  readonly #listeners = new Set<() => void>();
  #credentials: NodeCredentials;
  #dueAt: number;
  #failures = 0;
  #problem: PalyraError | null = null;
  #wake = new AbortController();
  #renewing: Promise<void> | null = null;
  /** CAs that the daemon told of and that are not on disk yet. */
  #untaken: readonly string[] | null = null;

  constructor(deps: RenewalScheduleDeps, credentials: NodeCredentials) {
    this.#deps = deps;
    this.#credentials = credentials;
    this.#dueAt = renewalDueAt(credentials.certificate, deps.random);
  }

  get credentials(): NodeCredentials {
    return this.#credentials;
  }

  get isExpired(): boolean {
    return this.#credentials.certificate.notAfter <= this.#deps.clock.now();
  }

  view(): RenewalView {
    const problem = this.#problem;
    return {
      notAfter: toTimestamp(this.#credentials.certificate.notAfter)!,
      renewsAt: toTimestamp(this.#dueAt)!,
      problem: problem === null ? null : { reason: problem.reason, message: problem.message },
    };
  }

  /** Told after each change of certificate. Returns what ends it. */
  onRenewed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks now: the daemon can be reached again, or the machine woke up. */
  poke(): void {
    this.#wake.abort();
  }

  /** Trusts these CAs from the next connection on, and renews soon when the first of them did not make the certificate. Never rejects. */
  async trust(certificates: readonly string[]): Promise<void> {
    const { clock, random, log, trust } = this.#deps;
    this.#untaken = null;
    try {
      if (!isSameBundle(this.#credentials.identity.trustBundle, certificates)) this.#take(await trust(certificates));
    } catch (cause) {
      const error = PalyraError.from(cause);
      if (error.reason === 'STATE_LOCKED') {
        // Whoever renews just now may have been answered before the daemon knew of another CA.
        this.#untaken = certificates;
        this.poke();
      } else log.warn('what the daemon says of its CAs could not be kept', { err: error });
      return;
    }
    if (isOfSigner(this.#credentials)) return;
    this.#dueAt = Math.min(this.#dueAt, clock.now() + random.fraction() * SIGNER_SPREAD_MS);
    log.info('the CA of the daemon is being replaced: the certificate is renewed');
    this.poke();
  }

  /** Until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const soonestMs = this.#untaken === null ? LOOK_EVERY_MS : TRUST_AGAIN_MS;
      const waitMs = Math.max(0, Math.min(this.#dueAt - clock.now(), soonestMs));
      await sleep(clock, waitMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
      if (signal.aborted) return;
      await this.reload();
      if (this.#untaken !== null) await this.trust(this.#untaken);
      // A certificate that has expired is renewed before the next connection, by the loop that wants it.
      if (clock.now() >= this.#dueAt && !this.isExpired)
        await this.renewNow({ byKey: false, signal }).catch(() => undefined);
    }
  }

  /** Takes up what another process wrote. */
  async reload(): Promise<void> {
    const read = await this.#deps.read();
    if (read !== null) this.#take(read);
  }

  /** Renews, or waits for the renewal that is under way. Throws what `renewCertificate` throws. */
  async renewNow({ byKey, signal }: { readonly byKey: boolean; readonly signal: AbortSignal }): Promise<void> {
    this.#renewing ??= this.#renew(byKey, signal).finally(() => (this.#renewing = null));
    await this.#renewing;
  }

  async #renew(byKey: boolean, signal: AbortSignal): Promise<void> {
    const { log, clock, random, renew } = this.#deps;
    const { certificate } = this.#credentials;
    try {
      this.#take(await renew({ replacing: certificate.fingerprint, byKey, signal }));
      log.info('the certificate was renewed', { ...this.view() });
    } catch (cause) {
      const error = PalyraError.from(cause);
      if (!signal.aborted) {
        this.#problem = error;
        const lifeMs = certificate.notAfter - issuedAt(certificate);
        const capMs = Math.max(RETRY_FLOOR_MS, Math.min(RETRY_CAP_MS, lifeMs / RETRY_SHARE));
        const limits = { baseMs: Math.min(RETRY_BASE_MS, capMs), capMs, floorMs: RETRY_FLOOR_MS };
        this.#dueAt = clock.now() + fullJitterDelayMs(this.#failures, random, limits);
        this.#failures += 1;
        log.warn('the certificate could not be renewed', { err: error, ...this.view() });
      }
      throw error;
    }
  }

  #take(credentials: NodeCredentials): void {
    const isSame = credentials.certificate.fingerprint === this.#credentials.certificate.fingerprint;
    // The same objects as long as nothing is different: connections are made from them.
    if (isSame && isSameBundle(credentials.identity.trustBundle, this.#credentials.identity.trustBundle)) return;
    this.#credentials = credentials;
    if (isSame) return;
    this.#dueAt = renewalDueAt(credentials.certificate, this.#deps.random);
    this.#failures = 0;
    this.#problem = null;
    for (const listener of [...this.#listeners]) listener();
  }
}
