/** The daemon's pairing service with a script: honest unless a test makes it lie. Real TLS, real proofs, no runtime. */
import { Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { createHash, X509Certificate } from 'node:crypto';

import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { caPin } from '../../src/lib/identity/codes.js';
import {
  awaitMessage,
  daemonProof,
  deriveCodeKeys,
  pairingTranscript,
  toVerifier,
  verifyCodeProof,
  verifyPossession,
} from '../../src/lib/identity/pairing-proof.js';
import {
  PairingServiceService,
  PairingState,
  type BeginPairingSessionRequest,
  type CompletePairingSessionRequest,
  type PairingMaterial,
  type PairingRequestStatus,
  type PairingServiceServer,
} from '../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { toServiceError } from '../../src/lib/wire/grpc/status.js';
import { DEVICE_ID } from './paired-directory.js';

export const CODE = 'K7QF2M9D4TXW';

/** What a test may bend. */
export interface PairingScript {
  /** The code the daemon knows. */
  code: string;
  /** Whose proof it gives first; null leaves it empty. */
  proof: 'honest' | 'random';
  clockAheadMs: number;
  /** Refuses the completion. */
  refuse: PalyraError | null;
  /** What AwaitPairingMaterial streams, one list for each call; after the last list it issues. 'cut' breaks the connection. */
  waits: (Partial<PairingRequestStatus> | 'cut')[][];
  material: (honest: PairingMaterial) => PairingMaterial;
  notBefore: number;
  /** Signs the server certificate instead of the CA that is shown. */
  leafAuthority: Authority | null;
}

export class FakePairing {
  readonly script: PairingScript;
  readonly begun: BeginPairingSessionRequest[] = [];
  readonly completed: CompletePairingSessionRequest[] = [];
  readonly awaited: string[] = [];
  readonly #authority: Authority;
  readonly #server = new Server();
  #serverCertificateSha256 = '';
  #transcript: Buffer = Buffer.alloc(0);
  port = 0;

  private constructor(authority: Authority, script: Partial<PairingScript>) {
    this.#authority = authority;
    this.script = {
      code: CODE,
      proof: 'honest',
      clockAheadMs: 0,
      refuse: null,
      waits: [],
      material: (honest) => honest,
      notBefore: Date.now(),
      leafAuthority: null,
      ...script,
    };
  }

  get link() {
    return { host: '127.0.0.1', port: this.port, code: CODE, caPin: caPin(this.#authority.spki) };
  }

  static async start(authority: Authority, script: Partial<PairingScript> = {}): Promise<FakePairing> {
    const fake = new FakePairing(authority, script);
    const issuer = fake.script.leafAuthority ?? authority;
    const server = issuer.issueServer({ hosts: ['127.0.0.1'], now: fake.script.notBefore, random: systemRandom });
    fake.#serverCertificateSha256 = createHash('sha256')
      .update(new X509Certificate(server.certificatePem).raw)
      .digest('hex');
    const chain = Buffer.from(server.certificatePem + authority.certificatePem);
    const credentials = ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(server.keyPem), cert_chain: chain },
    ]);
    fake.#serve();
    fake.port = await new Promise((resolve, reject) => {
      fake.#server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return fake;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(): void {
    const service: PairingServiceServer = {
      beginPairingSession: (call, callback) => answer(callback, () => this.#begin(call.request)),
      completePairingSession: (call, callback) => answer(callback, () => this.#complete(call.request)),
      getPairingRequestStatus: (_call, callback) =>
        answer(callback, async () => Promise.reject(new PalyraError('APPROVAL_NOT_FOUND'))),
      renewDeviceCertificate: (_call, callback) =>
        answer(callback, async () => Promise.reject(new PalyraError('PERMISSION_DENIED'))),
      awaitPairingMaterial: (call) => {
        const { requestId, signedAtMs, possessionProof } = call.request;
        this.awaited.push(requestId);
        const spki = this.begun.at(-1)?.publicKey ?? this.#knownSpki;
        if (
          requestId !== 'req_000001' ||
          spki === null ||
          !verifyPossession(spki, awaitMessage(requestId, signedAtMs), possessionProof)
        ) {
          call.emit('error', toServiceError(new PalyraError('APPROVAL_NOT_FOUND')));
          return;
        }
        for (const status of this.script.waits.shift() ?? [this.#issued(spki)]) {
          if (status === 'cut') {
            call.emit('error', toServiceError(new PalyraError('DAEMON_STOPPING')));
            return;
          }
          call.write({
            requestId,
            state: PairingState.PAIRING_STATE_PENDING,
            expiresAtMs: Date.now() + 60_000,
            message: '',
            material: undefined,
            ...status,
          });
        }
        call.end();
      },
    };
    this.#server.addService(PairingServiceService, service);
  }

  #knownSpki: Buffer | null = null;

  /** As a daemon that remembers the request of a key from before. */
  remember(spki: Buffer): void {
    this.#knownSpki = spki;
  }

  async #begin(request: BeginPairingSessionRequest) {
    this.begun.push(request);
    const keys = await deriveCodeKeys(this.script.code, this.#authority.spkiSha256);
    const daemonNonce = systemRandom.bytes(32);
    this.#transcript = pairingTranscript({
      caSpkiSha256: this.#authority.spkiSha256,
      serverCertificateSha256: this.#serverCertificateSha256,
      spki: request.publicKey,
      nodeNonce: request.nodeNonce,
      daemonNonce,
      locator: request.locator,
      sessionId: 'session-1',
    });
    const honest = daemonProof(toVerifier(keys).serverKey, this.#transcript);
    return {
      sessionId: 'session-1',
      daemonNonce,
      daemonProof: this.script.proof === 'honest' ? honest : systemRandom.bytes(32),
      daemonTimeMs: Date.now() + this.script.clockAheadMs,
      daemonVersion: '1.0.0',
      nonceCommitment: Buffer.alloc(0),
    };
  }

  async #complete(request: CompletePairingSessionRequest) {
    this.completed.push(request);
    const verifier = toVerifier(await deriveCodeKeys(this.script.code, this.#authority.spkiSha256));
    const spki = this.begun.at(-1)!.publicKey;
    if (!verifyCodeProof(verifier, this.#transcript, request.codeProof)) throw new PalyraError('INVITE_REFUSED');
    if (!verifyPossession(spki, this.#transcript, request.possessionProof))
      throw new PalyraError('PAIRING_PROOF_INVALID');
    if (this.script.refuse !== null) throw this.script.refuse;
    const status = {
      requestId: 'req_000001',
      state: PairingState.PAIRING_STATE_ISSUED,
      expiresAtMs: 0,
      message: '',
      material: undefined,
    };
    return { status, daemonNonce: Buffer.alloc(0) };
  }

  #issued(spki: Buffer): PairingRequestStatus {
    const { certificatePem } = this.#authority.issueNode({
      deviceId: DEVICE_ID,
      spki,
      now: Date.now(),
      random: systemRandom,
    });
    const honest: PairingMaterial = {
      deviceId: DEVICE_ID,
      name: 'pi-lab',
      certificate: certificatePem,
      trustBundle: [this.#authority.certificatePem],
      nodeEndpoints: ['127.0.0.1:7444'],
      grantedCapabilities: ['echo'],
      daemonName: 'nas',
    };
    return {
      requestId: 'req_000001',
      state: PairingState.PAIRING_STATE_ISSUED,
      expiresAtMs: 0,
      message: '',
      material: this.script.material(honest),
    };
  }
}

function answer<T>(callback: (error: ServiceError | null, value?: T) => void, work: () => Promise<T>): void {
  work().then(
    (value) => callback(null, value),
    (error: unknown) => callback(toServiceError(PalyraError.from(error))),
  );
}
