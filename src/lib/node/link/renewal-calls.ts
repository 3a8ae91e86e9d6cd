/**
 * The calls about a node's own certificate, each over a connection of its own that is closed again: they disturb no link.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { NodeServiceClient } from '../../wire/grpc/generated/palyra/node/v1/node.js';
import { PairingServiceClient } from '../../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { withDeadline } from '../deadline.js';
import { probeCertificates } from '../tls-probe.js';
import { channelCredentials, channelOptions, channelTarget, unaryCall } from './channel.js';
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

export interface CallOptions {
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

type NodeCall<Answer> = (client: NodeServiceClient, signal: AbortSignal) => Promise<Answer>;

/** For who still has an accepted certificate. Throws what the daemon refuses with, DAEMON_UNREACHABLE, DAEMON_IDENTITY_MISMATCH, CLOCK_SKEW. */
export function rotateOver(
  clock: Clock,
  options: CallOptions,
  material: StreamLinkMaterial,
  request: SignedRequest,
): Promise<RenewalAnswer> {
  return asNode(clock, options, material, (client, signal) =>
    unaryCall<RenewalAnswer>(options.endpoint, signal, (callback) => client.rotateDeviceCertificate(request, callback)),
  );
}

/** The daemon withdraws its trust in this device; resolves with the name it had. */
export async function leaveOver(clock: Clock, options: CallOptions, material: StreamLinkMaterial): Promise<string> {
  const { name } = await asNode(clock, options, material, (client, signal) =>
    unaryCall<{ name: string }>(options.endpoint, signal, (callback) => client.revokeDevicePairing({}, callback)),
  );
  return name;
}

function asNode<Answer>(
  clock: Clock,
  { endpoint, timeoutMs, signal }: CallOptions,
  { certificatePem, keyPem, trustBundle }: StreamLinkMaterial,
  call: NodeCall<Answer>,
): Promise<Answer> {
  const trusted = channelCredentials({ trustBundle, client: { certificatePem, keyPem } });
  const client = new NodeServiceClient(channelTarget(endpoint), trusted, channelOptions);
  const late = () => silent(endpoint);
  return withDeadline(clock, { timeoutMs, signal, late }, (limit) => call(client, limit)).finally(() => client.close());
}

/**
 * For who has only the key left: over the public port. `sign` is given the SHA-256 of the server certificate of the connection, which what it signs must name.
 * Throws like `rotateOver`.
 */
export function renewByKeyOver(
  clock: Clock,
  { endpoint, timeoutMs, signal }: CallOptions,
  trustBundle: readonly string[],
  sign: (serverCertificateSha256: string) => SignedRequest & { readonly deviceId: string },
): Promise<RenewalAnswer> {
  let shown = '';
  const trusted = channelCredentials({ trustBundle, onServerCertificate: (sha256) => (shown = sha256) });
  const client = new PairingServiceClient(channelTarget(endpoint), trusted, channelOptions);
  const late = () => silent(endpoint);
  return withDeadline(clock, { timeoutMs, signal, late }, async (limit) => {
    // What is signed names the certificate of the connection, and has to be signed before the connection is made: it is looked at first.
    const [leaf] = await probeCertificates(placeOf(endpoint), { clock }, { timeoutMs, signal: limit });
    const looked = createHash('sha256')
      .update(leaf ?? '')
      .digest('hex');
    return unaryCall<RenewalAnswer>(endpoint, limit, (callback) =>
      client.renewDeviceCertificate(sign(looked), callback),
    ).catch((error: unknown) => {
      // It was renewed in between, or somebody stands there: the refusal is of that, not of us.
      if (shown === looked || shown === '') throw error;
      throw new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it showed two certificates`, cause: error });
    });
  }).finally(() => client.close());
}

function placeOf(endpoint: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`https://${endpoint}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
}

function silent(endpoint: string): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: it did not answer in time` });
}
