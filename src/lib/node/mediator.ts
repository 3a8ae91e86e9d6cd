/**
 * Asks the person at this machine before a capability with `mediation: 'ask'` runs. A port: how to ask (desktop dialog, terminal, phone) is for its
 * implementations. The daemon has no say in it and cannot answer in the person's place.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError, REASONS } from '../base/errors.js';
import type { DispatchError, JsonValue } from '../base/model.js';

export interface MediationRequest {
  readonly id: string;
  readonly capability: string;
  readonly summary: string;
  readonly input: JsonValue;
  /** Who asks, as the daemon names them. */
  readonly requestedBy: string;
}

export type MediationAnswer = { readonly allowed: true } | { readonly allowed: false; readonly error: DispatchError };

export interface Mediator {
  /** Resolves with the person's answer. Rejects with the signal's reason when it aborts: cancelled, past the deadline, or the node stops. */
  ask(request: MediationRequest, signal: AbortSignal): Promise<MediationAnswer>;
}

/** For a node without any way to ask: the honest answer comes at once, and nothing runs unasked. */
export const nobodyToAsk: Mediator = {
  ask: async () => ({
    allowed: false,
    error: { code: 'NO_ONE_CAN_BE_ASKED', message: REASONS.NO_ONE_CAN_BE_ASKED.title },
  }),
};

/**
 * Asks, until the time is over or `asking` aborts: null then. An implementation that fails is an answer too: nothing runs that nobody allowed.
 */
export async function askInTime(
  deps: { readonly mediator: Mediator; readonly clock: Clock },
  request: MediationRequest,
  asking: AbortController,
  timeLeftMs: number,
): Promise<MediationAnswer | null> {
  const stopTimer = deps.clock.schedule(timeLeftMs, () => asking.abort(new Error('The deadline passed')));
  try {
    return await deps.mediator.ask(request, asking.signal);
  } catch (error) {
    if (asking.signal.aborted) return null;
    return { allowed: false, error: { code: 'MEDIATION_FAILED', message: PalyraError.from(error).message } };
  } finally {
    stopTimer();
  }
}
