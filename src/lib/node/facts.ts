/** What this machine says about itself, when it asks to join and whenever it registers. */
import { arch, hostname, platform } from 'node:os';

import { NODE_PROTOCOL, type MachineFacts } from '../base/model.js';
import type { ChannelName } from '../base/questions.js';
import { Catalog, type PluginFailure, type SourcedRegistration } from './capabilities/catalog.js';
import type { NodePolicy } from './policy.js';

/** What is off here is not announced. `asksThrough`: how a person could be asked now. */
export function machineFacts(
  version: string,
  catalog: Catalog,
  policy: Pick<NodePolicy, 'isOn'> | null = null,
  asksThrough?: readonly ChannelName[],
): MachineFacts {
  return {
    hostname: hostname(),
    platform: platform(),
    arch: arch(),
    version,
    protocol: NODE_PROTOCOL.max,
    capabilities: catalog.descriptors((definition) =>
      policy === null ? definition.offByDefault !== true : policy.isOn(definition),
    ),
    ...(asksThrough === undefined ? {} : { asksThrough }),
  };
}

/** The same from registrations, with the capabilities that were refused, and the names of those announced that did not come with palyra. */
export function describeMachine(
  version: string,
  registrations: readonly SourcedRegistration[],
  policy: Pick<NodePolicy, 'isOn'> | null = null,
): {
  readonly facts: MachineFacts;
  readonly failures: readonly PluginFailure[];
  readonly fromPlugins: readonly string[];
} {
  const { catalog, failures } = Catalog.collect(registrations);
  const facts = machineFacts(version, catalog, policy);
  const names = facts.capabilities.map(({ name }) => name);
  return { facts, failures, fromPlugins: names.filter((name) => catalog.get(name)?.plugin !== undefined) };
}
