/**
 * Where the capabilities of this machine come from: palyra's own answer to the oclif hook `node:capabilities`, that of every installed plugin, each asked in a
 * thread of its own, and the modules that `PALYRA_CAPABILITY_MODULES` names. Who throws, hangs, prints or exits is named, so that it does not vanish
 * silently, and the others go on.
 */
import { delimiter } from 'node:path';
import type { Config } from '@oclif/core';
import { PalyraError } from '../base/errors.js';
import { readSwitch, readVariable } from './environment.js';
import type { LoadOptions, LoadedCapabilities, PluginProblem } from './plugins/load-capabilities.js';
import { pluginsFolder, readIndex, type PluginRecord } from './plugins/plugin-index.js';

export interface HookedCapabilities<R> {
  readonly registrations: readonly R[];
  readonly failures: readonly PluginProblem[];
}

export interface CollectOptions<R> {
  /** The data directory. */
  readonly data: string;
  readonly loadModules: (paths: readonly string[]) => Promise<HookedCapabilities<R>>;
  readonly loadWithinMs?: number;
  readonly onPrinted?: (plugin: string, text: string) => void;
}

/** palyra's own part is loaded from beside it. */
const HOOK_TIMEOUT_MS = 5000;

interface HookResult {
  readonly successes: readonly { readonly plugin: { readonly name: string }; readonly result: unknown }[];
  readonly failures: readonly { readonly plugin: { readonly name: string }; readonly error: Error }[];
}

/** Everything this machine can offer, unchecked, and who failed. Never throws for a bad plugin. Close it when the node ends. */
export async function collectCapabilities<R extends object>(
  config: Config,
  options: CollectOptions<R>,
): Promise<LoadedCapabilities<R>> {
  const paths = readVariable('PALYRA_CAPABILITY_MODULES')?.split(delimiter) ?? [];
  const [own, installed, modules] = await Promise.all([
    hookCapabilities<R>(config),
    installedCapabilities<R>(config, options),
    options.loadModules(paths),
  ]);
  return {
    registrations: [own, installed, modules].flatMap(({ registrations }) => registrations),
    failures: [own, installed, modules].flatMap(({ failures }) => failures),
    close: installed.close,
  };
}

/** Installed plugins, none with `--no-plugins`. Throws PLUGINS_UNREADABLE. */
export async function installedPlugins(data: string): Promise<readonly PluginRecord[]> {
  return readSwitch('PALYRA_NO_PLUGINS') ? [] : readIndex(pluginsFolder(data));
}

async function installedCapabilities<R extends object>(
  config: Config,
  { data, loadWithinMs, onPrinted }: CollectOptions<R>,
): Promise<LoadedCapabilities<R>> {
  const nothing = { registrations: [], failures: [], close: async () => undefined };
  let records: readonly PluginRecord[];
  try {
    records = await installedPlugins(data);
  } catch (error) {
    return { ...nothing, failures: [{ plugin: 'every plugin', message: PalyraError.from(error).message }] };
  }
  if (records.length === 0) return nothing;
  const { loadCapabilities, threadScript } = await import('./plugins/load-capabilities.js');
  const options: LoadOptions = {
    folder: pluginsFolder(data),
    script: threadScript(config.root),
    version: config.version,
    palyraRoot: config.root,
    ...(loadWithinMs === undefined ? {} : { loadWithinMs }),
    ...(onPrinted === undefined ? {} : { onPrinted }),
  };
  return loadCapabilities<R>(records, options);
}

/** What palyra itself registers, through the same hook as everybody. */
async function hookCapabilities<R extends object>(config: Config): Promise<HookedCapabilities<R>> {
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
