/** A machine that pairs with a test daemon over the real wire, and raw clients with its certificate. */
import { ChannelCredentials, credentials, type ServiceError } from '@grpc/grpc-js';
import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineFacts } from '../../src/lib/base/model.js';
import { readCertificate } from '../../src/lib/identity/certificate.js';
import { createDeviceKey, exportKey, spkiOf } from '../../src/lib/identity/device-key.js';
import { parseInviteLink } from '../../src/lib/identity/invite-link.js';
import {
  awaitMessage,
  codeProof,
  deriveCodeKeys,
  pairingTranscript,
  signPossession,
  verifyDaemonProof,
} from '../../src/lib/identity/pairing-proof.js';
import { fromFacts } from '../../src/lib/wire/grpc/convert.js';
import { NodeServiceClient } from '../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import {
  PairingMethod,
  PairingServiceClient,
  type BeginPairingSessionRequest,
  type BeginPairingSessionResponse,
  type CompletePairingSessionRequest,
  type PairingMaterial,
  type PairingRequestStatus,
} from '../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { ask, type TestDaemon } from './test-daemon.js';

export const TEST_FACTS: MachineFacts = {
  hostname: 'test-machine',
  platform: 'linux',
  arch: 'x64',
  version: '0.0.0-test',
  protocol: 1,
  capabilities: [
    {
      name: 'echo',
      version: '1',
      summary: 'Gives back its input',
      inputSchema: { type: 'object' },
      outputSchema: {},
      sideEffects: 'none',
      mediation: 'none',
      idempotent: true,
      executionTimeoutMs: 5000,
    },
  ],
};

/** grpc-js sends the target as TLS server name, which must not be an address (RFC 6066 §3): newer Node refuses it. */
const NAMED_IN_CERTIFICATE = { 'grpc.ssl_target_name_override': 'localhost' } as const;

export interface TestNode {
  readonly deviceId: string;
  readonly name: string;
  readonly key: KeyObject;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
  readonly nodeEndpoints: readonly string[];
  client(): NodeServiceClient;
}

/** A unary call as a promise. */
export function call<Answer>(
  invoke: (done: (error: ServiceError | null, answer: Answer) => void) => unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    invoke((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

export async function invite(
  target: TestDaemon,
  body: Record<string, unknown> = {},
): Promise<{ id: string; link: string; code: string }> {
  const answer = await ask({ socketPath: target.socketPath }, { method: 'POST', path: '/v1/invites', json: body });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.json.invite;
}

/** The node's half of pairing, step by step, so that a test can bend one. */
export class TestPairing {
  readonly key = createDeviceKey();
  readonly spki = spkiOf(this.key);
  readonly nodeNonce = randomBytes(32);
  readonly client: PairingServiceClient;

  private constructor(
    readonly caPem: string,
    readonly serverCertificateSha256: string,
    readonly codeKeys: Awaited<ReturnType<typeof deriveCodeKeys>>,
    port: number,
  ) {
    this.client = new PairingServiceClient(
      `127.0.0.1:${port}`,
      credentials.createSsl(Buffer.from(caPem)),
      NAMED_IN_CERTIFICATE,
    );
  }

  static async with(target: TestDaemon, code: string): Promise<TestPairing> {
    const identity = join(target.options.stateDirectory, 'identity');
    const caPem = await readFile(join(identity, 'ca.crt'), 'utf8');
    const serverPem = await readFile(join(identity, 'server.crt'), 'utf8');
    const caSpkiSha256 = readCertificate(caPem).spkiFingerprint;
    const keys = await deriveCodeKeys(code, caSpkiSha256);
    return new TestPairing(caPem, readCertificate(serverPem).fingerprint, keys, target.ports.public);
  }

  begin(more: Partial<BeginPairingSessionRequest> = {}): Promise<BeginPairingSessionResponse> {
    return call((done) =>
      this.client.beginPairingSession(
        {
          protocol: { min: 1, max: 1 },
          method: PairingMethod.PAIRING_METHOD_QR_TOKEN,
          locator: this.codeKeys.locator,
          nodeNonce: this.nodeNonce,
          publicKey: this.spki,
          ...more,
        },
        done,
      ),
    );
  }

  transcript(begun: BeginPairingSessionResponse): Buffer {
    return pairingTranscript({
      caSpkiSha256: readCertificate(this.caPem).spkiFingerprint,
      serverCertificateSha256: this.serverCertificateSha256,
      spki: this.spki,
      nodeNonce: this.nodeNonce,
      daemonNonce: begun.daemonNonce,
      locator: this.codeKeys.locator,
      sessionId: begun.sessionId,
    });
  }

  daemonIsProven(begun: BeginPairingSessionResponse): boolean {
    return verifyDaemonProof(this.codeKeys, this.transcript(begun), begun.daemonProof);
  }

  async complete(
    begun: BeginPairingSessionResponse,
    more: Partial<CompletePairingSessionRequest> = {},
  ): Promise<PairingRequestStatus> {
    const transcript = this.transcript(begun);
    const { status } = await call<{ status: PairingRequestStatus | undefined }>((done) =>
      this.client.completePairingSession(
        {
          sessionId: begun.sessionId,
          codeProof: codeProof(this.codeKeys, transcript),
          possessionProof: signPossession(this.key, transcript),
          requestedName: '',
          // Names come from host names, and two nodes never share one.
          facts: fromFacts({ ...TEST_FACTS, hostname: `machine-${this.nodeNonce.toString('hex', 0, 4)}` }),
          nodeNonce: Buffer.alloc(0),
          ...more,
        },
        done,
      ),
    );
    if (status === undefined) throw new Error('no status');
    return status;
  }

  /** Every status until the stream ends. */
  awaitMaterial(requestId: string, signedAtMs = Date.now(), key = this.key): Promise<PairingRequestStatus[]> {
    return new Promise((resolve, reject) => {
      const statuses: PairingRequestStatus[] = [];
      const possessionProof = signPossession(key, awaitMessage(requestId, signedAtMs));
      const stream = this.client.awaitPairingMaterial({ requestId, signedAtMs, possessionProof });
      stream.on('data', (status: PairingRequestStatus) => statuses.push(status));
      stream.on('error', reject);
      stream.on('end', () => resolve(statuses));
    });
  }

  toNode(material: PairingMaterial): TestNode {
    const keyPem = exportKey(this.key);
    const endpoint = material.nodeEndpoints[0] ?? '';
    return {
      deviceId: material.deviceId,
      name: material.name,
      key: this.key,
      keyPem,
      certificatePem: material.certificate,
      caPem: material.trustBundle[0] ?? '',
      nodeEndpoints: material.nodeEndpoints,
      client: () =>
        new NodeServiceClient(
          endpoint,
          ChannelCredentials.createSsl(Buffer.from(this.caPem), Buffer.from(keyPem), Buffer.from(material.certificate)),
          // A client of its own, so that two of them are two connections.
          { 'grpc.use_local_subchannel_pool': 1, ...NAMED_IN_CERTIFICATE },
        ),
    };
  }
}

/** Pairs a new machine by a new invite. */
export async function pairTestNode(target: TestDaemon, body: Record<string, unknown> = {}): Promise<TestNode> {
  const { link } = await invite(target, body);
  const pairing = await TestPairing.with(target, parseInviteLink(link).code);
  try {
    const { requestId } = await pairing.complete(await pairing.begin());
    const last = (await pairing.awaitMaterial(requestId)).at(-1);
    if (last?.material === undefined) throw new Error('no material');
    return pairing.toNode(last.material);
  } finally {
    pairing.client.close();
  }
}
