/** `RegisterNode`, the same for every link over gRPC. */
import type { Registered, Registration } from './link.js';
import { fromFacts } from '../../wire/grpc/convert.js';
import type { NodeServiceClient, RegisterNodeResponse } from '../../wire/grpc/generated/palyra/node/v1/node.js';
import { unaryCall, type DaemonChannel } from './channel.js';

/** See `NodeLink.register`. */
export async function registerOver(
  client: NodeServiceClient,
  channel: DaemonChannel,
  registration: Registration,
  signal: AbortSignal,
): Promise<Registered> {
  const { deviceId, protocol, facts, bootId, storeId, pluginFailures } = registration;
  const request = {
    deviceId,
    protocol,
    facts: fromFacts(facts),
    bootId,
    storeId,
    pluginFailures: [...pluginFailures],
    nodeTimeMs: Math.round(registration.wallMs?.() ?? 0),
  };
  const response = await unaryCall<RegisterNodeResponse>(channel, signal, (callback) =>
    client.registerNode(request, callback),
  );
  return {
    deviceId: response.deviceId,
    name: response.name,
    protocol: response.protocol,
    grantedCapabilities: response.grantedCapabilities,
    daemonName: response.daemonName,
    daemonVersion: response.daemonVersion,
    daemonTimeMs: response.daemonTimeMs,
  };
}
