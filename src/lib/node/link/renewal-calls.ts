/**
 * The calls about a node's own certificate, each over a connection of its own that is closed again: they disturb no link.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { NodeServiceClient } from '../../wire/grpc/generated/palyra/node/v1/node.js';
import { PairingServiceClient } from '../../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { withDeadline } from '../deadline.js';
import { placeOf } from '../../base/proxy.js';
import { probeCertificates } from '../tls-probe.js';
import { unaryCall, type DaemonChannel } from './channel.js';
import type { Connector } from './connector.js';
import type { StreamLinkMaterial } from './stream.js';

export interface RenewalAnswer {
  /** PEM. */
  readonly certificate: string;
  readonly trustBundle: readonly string[];
  readonly nodeEndpoints: readonly string[];
}

export interface SignedRequest {
  readonly publicKey: Buffer;
  readonly signedAtMs: number;
  readonly possessionProof: Buffer;
}

export interface CallDeps {
  readonly clock: Clock;
  readonly connector: Connector;
}

export interface CallOptions {
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

type NodeCall<Answer> = (client: NodeServiceClient, channel: DaemonChannel, signal: AbortSignal) => Promise<Answer>;

/** For who still has an accepted certificate. Throws what the daemon refuses with, DAEMON_UNREACHABLE, DAEMON_IDENTITY_MISMATCH, CLOCK_SKEW. */
export function rotateOver(
  deps: CallDeps,
  options: CallOptions,
  material: StreamLinkMaterial,
  request: SignedRequest,
): Promise<RenewalAnswer> {
  return asNode(deps, options, material, (client, channel, signal) =>
    unaryCall<RenewalAnswer>(channel, signal, (callback) => client.rotateDeviceCertificate(request, callback)),
  );
}

/** The daemon withdraws its trust in this device; resolves with the name it had. */
export async function leaveOver(deps: CallDeps, options: CallOptions, material: StreamLinkMaterial): Promise<string> {
  const { name } = await asNode(deps, options, material, (client, channel, signal) =>
    unaryCall<{ name: string }>(channel, signal, (callback) => client.revokeDevicePairing({}, callback)),
  );
  return name;
}

function asNode<Answer>(
  deps: CallDeps,
  { endpoint, timeoutMs, signal }: CallOptions,
  { certificatePem, keyPem, trustBundle }: StreamLinkMaterial,
  call: NodeCall<Answer>,
): Promise<Answer> {
  const channel = deps.connector.channel(endpoint, { trustBundle, client: { certificatePem, keyPem } });
  const client = new NodeServiceClient(channel.target, channel.credentials, channel.options);
  const late = () => silent(endpoint);
  return withDeadline(deps.clock, { timeoutMs, signal, late }, (limit) => call(client, channel, limit)).finally(() =>
    client.close(),
  );
}

/**
 * For who has only the key left: over the public port. `sign` is given the SHA-256 of the server certificate of the connection, which what it signs must name.
 * Throws like `rotateOver`.
 */
export function renewByKeyOver(
  deps: CallDeps,
  { endpoint, timeoutMs, signal }: CallOptions,
  trustBundle: readonly string[],
  sign: (serverCertificateSha256: string) => SignedRequest & { readonly deviceId: string },
): Promise<RenewalAnswer> {
  let shown = '';
  const channel = deps.connector.channel(endpoint, { trustBundle, onServerCertificate: (sha256) => (shown = sha256) });
  const client = new PairingServiceClient(channel.target, channel.credentials, channel.options);
  const late = () => silent(endpoint);
  return withDeadline(deps.clock, { timeoutMs, signal, late }, async (limit) => {
    // What is signed names the certificate of the connection, and has to be signed before the connection is made: it is looked at first.
    const looked = await probeCertificates(placeOf(endpoint), deps, { timeoutMs, signal: limit }, ([leaf]) =>
      createHash('sha256')
        .update(leaf ?? '')
        .digest('hex'),
    );
    return unaryCall<RenewalAnswer>(channel, limit, (callback) =>
      client.renewDeviceCertificate(sign(looked), callback),
    ).catch((error: unknown) => {
      // It was renewed in between, or somebody stands there: the refusal is of that, not of us.
      if (shown === looked || shown === '') throw error;
      throw new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it showed two certificates`, cause: error });
    });
  }).finally(() => client.close());
}

function silent(endpoint: string): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it did not answer in time` });
}
