/**
 * One dispatch from request to outcome, as a client sees it. It is made without waiting and then followed, so that its id is known from the first
 * moment: Ctrl-C and a time-out can name it, and a daemon that restarts in between is simply asked again.
 *
 * The idempotency key makes the request repeatable: when the connection breaks before the answer, the same request is sent again and the daemon
 * gives back the dispatch it already has.
 */
import { PalyraError } from '../base/errors.js';
import { isAway } from '../base/unreachable.js';
import type { Clock } from '../base/clock.js';
import { sleep } from '../base/clock.js';
import type { DispatchView, JsonValue } from '../base/model.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { isSettled } from './exit-codes.js';

export interface DispatchRequest {
  readonly node: string;
  readonly capability: string;
  readonly input: JsonValue;
  readonly timeoutMs: number | undefined;
  readonly queueMs: number | undefined;
  readonly idempotencyKey: string;
}

export interface FollowOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Longest single wait; shorter gives the caller more states to tell about. */
  readonly sliceMs: number;
  /** Stops waiting after this long; absent: at the deadline of the dispatch. */
  readonly timeoutMs?: number;
  readonly onState: (dispatch: DispatchView) => void;
}

/** How long a daemon that went away is waited for before the caller is told. */
const RECONNECT_MS = 15_000;
const RETRY_EVERY_MS = 250;
/** The daemon settles at the deadline itself; this is for its answer to arrive. */
const GRACE_MS = 5000;

/** The accepted dispatch. Throws the daemon's refusal, or DAEMON_UNREACHABLE when it stays away. */
export function sendDispatch(
  client: ControlPlaneClient,
  request: DispatchRequest,
  options: Pick<FollowOptions, 'clock' | 'signal'>,
): Promise<DispatchView> {
  const { node, timeoutMs, queueMs, ...rest } = request;
  const body = {
    ...rest,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(queueMs === undefined ? {} : { queueMs }),
    wait: false,
  };
  return patiently(() => client.createDispatch(node, body, { signal: options.signal }), options, { first: true });
}

/** The settled dispatch, or as it is when its deadline or the time-out has passed and it still is not. Throws CANCELLED on the signal. */
export async function followDispatch(
  client: ControlPlaneClient,
  accepted: DispatchView,
  options: FollowOptions,
): Promise<DispatchView> {
  let dispatch = accepted;
  options.onState(dispatch);
  const untilDeadlineMs = Math.max(Date.parse(accepted.deadlineAt) - options.clock.now(), 0) + GRACE_MS;
  const end = options.clock.monotonic() + Math.min(untilDeadlineMs, options.timeoutMs ?? Infinity);
  while (!isSettled(dispatch.state)) {
    const left = end - options.clock.monotonic();
    if (left <= 0) break;
    const waitMs = Math.ceil(Math.min(left, options.sliceMs));
    const next = await patiently(() => client.showDispatch(dispatch.id, { waitMs, signal: options.signal }), options, {
      first: false,
    });
    if (next.state !== dispatch.state) options.onState(next);
    dispatch = next;
  }
  return dispatch;
}

/** Repeats while the daemon is away: not on the very first call, where "no daemon is running" is the answer. */
async function patiently<T>(
  call: () => Promise<T>,
  options: Pick<FollowOptions, 'clock' | 'signal'>,
  { first }: { first: boolean },
): Promise<T> {
  const until = options.clock.monotonic() + RECONNECT_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const { reason } = PalyraError.from(error);
      const away = isAway({ reason }) || (reason === 'DAEMON_NOT_RUNNING' && (!first || attempt > 0));
      if (!away || options.clock.monotonic() >= until) throw error;
      await sleep(options.clock, RETRY_EVERY_MS, options.signal);
    }
  }
}
