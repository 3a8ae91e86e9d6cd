/**
 * The daemon's half of pairing over an anonymous connection: finds the invite, proves the daemon first, checks the node's proofs, and only
 * then lets the runtime decide. Source of the exchange: SCRAM, RFC 5802, with scrypt (see `identity/pairing-proof.ts`).
 *
 *   begin ─► [session, 60 s] ─► complete ─► runtime.requestPairing, or runtime.approvals.request for a machine without an invite
 *                 └─ taken away before anything in it is checked: one try each
 *
 * Without an invite there is no code to prove: the daemon commits to a nonce and both sides learn the PIN that a person compares (`pairing-pin.ts`).
 *
 * A session is memory only: losing one costs a retry. Whatever is wrong with a code is answered alike and not sooner than after 250 ms.
 */
import type { Clock } from '../base/clock.js';
import { sleep } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { NODE_PROTOCOL, type InviteRecord, type MachineFacts } from '../base/model.js';
import type { JoinRecord } from '../base/requests.js';
import type { Random } from '../base/random.js';
import { fingerprintOf, parsePublicKey } from '../identity/device-key.js';
import { nonceCommitment, pairingPin, toPinVerifier } from '../base/pairing-pin.js';
import {
  awaitMessage,
  daemonProof,
  pairingTranscript,
  verifyCodeProof,
  verifyPossession,
} from '../identity/pairing-proof.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import { sourceKey } from './caller.js';
import { PairingSessions } from './pairing-sessions.js';

/** Every refusal of a code takes at least this long, so that its time says nothing and guessing is slow. */
export const REFUSAL_FLOOR_MS = 250;
/** How far the time in a signature may be from ours. */
const MAX_SIGNATURE_AGE_MS = 5 * 60_000;
const LOCATOR_BYTES = 16;
const NONCE_BYTES = 32;

export interface PairingDeskDeps {
  readonly runtime: Pick<NodeRuntime, 'requestPairing' | 'approval' | 'approvals'> & {
    readonly invites: Pick<NodeRuntime['invites'], 'evaluateLocator'>;
  };
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

export interface BegunPinSession {
  readonly sessionId: string;
  readonly nonceCommitment: Buffer;
}

interface Held {
  readonly spki: Buffer;
  readonly source: string;
}

type InviteSession = Held & { readonly kind: 'invite'; readonly invite: InviteRecord; readonly transcript: Buffer };
type PinSession = Held & {
  readonly kind: 'pin';
  readonly commitment: Buffer;
  readonly daemonNonce: Buffer;
  readonly fingerprints: DaemonFingerprints;
};

/** What a machine says of itself when it completes. */
interface Completion {
  readonly sessionId: string;
  readonly possessionProof: Buffer;
  readonly requestedName: string | null;
  readonly facts: MachineFacts;
  readonly address: string;
  /** Runs when the proofs have been verified, before anything is decided; may refuse. */
  readonly onProven?: () => Promise<void>;
}

export class PairingDesk {
  readonly #deps: PairingDeskDeps;
  readonly #fingerprints: () => DaemonFingerprints;
  readonly #sessions: PairingSessions<InviteSession | PinSession>;

  /** `fingerprints` is asked at each beginning: the server certificate is renewed while the daemon runs. */
  constructor(deps: PairingDeskDeps, fingerprints: () => DaemonFingerprints) {
    this.#deps = deps;
    this.#fingerprints = fingerprints;
    this.#sessions = new PairingSessions(deps.clock);
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
    assertProtocol(o.protocol);
    assertLength('locator', o.locator, LOCATOR_BYTES);
    assertLength('node_nonce', o.nodeNonce, NONCE_BYTES);
    parsePublicKey(o.spki);
    const source = sourceKey(o.address);
    this.#sessions.take(source);
    let kept = false;
    try {
      const locator = o.locator.toString('hex');
      const keyFingerprint = fingerprintOf(o.spki);
      const invite = await this.#notSooner(() =>
        this.#deps.runtime.invites.evaluateLocator({ locator, address: o.address, keyFingerprint }),
      );
      const sessionId = this.#newSessionId();
      const daemonNonce = this.#deps.random.bytes(NONCE_BYTES);
      const transcript = pairingTranscript({
        ...this.#fingerprints(),
        spki: o.spki,
        nodeNonce: o.nodeNonce,
        daemonNonce,
        locator: o.locator,
        sessionId,
      });
      this.#sessions.hold(sessionId, { kind: 'invite', invite, transcript, spki: Buffer.from(o.spki), source });
      kept = true;
      return { sessionId, daemonNonce, daemonProof: daemonProof(invite.verifier.serverKey, transcript) };
    } finally {
      if (!kept) this.#sessions.leave(source);
    }
  }

  /** Without an invite. Throws PROTOCOL_UNSUPPORTED, PAIRING_PROOF_INVALID (not a P-256 key) and PAIRING_BUSY. */
  beginPin(o: {
    readonly spki: Buffer;
    readonly protocol: { readonly min: number; readonly max: number };
    readonly address: string;
  }): BegunPinSession {
    assertProtocol(o.protocol);
    parsePublicKey(o.spki);
    const source = sourceKey(o.address);
    this.#sessions.take(source);
    const sessionId = this.#newSessionId();
    const daemonNonce = this.#deps.random.bytes(NONCE_BYTES);
    const commitment = nonceCommitment(sessionId, daemonNonce);
    const fingerprints = this.#fingerprints();
    const spki = Buffer.from(o.spki);
    this.#sessions.hold(sessionId, { kind: 'pin', commitment, daemonNonce, fingerprints, spki, source });
    return { sessionId, nonceCommitment: commitment };
  }

  /**
   * The nonce is answered only once the request is there to be seen and counted. Throws PAIRING_SESSION_UNKNOWN, MESSAGE_INVALID, PAIRING_PROOF_INVALID,
   * PAIRING_BUSY and PAIRING_THROTTLED.
   */
  async completePin(
    o: Completion & { readonly nodeNonce: Buffer },
  ): Promise<{ readonly approval: JoinRecord; readonly daemonNonce: Buffer }> {
    const { spki, commitment, daemonNonce, fingerprints } = this.#sessions.consume(o.sessionId, 'pin');
    return this.#notSooner(async () => {
      assertLength('node_nonce', o.nodeNonce, NONCE_BYTES);
      const transcript = pairingTranscript({
        ...fingerprints,
        spki,
        nodeNonce: o.nodeNonce,
        daemonNonce: commitment,
        locator: Buffer.alloc(0),
        sessionId: o.sessionId,
      });
      if (!verifyPossession(spki, transcript, o.possessionProof)) throw new PalyraError('PAIRING_PROOF_INVALID');
      await o.onProven?.();
      const pin = pairingPin({ ...fingerprints, spki, nodeNonce: o.nodeNonce, daemonNonce });
      const request = {
        spki,
        keyFingerprint: fingerprintOf(spki),
        facts: o.facts,
        requestedName: o.requestedName,
        address: o.address,
        pin: toPinVerifier(pin, this.#deps.random),
      };
      return { approval: await this.#deps.runtime.approvals.request(request, sourceKey), daemonNonce };
    });
  }

  /** Throws PAIRING_SESSION_UNKNOWN, INVITE_REFUSED, PAIRING_PROOF_INVALID and NAME_TAKEN. */
  async complete(o: Completion & { readonly codeProof: Buffer }): Promise<JoinRecord> {
    const session = this.#sessions.consume(o.sessionId, 'invite');
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
  }): JoinRecord {
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
    this.#sessions.sweep();
  }

  #newSessionId(): string {
    return this.#deps.random.bytes(16).toString('base64url');
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

function assertProtocol({ min, max }: { readonly min: number; readonly max: number }): void {
  if (min <= NODE_PROTOCOL.max && max >= NODE_PROTOCOL.min) return;
  throw new PalyraError('PROTOCOL_UNSUPPORTED', {
    detail: `the node speaks ${min} to ${max}, the daemon ${NODE_PROTOCOL.min} to ${NODE_PROTOCOL.max}`,
  });
}

function assertLength(field: string, bytes: Buffer, length: number): void {
  if (bytes.length !== length) throw new PalyraError('MESSAGE_INVALID', { detail: `${field} must be ${length} bytes` });
}
