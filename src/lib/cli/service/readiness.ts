/** Waits until a service that was started is of use, not only there: a node that is connected, a daemon that answers. Looks; never changes anything. */
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { logTail } from '../daemon-process.js';
import type { Supervisor } from './supervisor.js';

export interface Readiness {
  readonly pid: number;
  readonly ready: boolean;
  /** Why it is not ready, for people; null when it does not say. */
  readonly why: string | null;
}

/** What the service says about itself, or null when it does not answer. */
export type Probe = () => Promise<Readiness | null>;

const LOOK_EVERY_MS = 100;
/** The supervisor is asked less often: it takes a program. */
const STATE_EVERY = 5;
/** A supervisor that starts a service again after a failure shows it as not running in between; this often in a row is an end. */
const GONE_AFTER = 2;

export interface ReadinessOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The process that was there before and does not count. */
  readonly notPid: number | null;
  readonly log: string;
}

/**
 * Throws SERVICE_START_FAILED with the end of the log when it ended, SERVICE_NOT_READY when the time is over and it still runs, CANCELLED on the signal.
 */
export async function awaitReady(
  probe: Probe,
  supervisor: Supervisor,
  clock: Clock,
  { timeoutMs, signal, notPid, log }: ReadinessOptions,
): Promise<Readiness> {
  const until = clock.monotonic() + timeoutMs;
  let why: string | null = null;
  let gone = 0;
  for (let round = 1; ; round++) {
    const seen = await probe();
    if (seen !== null && seen.pid !== notPid) {
      if (seen.ready) return seen;
      why = seen.why;
    }
    if (round % STATE_EVERY === 0) {
      gone = (await supervisor.state()).running ? 0 : gone + 1;
      if (gone >= GONE_AFTER) throw new PalyraError('SERVICE_START_FAILED', { details: { log: logTail(log) } });
    }
    if (clock.monotonic() >= until) throw new PalyraError('SERVICE_NOT_READY', why === null ? {} : { detail: why });
    await sleep(clock, LOOK_EVERY_MS, signal).catch((error: unknown) => {
      throw new PalyraError('CANCELLED', { detail: 'it was not waited for any longer', cause: error });
    });
  }
}
