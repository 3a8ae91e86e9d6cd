/**
 * A man in the middle of a pairing by PIN: to the machine he is a daemon with a CA of his own, to the daemon a machine with a key of his own. Two real TLS
 * connections with him between them; what he passes on, and what he makes up, is the test's to say.
 */
import { credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { readCertificate } from '../../src/lib/identity/certificate.js';
import { createDeviceKey, spkiOf } from '../../src/lib/identity/device-key.js';
import { nonceCommitment } from '../../src/lib/base/pairing-pin.js';
import { pairingTranscript, signPossession } from '../../src/lib/identity/pairing-proof.js';
import {
  PairingServiceClient,
  PairingServiceService,
  PairingState,
  type BeginPairingSessionResponse,
  type CompletePairingSessionRequest,
  type CompletePairingSessionResponse,
  type PairingServiceServer,
} from '../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { toServiceError } from '../../src/lib/wire/grpc/status.js';
import { call } from './test-node.js';

export interface Splice {
  /** The key he shows the daemon: his own, or the machine's, for which he has no proof of his own. */
  readonly key: 'own' | 'the machine’s';
  /** What he commits to towards the machine: a nonce of his own, what the daemon committed to, or that and then opens another. */
  readonly commitment: 'own' | 'the daemon’s' | 'broken';
}

const NAMED = { 'grpc.ssl_target_name_override': 'localhost' };
const NOTHING = Buffer.alloc(0);

export class SplicedPairing {
  readonly #server = new Server();
  readonly #upstream: PairingServiceClient;
  readonly #daemonCaPem: string;
  readonly #daemonServerSha256: string;
  readonly #splice: Splice;
  readonly #key = createDeviceKey();
  readonly #nonce = randomBytes(32);
  #begun: BeginPairingSessionResponse | null = null;
  /** The request he left at the daemon. */
  requestId: string | null = null;
  /** What the daemon said to what he passed on. */
  refusal: unknown = null;
  port = 0;

  private constructor(daemon: { caPem: string; serverPem: string; port: number }, splice: Splice) {
    this.#daemonCaPem = daemon.caPem;
    this.#daemonServerSha256 = readCertificate(daemon.serverPem).fingerprint;
    this.#splice = splice;
    const trusted = credentials.createSsl(Buffer.from(daemon.caPem));
    this.#upstream = new PairingServiceClient(`127.0.0.1:${daemon.port}`, trusted, NAMED);
  }

  static async start(
    authority: Authority,
    daemon: { caPem: string; serverPem: string; port: number },
    splice: Splice,
  ): Promise<SplicedPairing> {
    const spliced = new SplicedPairing(daemon, splice);
    const own = authority.issueServer({ hosts: ['127.0.0.1'], now: Date.now(), random: systemRandom });
    const chain = Buffer.from(own.certificatePem + authority.certificatePem);
    const shown = ServerCredentials.createSsl(null, [{ private_key: Buffer.from(own.keyPem), cert_chain: chain }]);
    spliced.#server.addService(PairingServiceService, spliced.#service());
    spliced.port = await new Promise((resolve, reject) => {
      spliced.#server.bindAsync('127.0.0.1:0', shown, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return spliced;
  }

  stop(): void {
    this.#server.forceShutdown();
    this.#upstream.close();
  }

  #service(): PairingServiceServer {
    return {
      beginPairingSession: ({ request }, done) => {
        const publicKey = this.#splice.key === 'own' ? spkiOf(this.#key) : request.publicKey;
        call<BeginPairingSessionResponse>((answer) =>
          this.#upstream.beginPairingSession({ ...request, publicKey }, answer),
        ).then(
          (begun) => {
            this.#begun = begun;
            const own = nonceCommitment(begun.sessionId, this.#nonce);
            done(null, { ...begun, nonceCommitment: this.#splice.commitment === 'own' ? own : begun.nonceCommitment });
          },
          (error: Error) => done(error),
        );
      },
      completePairingSession: ({ request }, done) => {
        this.#complete(request).then(
          (answer) => done(null, answer),
          (error: Error) => {
            this.refusal = error;
            done(error);
          },
        );
      },
      getPairingRequestStatus: (_call, done) => done(toServiceError(new PalyraError('APPROVAL_NOT_FOUND'))),
      renewDeviceCertificate: (_call, done) => done(toServiceError(new PalyraError('PERMISSION_DENIED'))),
      awaitPairingMaterial: (stream) => {
        const { requestId } = stream.request;
        const state = PairingState.PAIRING_STATE_PENDING;
        stream.write({ requestId, state, expiresAtMs: Date.now() + 60_000, message: '', material: undefined });
      },
    };
  }

  async #complete(request: CompletePairingSessionRequest): Promise<CompletePairingSessionResponse> {
    const { sessionId, nonceCommitment: daemonNonce } = this.#begun!;
    const possessionProof =
      this.#splice.key === 'own'
        ? signPossession(
            this.#key,
            pairingTranscript({
              caSpkiSha256: createHash('sha256')
                .update(new X509Certificate(this.#daemonCaPem).publicKey.export({ type: 'spki', format: 'der' }))
                .digest('hex'),
              serverCertificateSha256: this.#daemonServerSha256,
              spki: spkiOf(this.#key),
              nodeNonce: request.nodeNonce,
              daemonNonce,
              locator: NOTHING,
              sessionId,
            }),
          )
        : request.possessionProof;
    const answer = await call<CompletePairingSessionResponse>((done) =>
      this.#upstream.completePairingSession({ ...request, possessionProof }, done),
    );
    this.requestId = answer.status?.requestId ?? null;
    return this.#splice.commitment === 'the daemon’s' ? answer : { ...answer, daemonNonce: this.#nonce };
  }
}
