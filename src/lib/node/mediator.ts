/**
 * Asks the person at this machine before a capability with `mediation: 'ask'` runs. A port: how to ask (desktop dialog, terminal, phone) is for its
 * implementations. The daemon has no say in it and cannot answer in the person's place.
 */
import { REASONS } from '../base/errors.js';
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
