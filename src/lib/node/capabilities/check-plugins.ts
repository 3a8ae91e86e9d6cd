/** What a node would make of the capabilities of plugins: which it accepts, and why not the others. For those who look before a node runs. */
import { builtinCapabilities } from './builtin.js';
import { Catalog, type PluginFailure, type SourcedRegistration } from './catalog.js';

/** Beside palyra's own. Nothing of the shape is taken for granted. */
export function checkPlugins(registrations: readonly object[]): {
  readonly names: readonly string[];
  readonly failures: readonly PluginFailure[];
} {
  const builtin = builtinCapabilities({});
  const own = new Set(builtin.capabilities.map(({ name }) => name));
  const { catalog, failures } = Catalog.collect([builtin, ...(registrations as SourcedRegistration[])]);
  return { names: catalog.names().filter((name) => !own.has(name)), failures };
}
