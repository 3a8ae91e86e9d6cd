/** What this machine says about itself, when it asks to join and whenever it registers. */
import { arch, hostname, platform } from 'node:os';

import { NODE_PROTOCOL, type MachineFacts } from '../base/model.js';
import { Catalog, type PluginFailure, type SourcedRegistration } from './capabilities/catalog.js';

export function machineFacts(version: string, catalog: Catalog): MachineFacts {
  return {
    hostname: hostname(),
    platform: platform(),
    arch: arch(),
    version,
    protocol: NODE_PROTOCOL.max,
    capabilities: catalog.descriptors(),
  };
}

/** The same from registrations, with the capabilities that were refused. */
export function describeMachine(
  version: string,
  registrations: readonly SourcedRegistration[],
): { readonly facts: MachineFacts; readonly failures: readonly PluginFailure[] } {
  const { catalog, failures } = Catalog.collect(registrations);
  return { facts: machineFacts(version, catalog), failures };
}
