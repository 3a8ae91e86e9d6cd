/** A paired machine reports in, over whatever carrier: what it says is stored as a claim, what failed there and a clock that is off are logged, and it learns how it is called. */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { MachineFacts } from '../base/model.js';
import { skewWords } from '../base/time-words.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { DeviceCaller } from './caller.js';
import type { NodePlugins } from './node-plugins.js';

export interface RegistrationReport {
  readonly facts: MachineFacts;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly pluginFailures: readonly { readonly plugin: string; readonly message: string }[];
  /** Wall time there; absent or 0 when it was not told. */
  readonly nodeTimeMs?: number;
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
  { facts, protocol, pluginFailures, nodeTimeMs = 0 }: RegistrationReport,
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
  // Deadlines are told as remaining time, so work goes on; certificates are what a wrong clock breaks.
  const skew = nodeTimeMs === 0 ? null : skewWords(nodeTimeMs - deps.clock.now());
  if (skew !== null) deps.log.warn(`the clock of ${name} is ${skew} the daemon's`, { node: name });
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
