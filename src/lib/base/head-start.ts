/**
 * Several ways to one end, tried one beside the other: each has a head start before the next, none waits for one that does not answer (RFC 8305, section 5).
 * At most `MAX_AT_ONCE` are under way; when all of them hang, the next one begins when one of them has failed.
 */
import type { Clock } from './clock.js';

/** "Connection Attempt Delay" of RFC 8305, section 8. */
export const HEAD_START_MS = 250;
const MAX_AT_ONCE = 4;

export interface RaceOptions<T> {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Ends what came too late. */
  readonly discard: (late: T) => void;
  /** Whether this failure is the answer, whatever the others would say. Default: never. */
  readonly isFinal?: (error: unknown) => boolean;
}

/** The first that succeeds; its signal goes on, those of the others are aborted. Rejects with the failure of the first one in the list, or the signal's reason. */
export function raceWithHeadStart<T>(
  tries: readonly ((signal: AbortSignal) => Promise<T>)[],
  { clock, signal, discard, isFinal = () => false }: RaceOptions<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const controllers: AbortController[] = [];
    const failures = new Map<number, Error>();
    let over = false;
    let stopTimer = () => {};
    const finish = (winner: number | null, settle: () => void) => {
      over = true;
      stopTimer();
      signal.removeEventListener('abort', onAbort);
      controllers.forEach((controller, index) => index !== winner && controller.abort(signal.reason));
      settle();
    };
    const onAbort = () => finish(null, () => reject(signal.reason as Error));
    const failed = (index: number, error: Error) => {
      if (over) return;
      failures.set(index, error);
      if (isFinal(error)) finish(null, () => reject(error));
      else if (failures.size === tries.length) finish(null, () => reject(failures.get(0)!));
      else next();
    };
    const next = () => {
      stopTimer();
      const index = controllers.length;
      const attempt = tries[index];
      if (over || attempt === undefined || index - failures.size >= MAX_AT_ONCE) return;
      const controller = new AbortController();
      controllers.push(controller);
      if (index + 1 < tries.length) stopTimer = clock.schedule(HEAD_START_MS, next);
      attempt(controller.signal).then(
        (value) => (over ? discard(value) : finish(index, () => resolve(value))),
        (error: Error) => failed(index, error),
      );
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else next();
  });
}
