/**
 * Requests without an invite: a machine (or a program that logs in, `login-requests.ts`) shows a PIN, and a person types it.
 *
 * Always true: whoever asks has one live request whose id stays; nobody gets more than `MAX_WRONG_PINS` tries at one PIN, over restarts; the number of PINs
 * that can be drawn is bounded by the places in the queue, because a place is given back only by a person or by time.
 */
import { PalyraError } from '../base/errors.js';
import type { MachineFacts, PinVerifier } from '../base/model.js';
import type { ApprovalRecord, JoinRecord } from '../base/requests.js';
import { fitName } from './join-names.js';
import { awaitPerson, close, MAX_PENDING_REQUESTS, openRequest, reissue } from './pairing.js';
import { type PairingContext } from './pairing-context.js';
import type { Transaction } from './transaction.js';

/** Live requests without an invite from one source: more is not a person with a few machines. */
export const MAX_PENDING_PER_SOURCE = 4;
export const MAX_WRONG_PINS = 5;
/** A machine that lost the answer gets another PIN this often; each is a chance for somebody in between. */
export const MAX_PIN_RENEWALS = 4;

export interface PinRequest {
  readonly spki: Buffer;
  readonly keyFingerprint: string;
  readonly facts: MachineFacts;
  readonly requestedName: string | null;
  readonly address: string;
  readonly pin: PinVerifier;
}

export interface PinRequestContext extends PairingContext {
  /** What counts as one source. */
  readonly sourceOf: (address: string) => string;
}

/**
 * The request of a device key whose possession was proven. A machine that is paired already gets its certificate anew. Throws PAIRING_BUSY or
 * PAIRING_THROTTLED; nothing is changed then.
 */
export function requestByPin(
  tx: Transaction,
  context: PinRequestContext,
  requestId: string,
  request: PinRequest,
): JoinRecord {
  const { pending, registry } = context;
  const found = pending.byKey(tx.tables, request.keyFingerprint);
  const live = found !== null && found.expiresAt > tx.now.wall ? found : null;
  if (live !== null) return renew(tx, live, request.pin);
  const known = registry.byKey(tx.tables, request.keyFingerprint);
  if (known === null && !hasRoom(tx, context, request.address)) {
    throw new PalyraError('PAIRING_BUSY', { hint: 'Answer the requests that wait: palyra approvals list' });
  }
  if (found !== null) close(tx, context, found, { state: 'expired', by: 'time', reason: null });
  const name = known?.name ?? request.requestedName ?? fitName(request.facts.hostname);
  const opened = openRequest(tx, { id: requestId, name, inviteId: null }, request);
  const approval = tx.set('approvals', opened.id, { pin: request.pin, wrongPins: 0, pinRenewals: 0 }) as JoinRecord;
  if (known !== null) return reissue(tx, context, approval, known);
  awaitPerson(tx, pending, approval, name);
  return approval;
}

/** How the PIN was given: whether it is the one kept; that the owner does without it; or not at all. */
export type PinAnswer = ((verifier: PinVerifier) => boolean) | 'waived' | null;

/**
 * Null when the PIN fits or none is needed, otherwise the refusal. A wrong one is counted: the caller commits the transaction and then throws, because the
 * count must survive a restart. Throws PIN_REQUIRED.
 */
export function refusalOfPin(
  tx: Transaction,
  context: PairingContext,
  approval: ApprovalRecord,
  pin: PinAnswer,
): PalyraError | null {
  if (approval.pin === undefined || pin === 'waived') return null;
  if (pin === null) throw new PalyraError('PIN_REQUIRED');
  return pin(approval.pin) ? null : countWrongPin(tx, context, approval);
}

/** Counts a wrong PIN. The caller commits the transaction and then throws the refusal: the count must survive a restart. */
function countWrongPin(tx: Transaction, context: PairingContext, approval: ApprovalRecord): PalyraError {
  const wrongPins = (approval.wrongPins ?? 0) + 1;
  const counted = tx.set('approvals', approval.id, { wrongPins });
  const triesLeft = MAX_WRONG_PINS - wrongPins;
  if (triesLeft <= 0) {
    close(tx, context, counted, { state: 'rejected', by: 'too many wrong PINs', reason: null });
    return new PalyraError('PIN_WRONG', {
      detail: 'it was the last try, the request is closed',
      hint: `${approval.kind === 'join' ? 'The machine' : 'The program'} must ask again; it shows another PIN then`,
      details: { triesLeft: 0 },
    });
  }
  const tries = triesLeft === 1 ? '1 try' : `${triesLeft} tries`;
  return new PalyraError('PIN_WRONG', { detail: `${tries} left`, details: { triesLeft } });
}

/** The machine does not know its PIN any more. A request that an invite's code has proven needs none. */
function renew(tx: Transaction, live: JoinRecord, pin: PinVerifier): JoinRecord {
  if (live.pin === undefined) return live;
  const pinRenewals = (live.pinRenewals ?? 0) + 1;
  if (pinRenewals > MAX_PIN_RENEWALS) {
    throw new PalyraError('PAIRING_THROTTLED', {
      detail: `request ${live.id} had ${MAX_PIN_RENEWALS + 1} PINs`,
      hint: `Reject it where the daemon is, then ask again: palyra approvals reject ${live.id}`,
    });
  }
  return tx.set('approvals', live.id, { pin, pinRenewals }) as JoinRecord;
}

/** Whether one more request of any kind may wait for a person. */
export function hasRoom(tx: Transaction, { pending, sourceOf }: PinRequestContext, address: string): boolean {
  const live = pending.live(tx.tables, tx.now.wall).filter(({ kind }) => kind !== 'capabilities');
  const source = sourceOf(address);
  const here = live.filter((other) => other.pin !== undefined && sourceOf(other.address) === source);
  return live.length < MAX_PENDING_REQUESTS && here.length < MAX_PENDING_PER_SOURCE;
}
