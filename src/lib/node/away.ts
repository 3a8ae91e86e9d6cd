/**
 * What a node knows about why it was away, kept until it was told: with the next hello, or with the heartbeats of a link that outlived it. Memory only:
 * a process that ended tells nothing, which the daemon sees by its boot id.
 */
import type { Away } from '../base/absences.js';
import type { PalyraError } from '../base/errors.js';
import { MAX_AWAY_MS } from '../base/link-limits.js';

export class AwayDiary {
  #pausedMs = 0;
  #clockMs = 0;
  #error: PalyraError | null = null;

  /** The machine was found to have slept, or its clock to have been set. Before the link is lost or after. */
  noticed({ pausedMs, clockMs }: { readonly pausedMs: number; readonly clockMs: number }): void {
    this.#pausedMs += pausedMs;
    this.#clockMs += clockMs;
  }

  /** A link, or a try to have one, ended so. The first says why it was lost; one that names a cause of its own says more. */
  after<End extends { readonly error: PalyraError | null }>(end: End): End {
    const { error } = end;
    if (error !== null && (this.#error === null || (isVague(this.#error) && !isVague(error)))) this.#error = error;
    return end;
  }

  /** What to tell in a hello; undefined when there is nothing. */
  tell(): Away | undefined {
    const [pausedMs, clockMs, error] = [whole(this.#pausedMs), whole(this.#clockMs), this.#error];
    if (pausedMs === 0 && clockMs === 0 && error === null) return undefined;
    return { pausedMs, clockMs, reason: error?.reason ?? '', message: error?.detail ?? error?.message ?? '' };
  }

  /** The daemon knows this now; what was noticed since is still to be told. */
  told({ pausedMs, clockMs }: Away): void {
    this.#pausedMs -= pausedMs;
    this.#clockMs -= clockMs;
  }

  /** It was told with the hello of a link that is up. */
  online(): void {
    this.#pausedMs = 0;
    this.#clockMs = 0;
    this.#error = null;
  }
}

/** The network failed, which is what everything looks like at first. */
function isVague({ reason }: PalyraError): boolean {
  return reason === 'DAEMON_UNREACHABLE' || reason === 'WAIT_TIMED_OUT';
}

function whole(ms: number): number {
  return Math.round(Math.max(-MAX_AWAY_MS, Math.min(ms, MAX_AWAY_MS)));
}
