/**
 * The login that a person approves, the client's half. Nothing secret is typed here: a PIN is shown, and typed where the daemon is.
 *
 *   secret                 256 random bits that never leave before the claim
 *   begin (its SHA-256)    ─► commitment of the daemon to its nonce
 *   confirm (our nonce)    ─► its nonce, the request in the approvals queue; both sides know the PIN
 *   claim (the secret)     ─► pending … approved: the session
 *
 * The PIN is bound to the CA and to the certificate of the connection on which the login began, that is, before our nonce was sent: who sits in between
 * has shown a certificate of its own by then and cannot look for one that gives the same PIN (`base/pairing-pin.ts`).
 */
import { createHash, X509Certificate } from 'node:crypto';
import { sleep, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { isAway } from '../base/unreachable.js';
import { opensCommitment, pairingPin } from '../base/pairing-pin.js';
import { fullJitterDelayMs, type Random } from '../base/random.js';
import type { RouteBody } from '../wire/http/schemas.js';
import type { AccessCalls, WhoAmI } from './access-calls.js';

export interface LoginRequest {
  /** Whom to log in as; null: whoever approves decides. */
  readonly operator: string | null;
  /** About this program, shown to who approves. */
  readonly client: RouteBody<'logins.begin'>['client'];
  readonly signal: AbortSignal;
  /** After so long the wait is over, whatever the daemon says. Milliseconds. */
  readonly timeoutMs: number;
  /** Show the PIN: who approves the request types it. */
  readonly onAsking: (asking: LoginAsking) => void;
}

export interface LoginAsking {
  readonly requestId: string;
  /** Six digits. */
  readonly pin: string;
  readonly expiresAt: string;
}

const SECRET_BYTES = 32;
const NONCE_BYTES = 32;
/** A daemon that answers "pending" without waiting is not asked again sooner. */
const CLAIM_EVERY_MS = 500;
/** One claim waits so long at the daemon; then the next one begins, so that a cut connection is noticed. */
const CLAIM_WAIT_MS = 25_000;
const BACK_OFF = { baseMs: 500, capMs: 5_000, floorMs: 100 } as const;

/** Throws LOGIN_REJECTED, LOGIN_EXPIRED (also after `timeoutMs`), LOGIN_UNKNOWN, PAIRING_PROOF_INVALID, CANCELLED, and what the daemon refuses with. */
export async function logInByApproval(
  client: AccessCalls,
  deps: { readonly clock: Clock; readonly random: Random },
  request: LoginRequest,
): Promise<WhoAmI> {
  const { clock, random } = deps;
  const until = clock.monotonic() + request.timeoutMs;
  const secret = Buffer.from(random.bytes(SECRET_BYTES));
  const claimHash = createHash('sha256').update(secret).digest();
  const { loginId, commitment } = await client.beginLogin({
    claimHash: claimHash.toString('hex'),
    ...(request.operator === null ? {} : { operator: request.operator }),
    client: request.client,
  });
  const facts = await client.connectionFacts();
  const nonce = Buffer.from(random.bytes(NONCE_BYTES));
  const confirmed = await client.confirmLogin(loginId, { nonce: nonce.toString('hex') });
  const daemonNonce = Buffer.from(confirmed.daemonNonce, 'hex');
  if (daemonNonce.length !== NONCE_BYTES || !opensCommitment(Buffer.from(commitment, 'hex'), loginId, daemonNonce)) {
    throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the daemon did not keep to its commitment' });
  }
  const pin = pairingPin({
    caSpkiSha256: caSpkiSha256(facts.caPem),
    serverCertificateSha256: facts.serverCertificateSha256,
    spki: claimHash,
    nodeNonce: nonce,
    daemonNonce,
  });
  request.onAsking({ requestId: confirmed.requestId, pin, expiresAt: confirmed.expiresAt });
  return claim(client, deps, { loginId, secret: secret.toString('hex'), until, signal: request.signal });
}

async function claim(
  client: AccessCalls,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  login: { readonly loginId: string; readonly secret: string; readonly until: number; readonly signal: AbortSignal },
): Promise<WhoAmI> {
  for (let failures = 0; ;) {
    const left = login.until - clock.monotonic();
    if (left <= 0) throw new PalyraError('LOGIN_EXPIRED');
    try {
      const waitMs = Math.floor(Math.min(CLAIM_WAIT_MS, left));
      const { state, who } = await client.claimLogin(login.loginId, login.secret, { waitMs, signal: login.signal });
      if (state === 'approved' && who !== null) return who;
      failures = 0;
      const early = CLAIM_EVERY_MS - (left - (login.until - clock.monotonic()));
      if (early > 0) await sleep(clock, early, login.signal);
    } catch (error) {
      // The daemon was restarted or the network went away: whoever approves is not in a hurry.
      if (!isAway(PalyraError.from(error))) throw error;
      await sleep(clock, fullJitterDelayMs(failures++, random, BACK_OFF), login.signal);
    }
  }
}

function caSpkiSha256(caPem: string): string {
  const spki = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}
