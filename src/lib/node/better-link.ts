/**
 * While a link stands that is not the best, looks from time to time whether a better transport works again. It registers over that transport, which disturbs
 * nothing; when that is answered the host is told to change over. How often is the chooser's decision.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { withDeadline } from './deadline.js';
import type { LinkFactory } from './link/chosen-link.js';
import type { Registration } from './link/link.js';
import type { TransportChooser } from './transport-chooser.js';

export interface BetterLinkDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly chooser: TransportChooser;
  readonly factories: readonly LinkFactory[];
}

export interface BetterLinkOptions {
  readonly endpoint: string;
  readonly registration: () => Registration;
  readonly timeoutMs: number;
  /** Called once. */
  readonly onBetter: () => void;
}

/** Returns what ends the watch, and a try that is under way. */
export function watchForBetterLink(deps: BetterLinkDeps, options: BetterLinkOptions): () => void {
  const { clock, log, chooser, factories } = deps;
  const ended = new AbortController();
  let stopTimer = () => {};
  const arm = () => {
    const at = chooser.retryBetterAt();
    if (at === null || ended.signal.aborted) return;
    stopTimer = clock.schedule(Math.max(0, at - clock.monotonic()), () => void look());
  };
  const look = async () => {
    const transport = chooser.dueBetter();
    const factory = factories.find((each) => each.transport === transport);
    if (factory === undefined) {
      arm();
      return;
    }
    const link = factory.connect(options.endpoint);
    const late = () =>
      new PalyraError('DAEMON_UNREACHABLE', { detail: `${options.endpoint}: it did not answer in time` });
    const deadline = { timeoutMs: options.timeoutMs, signal: ended.signal, late };
    try {
      await withDeadline(clock, deadline, (signal) => link.register(options.registration(), signal));
      log.info('a better transport works again', { transport: factory.transport });
      options.onBetter();
    } catch (error) {
      if (ended.signal.aborted) return;
      chooser.stillFailing(factory.transport, PalyraError.from(error));
      arm();
    } finally {
      link.destroy();
    }
  };
  arm();
  return () => {
    ended.abort();
    stopTimer();
  };
}
