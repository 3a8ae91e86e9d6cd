/**
 * The node's half of the pairing service, over one channel that trusts one CA. The order is the protocol: nothing that the code or this machine is known by
 * leaves before the daemon's own proof held.
 *
 *   begin (locator, nonce, key) ─► daemon proof, time ─► checked ─► complete (code proof, possession, facts) ─► request id ─► material
 *
 * Without a code nothing can be checked beforehand: the daemon commits, the node shows its nonce and its facts, and a person compares the PIN.
 */
import type { KeyObject } from 'node:crypto';

import { sleep, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { NODE_PROTOCOL, type MachineFacts } from '../base/model.js';
import { fullJitterDelayMs, type Random } from '../base/random.js';
import { spkiOf } from '../identity/device-key.js';
import { opensCommitment, pairingPin } from '../base/pairing-pin.js';
import {
  awaitMessage,
  codeProof,
  deriveCodeKeys,
  pairingTranscript,
  signPossession,
  verifyDaemonProof,
} from '../identity/pairing-proof.js';
import { fromFacts } from '../wire/grpc/convert.js';
import {
  PairingMethod,
  PairingServiceClient,
  type BeginPairingSessionResponse,
  type CompletePairingSessionResponse,
  type PairingMaterial,
  type PairingRequestStatus,
} from '../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { assertSameTime } from './clock-skew.js';
import { withDeadline } from './deadline.js';
import type { DaemonCertificates } from './enroll-trust.js';
import { unaryCall, type DaemonChannel } from './link/channel.js';
import type { Connector } from './link/connector.js';
import { answerOf, requestIdOf } from './pairing-answers.js';

export interface Waiting {
  readonly requestId: string;
  readonly expiresAt: number;
  /** The daemon's words for the person here. */
  readonly message: string;
}

export interface ConversationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly connector: Connector;
}

export interface ConversationOptions {
  /** `host:port`. */
  readonly endpoint: string;
  readonly daemon: DaemonCertificates;
  readonly key: KeyObject;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told when a person must answer first. */
  readonly onPending: (waiting: Waiting) => void;
}

export interface JoinRequest {
  readonly code: string;
  /** A person typed the code; otherwise it came with a link. */
  readonly typed: boolean;
  readonly name: string;
  readonly facts: MachineFacts;
}

const NONCE_BYTES = 32;
/** A field that this way of pairing does not use. */
const NOTHING = Buffer.alloc(0);
/** A cut while the answer is ready is tried again this often; while a person thinks, until the request expires. */
const MAX_RETRIES = 3;
const RETRY = { baseMs: 500, capMs: 10_000, floorMs: 100 } as const;

export class PairingConversation {
  readonly #deps: ConversationDeps;
  readonly #options: ConversationOptions;
  #channel: DaemonChannel;
  #client: PairingServiceClient;
  #serverCertificateSha256: string | null = null;
  /** Added to our clock it is the daemon's. */
  #clockOffsetMs = 0;

  constructor(deps: ConversationDeps, options: ConversationOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#channel = this.#newChannel();
    this.#client = clientOver(this.#channel);
  }

  /** Asks to join; returns the id of the request. Throws what the daemon refuses with, PAIRING_PROOF_INVALID when it does not know the code, CLOCK_SKEW. */
  async request({ code, typed, name, facts }: JoinRequest): Promise<string> {
    const { daemon, key } = this.#options;
    const { clock, random } = this.#deps;
    const keys = await deriveCodeKeys(code, daemon.caSpkiSha256);
    const spki = spkiOf(key);
    const nodeNonce = random.bytes(NONCE_BYTES);
    const begun = await this.#call<BeginPairingSessionResponse>((callback) =>
      this.#client.beginPairingSession(
        {
          protocol: NODE_PROTOCOL,
          method: typed ? PairingMethod.PAIRING_METHOD_INVITE_CODE : PairingMethod.PAIRING_METHOD_QR_TOKEN,
          locator: keys.locator,
          nodeNonce,
          publicKey: spki,
        },
        callback,
      ),
    );
    const { sessionId, daemonNonce, daemonProof, daemonTimeMs } = begun;
    if (daemonNonce.length !== NONCE_BYTES || sessionId === '')
      throw new PalyraError('MESSAGE_INVALID', { detail: 'pairing session' });
    const transcript = pairingTranscript({
      caSpkiSha256: daemon.caSpkiSha256,
      serverCertificateSha256: this.#serverCertificateSha256 ?? '',
      spki,
      nodeNonce,
      daemonNonce,
      locator: keys.locator,
      sessionId,
    });
    if (!verifyDaemonProof(keys, transcript, daemonProof)) {
      throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the daemon does not know the code' });
    }
    assertSameTime(clock.now(), daemonTimeMs);
    this.#clockOffsetMs = daemonTimeMs - clock.now();
    const { status } = await this.#call<CompletePairingSessionResponse>((callback) =>
      this.#client.completePairingSession(
        {
          sessionId,
          codeProof: codeProof(keys, transcript),
          possessionProof: signPossession(key, transcript),
          requestedName: name,
          facts: fromFacts(facts),
          nodeNonce: NOTHING,
        },
        callback,
      ),
    );
    return requestIdOf(status);
  }

  /**
   * Asks to join without an invite; returns the id of the request and the PIN to show. Throws what the daemon refuses with, CLOCK_SKEW, and
   * PAIRING_PROOF_INVALID when it does not show the nonce it committed to.
   */
  async requestByPin({
    name,
    facts,
  }: Omit<JoinRequest, 'code' | 'typed'>): Promise<{ requestId: string; pin: string }> {
    const { daemon, key } = this.#options;
    const { clock, random } = this.#deps;
    const spki = spkiOf(key);
    const { sessionId, nonceCommitment, daemonTimeMs } = await this.#call<BeginPairingSessionResponse>((callback) =>
      this.#client.beginPairingSession(
        {
          protocol: NODE_PROTOCOL,
          method: PairingMethod.PAIRING_METHOD_PIN_CODE,
          locator: NOTHING,
          nodeNonce: NOTHING,
          publicKey: spki,
        },
        callback,
      ),
    );
    if (nonceCommitment.length !== NONCE_BYTES || sessionId === '')
      throw new PalyraError('MESSAGE_INVALID', { detail: 'pairing session' });
    assertSameTime(clock.now(), daemonTimeMs);
    this.#clockOffsetMs = daemonTimeMs - clock.now();
    const nodeNonce = random.bytes(NONCE_BYTES);
    const connection = {
      caSpkiSha256: daemon.caSpkiSha256,
      serverCertificateSha256: this.#serverCertificateSha256 ?? '',
      spki,
      nodeNonce,
    };
    const transcript = pairingTranscript({ ...connection, daemonNonce: nonceCommitment, locator: NOTHING, sessionId });
    const { status, daemonNonce } = await this.#call<CompletePairingSessionResponse>((callback) =>
      this.#client.completePairingSession(
        {
          sessionId,
          codeProof: NOTHING,
          possessionProof: signPossession(key, transcript),
          requestedName: name,
          facts: fromFacts(facts),
          nodeNonce,
        },
        callback,
      ),
    );
    if (daemonNonce.length !== NONCE_BYTES || !opensCommitment(nonceCommitment, sessionId, daemonNonce)) {
      throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the daemon did not keep its commitment' });
    }
    return { requestId: requestIdOf(status), pin: pairingPin({ ...connection, daemonNonce }) };
  }

  /**
   * Waits for the answer, over cuts of the connection and restarts of the daemon. Throws PAIRING_REJECTED or PAIRING_EXPIRED with the daemon's words,
   * DAEMON_UNREACHABLE when it stays away, or the signal's reason.
   */
  async awaitMaterial(requestId: string): Promise<PairingMaterial> {
    const { clock, random, log } = this.#deps;
    const { signal, endpoint, onPending } = this.#options;
    let waiting: Waiting | null = null;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const material = await this.#watch(requestId, ({ expiresAtMs, message }) => {
          attempt = 0;
          const next = { requestId, expiresAt: expiresAtMs - this.#clockOffsetMs, message };
          // The daemon repeats itself so that both sides notice a dead connection; people are told once.
          if (waiting === null || waiting.message !== message) onPending(next);
          waiting = next;
        });
        if (material !== null) return material;
        throw new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: the connection was cut` });
      } catch (error) {
        const failure = PalyraError.from(error);
        const patient = waiting !== null && clock.now() < (waiting as Waiting).expiresAt;
        if (!failure.retrySafe || (attempt >= MAX_RETRIES && !patient)) throw failure;
        log.info('waiting for the daemon', { problem: failure.message });
      }
      // What is left of the connection may be one that is made for ever: the next try has its own, and looks the name up again.
      this.#client.close();
      this.#channel = this.#newChannel();
      this.#client = clientOver(this.#channel);
      await sleep(clock, fullJitterDelayMs(attempt, random, RETRY), signal);
    }
  }

  /**
   * Takes up an earlier request of this key. Null when it is over, or was never heard of: a new one is needed. With `asked` a person has to answer, and
   * their no is thrown: asking again by itself would be begging.
   */
  async resume(requestId: string, { asked }: { readonly asked: boolean }): Promise<PairingMaterial | null> {
    try {
      return await this.awaitMaterial(requestId);
    } catch (error) {
      const failure = PalyraError.from(error);
      if (asked && failure.reason === 'PAIRING_REJECTED') throw failure;
      if (failure.retrySafe || failure.reason === 'CANCELLED' || this.#options.signal?.aborted === true) throw failure;
      this.#deps.log.info('the earlier request to join is over', { request: requestId, reason: failure.reason });
      return null;
    }
  }

  close(): void {
    this.#client.close();
  }

  #call<Response>(start: Parameters<typeof unaryCall<Response>>[2]): Promise<Response> {
    const { timeoutMs, signal } = this.#options;
    const late = () => this.#silent();
    return withDeadline(this.#deps.clock, { timeoutMs, signal, late }, (limit) =>
      unaryCall(this.#channel, limit, start),
    );
  }

  #newChannel(): DaemonChannel {
    const { connector } = this.#deps;
    const { endpoint, daemon } = this.#options;
    const onServerCertificate = (sha256: string) => (this.#serverCertificateSha256 = sha256);
    return connector.channel(endpoint, { trustBundle: [daemon.caPem], onServerCertificate });
  }

  #silent(): PalyraError {
    return new PalyraError('DAEMON_UNREACHABLE', { detail: `${this.#options.endpoint}: it did not answer in time` });
  }

  /** One stream of states; the first comes at once, or in time never. Null when it ended before the answer. */
  #watch(requestId: string, onPending: (status: PairingRequestStatus) => void): Promise<PairingMaterial | null> {
    const { key, signal, timeoutMs } = this.#options;
    const signedAtMs = Math.round(this.#deps.clock.now() + this.#clockOffsetMs);
    const possessionProof = signPossession(key, awaitMessage(requestId, signedAtMs));
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const call = this.#client.awaitPairingMaterial({ requestId, signedAtMs, possessionProof });
      const answered = this.#deps.clock.schedule(timeoutMs, () => finish(() => reject(this.#silent())));
      const channel = this.#channel;
      const finish = (settle: () => void) => {
        answered();
        signal?.removeEventListener('abort', onAbort);
        call.cancel();
        settle();
      };
      const onAbort = () => finish(() => reject(PalyraError.from(signal?.reason, 'CANCELLED')));
      signal?.addEventListener('abort', onAbort, { once: true });
      call.on('data', (status: PairingRequestStatus) => {
        answered();
        try {
          const material = answerOf(status);
          if (material === null) onPending(status);
          else finish(() => resolve(material));
        } catch (error) {
          finish(() => reject(PalyraError.from(error)));
        }
      });
      call.on('error', (error) => finish(() => reject(channel.toError(error))));
      call.on('end', () => finish(() => resolve(null)));
    });
  }
}

function clientOver({ target, credentials, options }: DaemonChannel): PairingServiceClient {
  return new PairingServiceClient(target, credentials, options);
}
