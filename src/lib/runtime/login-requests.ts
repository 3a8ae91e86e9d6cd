/**
 * Requests of programs for a session: the rules. The program shows a PIN, a person types it and with that lets the program act as an operator.
 *
 *   pending ──► approved ──► issued                   pending ──► rejected | expired
 *
 * Always true (test/unit/runtime/logins.test.ts):
 *   1. A login is approved once, as one operator, and its session is fetched at most once, with the secret whose hash began it.
 *   2. A claim hash has one live request whose id stays; the number of PINs drawn for it is bounded, over restarts.
 *   3. What was asked first (who, from where) is what stands in the queue: asking again changes the PIN and nothing else.
 *
 * Who may approve as whom is the desk's to say (`daemon/approvals.ts`); sessions are made by whoever keeps operators.
 */
import { PalyraError } from '../base/errors.js';
import type { PinVerifier } from '../base/model.js';
import type { ClientFacts, LoginRecord } from '../base/requests.js';
import { assertPending, close } from './pairing.js';
import type { PairingContext } from './pairing-context.js';
import { hasRoom, MAX_PIN_RENEWALS, type PinRequestContext } from './pin-requests.js';
import type { Transaction } from './transaction.js';

/** A person sits at the terminal that shows the PIN; nobody waits longer. An approved login can be fetched this long too. */
export const LOGIN_TTL_MS = 10 * 60_000;

export interface LoginRequest {
  readonly loginId: string;
  readonly claimHash: string;
  readonly client: ClientFacts;
  readonly operator: string | null;
  readonly address: string;
  readonly pin: PinVerifier;
}

/** Throws LOGIN_THROTTLED (no room, or too many PINs) or LOGIN_UNKNOWN (from another source than before); nothing is changed then. */
export function requestLogin(
  tx: Transaction,
  context: PinRequestContext,
  requestId: string,
  request: LoginRequest,
): LoginRecord {
  const found = context.pending.byClaim(tx.tables, request.claimHash);
  if (found !== null && found.expiresAt > tx.now.wall) return renew(tx, context, found, request);
  if (!hasRoom(tx, context, request.address)) {
    throw new PalyraError('LOGIN_THROTTLED', {
      detail: 'too many requests wait for a person',
      hint: 'Answer the requests that wait, where the daemon is: palyra approvals list',
    });
  }
  if (found !== null) close(tx, context, found, { state: 'expired', by: 'time', reason: null });
  const { loginId, claimHash, client, operator, address, pin } = request;
  const login: LoginRecord = {
    id: requestId,
    kind: 'login',
    state: 'pending',
    loginId,
    claimHash,
    client,
    operator,
    address,
    pin,
    wrongPins: 0,
    pinRenewals: 0,
    grantedTo: null,
    requestedAt: tx.now.wall,
    expiresAt: tx.now.wall + LOGIN_TTL_MS,
    decidedAt: null,
    decidedBy: null,
    rejectReason: null,
  };
  tx.put('approvals', login.id, login);
  context.pending.add(login);
  tx.touchedApprovals.push(login.id);
  tx.events.push({ type: 'approval.requested', approvalId: login.id, kind: 'login', name: client.hostname, address });
  return login;
}

/** A person says yes. Throws ALREADY_DECIDED with who, as whom and when. */
export function approveLogin(
  tx: Transaction,
  { pending }: PairingContext,
  login: LoginRecord,
  answer: { readonly by: string; readonly operator: { readonly id: string; readonly name: string } },
): LoginRecord {
  assertPending(login, tx.now.wall);
  const { by, operator } = answer;
  const approved = tx.set('approvals', login.id, {
    state: 'approved',
    decidedAt: tx.now.wall,
    decidedBy: by,
    grantedTo: { operatorId: operator.id, name: operator.name },
    expiresAt: tx.now.wall + LOGIN_TTL_MS,
  });
  pending.remove(login);
  tx.touchedApprovals.push(login.id);
  tx.events.push({ type: 'approval.decided', approvalId: login.id, kind: 'login', state: 'approved', by });
  return approved as LoginRecord;
}

/** Spends an approved login. Throws what `assertClaimable` throws, and LOGIN_UNKNOWN while it waits for a person. */
export function spendLogin(tx: Transaction, login: LoginRecord): LoginRecord {
  assertClaimable(login, tx.now.wall);
  if (login.state !== 'approved') throw new PalyraError('LOGIN_UNKNOWN');
  return tx.set('approvals', login.id, { state: 'issued' }) as LoginRecord;
}

/** Throws LOGIN_REJECTED with who and why, LOGIN_EXPIRED, or LOGIN_UNKNOWN when its session was fetched. */
export function assertClaimable({ state, expiresAt, decidedBy, rejectReason }: LoginRecord, wall: number): void {
  if (state === 'rejected') {
    const why = rejectReason === null ? '' : `: "${rejectReason}"`;
    throw new PalyraError('LOGIN_REJECTED', {
      detail: `by ${decidedBy ?? 'the daemon'}${why}`,
      details: { by: decidedBy, why: rejectReason },
    });
  }
  if (state === 'issued' || state === 'withdrawn') throw new PalyraError('LOGIN_UNKNOWN');
  if (state === 'expired' || expiresAt <= wall) throw new PalyraError('LOGIN_EXPIRED');
}

/** The program lost the answer and begins anew: it shows another PIN. Another source does not know the claim hash but as somebody in between. */
function renew(
  tx: Transaction,
  { sourceOf }: PinRequestContext,
  live: LoginRecord,
  request: LoginRequest,
): LoginRecord {
  if (sourceOf(live.address) !== sourceOf(request.address)) throw new PalyraError('LOGIN_UNKNOWN');
  const pinRenewals = (live.pinRenewals ?? 0) + 1;
  if (pinRenewals > MAX_PIN_RENEWALS) {
    throw new PalyraError('LOGIN_THROTTLED', { detail: `request ${live.id} had ${MAX_PIN_RENEWALS + 1} PINs` });
  }
  return tx.set('approvals', live.id, { pin: request.pin, loginId: request.loginId, pinRenewals }) as LoginRecord;
}
