/**
 * Asks the person at this machine before a capability with `mediation: 'ask'` runs. A port: how to ask (desktop dialog, terminal, phone) is for its
 * implementations. The daemon has no say in it and cannot answer in the person's place.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError, REASONS } from '../base/errors.js';
import type { DispatchError, JsonValue } from '../base/model.js';
import type { ChannelName } from '../base/questions.js';
import type { CapabilityDefinition } from './capabilities/capability.js';

export interface MediationRequest {
  readonly id: string;
  readonly definition: CapabilityDefinition;
  readonly input: JsonValue;
  /** Who asks, as the daemon names them. */
  readonly requestedBy: string;
  /** Until the dispatch's deadline. */
  readonly timeLeftMs: number;
  /** Called when a person really is asked; not when a rule answers for them, nor when nobody can be. */
  readonly onAsking: (asking: { readonly channel: ChannelName; readonly timeLeftMs: number }) => void;
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
 * Asks, until the time is over or `asking` aborts: null then. An implementation that fails, or says anything but a plain yes or no, is an answer too:
 * nothing runs that nobody allowed.
 */
export async function askInTime(
  deps: { readonly mediator: Mediator; readonly clock: Clock },
  request: MediationRequest,
  asking: AbortController,
  timeLeftMs: number,
): Promise<MediationAnswer | null> {
  const stopTimer = deps.clock.schedule(timeLeftMs, () => asking.abort(new Error('The deadline passed')));
  try {
    const answer: unknown = await deps.mediator.ask(request, asking.signal);
    if (asking.signal.aborted) return null;
    if (isNo(answer)) return answer;
    if (isYes(answer)) return { allowed: true };
    return refusal('the mediator gave no answer');
  } catch (error) {
    if (asking.signal.aborted) return null;
    return refusal(PalyraError.from(error).message);
  } finally {
    stopTimer();
  }
}

function refusal(message: string): MediationAnswer {
  return { allowed: false, error: { code: 'MEDIATION_FAILED', message } };
}

function isYes(answer: unknown): boolean {
  return (answer as { allowed?: unknown } | null | undefined)?.allowed === true;
}

function isNo(answer: unknown): answer is Extract<MediationAnswer, { allowed: false }> {
  const no = answer as { allowed?: unknown; error?: { code?: unknown; message?: unknown } } | null | undefined;
  return no?.allowed === false && typeof no.error?.code === 'string' && typeof no.error.message === 'string';
}
