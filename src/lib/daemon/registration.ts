/** A paired machine reports in, over whatever carrier: what it says is stored as a claim, what failed there is logged, and it learns how it is called. */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { MachineFacts } from '../base/model.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { DeviceCaller } from './caller.js';
import type { NodePlugins } from './node-plugins.js';

export interface RegistrationReport {
  readonly facts: MachineFacts;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly pluginFailures: readonly { readonly plugin: string; readonly message: string }[];
}

/** Throws PROTOCOL_UNSUPPORTED. */
export async function registerNode(
  deps: {
    readonly runtime: Pick<NodeRuntime, 'registerNode'>;
    readonly plugins: Pick<NodePlugins, 'report'>;
    readonly clock: Clock;
    readonly log: Log;
  },
  daemon: { readonly name: string; readonly version: string },
  caller: DeviceCaller,
  { facts, protocol, pluginFailures }: RegistrationReport,
) {
  const {
    deviceId,
    name,
    protocol: common,
    grantedCapabilities,
  } = await deps.runtime.registerNode(caller, {
    facts,
    protocol,
  });
  for (const { name: plugin, message } of deps.plugins.report(caller.nodeId, pluginFailures)) {
    deps.log.warn('a plugin of a node failed', { node: caller.nodeId, plugin, message });
  }
  return {
    deviceId,
    name,
    protocol: common,
    grantedCapabilities: [...grantedCapabilities],
    daemonTimeMs: deps.clock.now(),
    daemonName: daemon.name,
    daemonVersion: daemon.version,
  };
}
