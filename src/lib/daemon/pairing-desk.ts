/**
 * The daemon's half of pairing over an anonymous connection: finds the invite, proves the daemon first, checks the node's proofs, and only
 * then lets the runtime decide. Source of the exchange: SCRAM, RFC 5802, with scrypt (see `identity/pairing-proof.ts`).
 *
 *   begin ─► [session, 60 s] ─► complete ─► runtime.requestPairing
 *                 └─ taken away before anything in it is checked: one try each
 *
 * A session is memory only: losing one costs a retry. Whatever is wrong with a code is answered alike and not sooner than after 250 ms.
 */
import type { Clock } from '../base/clock.js';
import { sleep } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { NODE_PROTOCOL, type ApprovalRecord, type InviteRecord, type MachineFacts } from '../base/model.js';
import type { Random } from '../base/random.js';
import { fingerprintOf, parsePublicKey } from '../identity/device-key.js';
import {
  awaitMessage,
  daemonProof,
  pairingTranscript,
  verifyCodeProof,
  verifyPossession,
} from '../identity/pairing-proof.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import { sourceKey } from './caller.js';

export const SESSION_TTL_MS = 60_000;
/** Half-done pairings at once, over all and from one source: more are PAIRING_BUSY. */
export const MAX_SESSIONS = 32;
export const MAX_SESSIONS_PER_SOURCE = 4;
/** Every refusal of a code takes at least this long, so that its time says nothing and guessing is slow. */
export const REFUSAL_FLOOR_MS = 250;
/** How far the time in a signature may be from ours. */
const MAX_SIGNATURE_AGE_MS = 5 * 60_000;
const LOCATOR_BYTES = 16;
const NONCE_BYTES = 32;

export interface PairingDeskDeps {
  readonly runtime: Pick<NodeRuntime, 'evaluateLocator' | 'requestPairing' | 'approval'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the node pins; both are in every transcript. Hex. */
export interface DaemonFingerprints {
  readonly caSpkiSha256: string;
  readonly serverCertificateSha256: string;
}

export interface BegunSession {
  readonly sessionId: string;
  readonly daemonNonce: Buffer;
  readonly daemonProof: Buffer;
}

interface Session {
  readonly invite: InviteRecord;
  readonly spki: Buffer;
  readonly transcript: Buffer;
  readonly source: string;
  readonly expiresAt: number;
}

export class PairingDesk {
  readonly #deps: PairingDeskDeps;
  readonly #fingerprints: DaemonFingerprints;
  readonly #sessions = new Map<string, Session>();
  /** Places taken by sessions and by begins that wait for the runtime. */
  readonly #places = new Map<string, number>();
  #taken = 0;

  constructor(deps: PairingDeskDeps, fingerprints: DaemonFingerprints) {
    this.#deps = deps;
    this.#fingerprints = fingerprints;
  }

  get openSessions(): number {
    return this.#sessions.size;
  }

  /**
   * Throws PROTOCOL_UNSUPPORTED, MESSAGE_INVALID, PAIRING_PROOF_INVALID (not a P-256 key), PAIRING_BUSY, PAIRING_THROTTLED and
   * INVITE_REFUSED.
   */
  async begin(o: {
    readonly locator: Buffer;
    readonly nodeNonce: Buffer;
    readonly spki: Buffer;
    readonly protocol: { readonly min: number; readonly max: number };
    readonly address: string;
  }): Promise<BegunSession> {
    if (o.protocol.min > NODE_PROTOCOL.max || o.protocol.max < NODE_PROTOCOL.min) {
      throw new PalyraError('PROTOCOL_UNSUPPORTED', {
        detail: `the node speaks ${o.protocol.min} to ${o.protocol.max}, the daemon ${NODE_PROTOCOL.min} to ${NODE_PROTOCOL.max}`,
      });
    }
    assertLength('locator', o.locator, LOCATOR_BYTES);
    assertLength('node_nonce', o.nodeNonce, NONCE_BYTES);
    parsePublicKey(o.spki);
    const source = sourceKey(o.address);
    this.#take(source);
    let kept = false;
    try {
      const locator = o.locator.toString('hex');
      const keyFingerprint = fingerprintOf(o.spki);
      const invite = await this.#notSooner(() =>
        this.#deps.runtime.evaluateLocator({ locator, address: o.address, keyFingerprint }),
      );
      const sessionId = this.#deps.random.bytes(16).toString('base64url');
      const daemonNonce = this.#deps.random.bytes(NONCE_BYTES);
      const transcript = pairingTranscript({
        ...this.#fingerprints,
        spki: o.spki,
        nodeNonce: o.nodeNonce,
        daemonNonce,
        locator: o.locator,
        sessionId,
      });
      const expiresAt = this.#deps.clock.monotonic() + SESSION_TTL_MS;
      this.#supersede(o.spki);
      this.#sessions.set(sessionId, { invite, spki: Buffer.from(o.spki), transcript, source, expiresAt });
      kept = true;
      return { sessionId, daemonNonce, daemonProof: daemonProof(invite.verifier.serverKey, transcript) };
    } finally {
      if (!kept) this.#leave(source);
    }
  }

  /** Throws PAIRING_SESSION_UNKNOWN, INVITE_REFUSED, PAIRING_PROOF_INVALID and NAME_TAKEN. */
  async complete(o: {
    readonly sessionId: string;
    readonly codeProof: Buffer;
    readonly possessionProof: Buffer;
    readonly requestedName: string | null;
    readonly facts: MachineFacts;
    readonly address: string;
    /** Runs when the proofs have been verified, before anything is decided; may refuse. */
    readonly onProven?: () => Promise<void>;
  }): Promise<ApprovalRecord> {
    const session = this.#consume(o.sessionId);
    if (session === null) throw new PalyraError('PAIRING_SESSION_UNKNOWN');
    const { invite, spki, transcript } = session;
    return this.#notSooner(async () => {
      if (!verifyCodeProof(invite.verifier, transcript, o.codeProof)) throw new PalyraError('INVITE_REFUSED');
      if (!verifyPossession(spki, transcript, o.possessionProof)) throw new PalyraError('PAIRING_PROOF_INVALID');
      await o.onProven?.();
      return this.#deps.runtime.requestPairing({
        inviteId: invite.id,
        spki,
        keyFingerprint: fingerprintOf(spki),
        facts: o.facts,
        requestedName: o.requestedName,
        address: o.address,
      });
    });
  }

  /** Who asks for material must hold the key it was issued for. Throws APPROVAL_NOT_FOUND, CLOCK_SKEW and PAIRING_PROOF_INVALID. */
  assertOwner(o: {
    readonly requestId: string;
    readonly signedAtMs: number;
    readonly possessionProof: Buffer;
  }): ApprovalRecord {
    const approval = this.#deps.runtime.approval(o.requestId);
    const skewMs = Math.abs(this.#deps.clock.now() - o.signedAtMs);
    const spki = Buffer.from(approval.publicKey, 'base64');
    // The signature first: only the owner of the key is told about clocks.
    if (!verifyPossession(spki, awaitMessage(o.requestId, o.signedAtMs), o.possessionProof)) {
      throw new PalyraError('PAIRING_PROOF_INVALID');
    }
    if (skewMs > MAX_SIGNATURE_AGE_MS) {
      throw new PalyraError('CLOCK_SKEW', { detail: `they differ by ${Math.round(skewMs / 1000)} s` });
    }
    return approval;
  }

  /** Forgets sessions that were not completed in time. Called by the ticker. */
  sweep(): void {
    const now = this.#deps.clock.monotonic();
    for (const [id, session] of this.#sessions) if (session.expiresAt <= now) this.#remove(id, session);
  }

  #consume(sessionId: string): Session | null {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return null;
    this.#remove(sessionId, session);
    return session.expiresAt > this.#deps.clock.monotonic() ? session : null;
  }

  /** A machine that begins again has given up what it began before: it does not hold two places. */
  #supersede(spki: Buffer): void {
    for (const [id, session] of this.#sessions) if (session.spki.equals(spki)) this.#remove(id, session);
  }

  #remove(id: string, session: Session): void {
    this.#sessions.delete(id);
    this.#leave(session.source);
  }

  #take(source: string): void {
    this.sweep();
    const here = this.#places.get(source) ?? 0;
    if (this.#taken >= MAX_SESSIONS || here >= MAX_SESSIONS_PER_SOURCE) throw new PalyraError('PAIRING_BUSY');
    this.#taken += 1;
    this.#places.set(source, here + 1);
  }

  #leave(source: string): void {
    this.#taken -= 1;
    const here = (this.#places.get(source) ?? 1) - 1;
    if (here === 0) this.#places.delete(source);
    else this.#places.set(source, here);
  }

  /** Success at its own pace, failure not before the floor. */
  async #notSooner<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.#deps;
    const startedAt = clock.monotonic();
    try {
      return await work();
    } catch (error) {
      await sleep(clock, REFUSAL_FLOOR_MS - (clock.monotonic() - startedAt));
      throw error;
    }
  }
}

function assertLength(field: string, bytes: Buffer, length: number): void {
  if (bytes.length !== length) throw new PalyraError('MESSAGE_INVALID', { detail: `${field} must be ${length} bytes` });
}
