/**
 * Loads capabilities from single modules named by path, for machines and tests that do not want to install a plugin. The module's default export is a
 * `CapabilityRegistration`. Loading runs the module's code with the rights of the node: the paths come from whoever starts the node, never from the wire.
 */
import { basename, isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { CapabilityRegistration } from './capability.js';
import type { PluginFailure, SourcedRegistration } from './catalog.js';

/** A module that takes longer is left out: the node starts without it. */
const LOAD_TIMEOUT_MS = 5_000;

/** Loads in order; a module that throws, hangs or exports something else becomes a failure that names it. Never throws. */
export async function loadCapabilityModules(
  paths: readonly string[],
): Promise<{ readonly registrations: readonly SourcedRegistration[]; readonly failures: readonly PluginFailure[] }> {
  const registrations: SourcedRegistration[] = [];
  const failures: PluginFailure[] = [];
  for (const path of paths) {
    try {
      const { api, capabilities } = await load(path);
      registrations.push({ plugin: basename(path), api, capabilities });
    } catch (error) {
      failures.push({ plugin: path, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return { registrations, failures };
}

async function load(path: string): Promise<CapabilityRegistration> {
  if (!isAbsolute(path)) throw new Error('give the absolute path of the module');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not load within ${LOAD_TIMEOUT_MS / 1_000} s`)), LOAD_TIMEOUT_MS);
  });
  try {
    const module = (await Promise.race([import(pathToFileURL(path).href), late])) as { default?: unknown };
    const registration = module.default;
    if (typeof registration !== 'object' || registration === null || !('capabilities' in registration)) {
      throw new Error('its default export is not a capability registration: { api, capabilities }');
    }
    return registration as CapabilityRegistration;
  } finally {
    clearTimeout(timer);
  }
}
