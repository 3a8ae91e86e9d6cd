/**
 * Asks every plugin for its capabilities through the oclif hook `node:capabilities`. oclif swallows what goes wrong there; here a plugin that throws or
 * hangs is named, so that it does not vanish silently, and the others go on.
 */
import { delimiter } from 'node:path';
import type { Config } from '@oclif/core';
import { readVariable } from './environment.js';

export interface HookedCapabilities<R> {
  readonly registrations: readonly R[];
  readonly failures: readonly { readonly plugin: string; readonly message: string }[];
}

/** A plugin that takes longer is left out. */
const HOOK_TIMEOUT_MS = 5000;

interface HookResult {
  readonly successes: readonly { readonly plugin: { readonly name: string }; readonly result: unknown }[];
  readonly failures: readonly { readonly plugin: { readonly name: string }; readonly error: Error }[];
}

/** Those of the plugins, and those of the modules that `PALYRA_CAPABILITY_MODULES` names (absolute paths, separated like PATH). */
export async function collectCapabilities<R extends object>(
  config: Config,
  loadModules: (paths: readonly string[]) => Promise<HookedCapabilities<R>>,
): Promise<HookedCapabilities<R>> {
  const paths = readVariable('PALYRA_CAPABILITY_MODULES')?.split(delimiter) ?? [];
  const [hooked, modules] = await Promise.all([hookCapabilities<R>(config), loadModules(paths)]);
  return {
    registrations: [...hooked.registrations, ...modules.registrations],
    failures: [...hooked.failures, ...modules.failures],
  };
}

/** What plugins registered, unchecked, each with the name of its plugin. Never throws for a bad plugin. */
export async function hookCapabilities<R extends object>(config: Config): Promise<HookedCapabilities<R>> {
  const run = config.runHook.bind(config) as (
    event: string,
    options: object,
    timeoutMs: number,
    capture: boolean,
  ) => Promise<HookResult>;
  const { successes, failures } = await run('node:capabilities', {}, HOOK_TIMEOUT_MS, true);
  return {
    registrations: successes.flatMap(({ plugin, result }) =>
      (Array.isArray(result) ? result : [result]).map((registration: unknown) => ({
        ...(registration as R),
        plugin: plugin.name,
      })),
    ),
    failures: failures.map(({ plugin, error }) => ({ plugin: plugin.name, message: firstLine(error) })),
  };
}

function firstLine(error: Error): string {
  return (error.message.split('\n')[0] ?? '') || error.name;
}
